#!/usr/bin/python3
"""udpsh - the client of the UDP shell of nos.

    scripts/udpsh.py HOST [PORT] [TIMEOUT] [--key HEX] [-c COMMAND]

Reads commands from the terminal (or runs the one given by -c) and prints what the machine answers.
PORT is 9000 and TIMEOUT 30 seconds unless given. A request that is not answered whole is sent again;
the machine does not run it twice. The format of the packets is in shell/udp_shell_packet.h.
"""
import argparse
import hashlib
import hmac
import os
import socket
import struct
import sys
import time

MAGIC = 0x4E4F5348
HEADER = struct.Struct("!IIHHHH")
KEYED = struct.Struct("!QQ")
TAG_SIZE = 32
LAST, WITH_KEY = 1, 2
RETRY_SECONDS = 2.0


class UdpShell:
    """One client: its socket, its sequence numbers, and the session when there is a key."""

    def __init__(self, host, port=9000, timeout=30.0, key=None):
        self.timeout = timeout
        self.key = key
        self.address = (host, port)
        self.reconnect()

    def reconnect(self):
        """A new port and a new sequence: what the last one left behind is not for us."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(self.address)
        self.sequence = int.from_bytes(os.urandom(4), "big")
        self.session = 0
        self.counter = time.time_ns()

    def tag(self, direction, data):
        return hmac.new(self.key, direction + data, hashlib.sha256).digest()

    def request(self, text):
        flags = WITH_KEY if self.key else 0
        packet = HEADER.pack(MAGIC, self.sequence, 0, flags, len(text), 0)
        if not self.key:
            return packet + text
        self.counter = max(self.counter + 1, time.time_ns())
        packet += KEYED.pack(self.session, self.counter) + text
        return packet + self.tag(b"C", packet)

    def parse(self, packet):
        """(chunk, flags, session, text) of a reply to the present sequence, or None."""
        if len(packet) < HEADER.size:
            return None
        magic, sequence, chunk, flags, length, zero = HEADER.unpack_from(packet)
        if magic != MAGIC or sequence != self.sequence or zero != 0:
            return None
        body, session = packet[HEADER.size:], 0
        if self.key:
            if not flags & WITH_KEY or len(body) < KEYED.size + TAG_SIZE:
                return None
            if not hmac.compare_digest(self.tag(b"S", packet[:-TAG_SIZE]), packet[-TAG_SIZE:]):
                return None
            session, _ = KEYED.unpack_from(body)
            body = body[KEYED.size:-TAG_SIZE]
        if len(body) != length:
            return None
        return chunk, flags, session, body

    def exchange(self, text):
        """Send until every chunk of the reply is there: {chunk: text}, and the session."""
        chunks, last, session = {}, None, 0
        end = time.monotonic() + self.timeout
        again = 0.0
        while last is None or len(chunks) <= last:
            now = time.monotonic()
            if now >= end:
                raise TimeoutError(f"no answer within {self.timeout:g} s")
            if now >= again:
                self.socket.send(self.request(text))
                again = now + RETRY_SECONDS
            self.socket.settimeout(min(again, end) - now)
            try:
                reply = self.parse(self.socket.recv(65536))
            except (TimeoutError, socket.timeout):
                continue
            if reply is None:
                continue
            chunk, flags, session, body = reply
            chunks[chunk] = body
            if flags & LAST:
                last = chunk
            end = time.monotonic() + self.timeout
            again = max(again, time.monotonic() + RETRY_SECONDS)
        return b"".join(chunks[i] for i in range(last + 1)), session

    def run(self, command):
        """Run one command; its whole output as bytes. TimeoutError, ConnectionError."""
        if self.key and not self.session:
            self.sequence = (self.sequence + 1) & 0xFFFFFFFF
            _, self.session = self.exchange(b"")
        self.sequence = (self.sequence + 1) & 0xFFFFFFFF
        return self.exchange(command.encode())[0]


def interact(shell):
    while True:
        try:
            line = input("nos> ")
        except EOFError:
            print()
            return 0
        try:
            sys.stdout.buffer.write(shell.run(line))
            sys.stdout.flush()
        except (OSError, KeyboardInterrupt) as problem:
            print(f"udpsh: {problem or 'stopped waiting'}; starting anew", file=sys.stderr)
            shell.reconnect()


def main():
    parser = argparse.ArgumentParser(description="client of the UDP shell of nos")
    parser.add_argument("host")
    parser.add_argument("port", nargs="?", type=int, default=9000)
    parser.add_argument("timeout", nargs="?", type=float, default=30.0)
    parser.add_argument("--key", metavar="HEX", type=bytes.fromhex, help="as udpshell.key=")
    parser.add_argument("-c", dest="command", help="run this one command")
    arguments = parser.parse_args()
    shell = UdpShell(arguments.host, arguments.port, arguments.timeout, arguments.key)
    if arguments.command is None:
        return interact(shell)
    try:
        sys.stdout.buffer.write(shell.run(arguments.command))
        return 0
    except OSError as problem:
        print(f"udpsh: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
