"""A peer made by hand: frames to and from the guest as scapy packets, no other stack between.

    peer = wire(folder)                         a socket that QEMU's dgram backend is connected to
    guest = boot(devices=peer.nic(), ...)
    peer.answer_arp()
    packet = peer.wait(lambda packet: UDP in packet and packet[UDP].dport == 67)
    peer.send(Ether(...) / ...)

A Relay joins such a wire to a tap and loses, repeats, reorders, damages and delays frames, by a seed.
"""
import fcntl
import heapq
import os
import pathlib
import random
import select
import socket
import struct
import tempfile
import threading
import time

from scapy.all import ARP, ICMP, IP, UDP, Ether, raw  # noqa: F401  for the tests too

from nos.guest import PATIENCE

GUEST_MAC = "52:54:00:4e:6f:00"
PEER_MAC = "52:54:00:77:77:77"
WAIT_SECONDS = 20 * PATIENCE
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000


class Wire:
    """A pair of datagram sockets in a folder with a short name; one frame is one datagram."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="nos-")
        base = pathlib.Path(self._folder.name)
        self.near, self.far = base / "near", base / "far"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        self.socket.bind(str(self.near))

    def netdev(self):
        return ["-netdev", f"dgram,id=net0,local.type=unix,local.path={self.far},"
                           f"remote.type=unix,remote.path={self.near}"]

    def nic(self, transport="pci", **properties):
        words = "".join(f",{key}={value}" for key, value in {"mac": GUEST_MAC, "romfile": "", **properties}.items())
        return [*self.netdev(), "-device", f"virtio-net-{transport},netdev=net0{words}"]

    def send_bytes(self, frame):
        """False when QEMU is not there (yet, or any more)."""
        try:
            self.socket.sendto(frame, str(self.far))
            return True
        except OSError:
            return False

    def close(self):
        self.socket.close()
        self._folder.cleanup()


class Peer(Wire):
    """Receives in a thread; answers what it was told to; keeps the rest for wait()."""

    def __init__(self, address="10.77.0.1"):
        super().__init__()
        self.address = address
        self.addresses = {address}  # answered by ARP
        self.received = []
        self.after = 0          # number of the packet behind the one that wait() found last
        self.is_wanted = None   # of a frame's bytes: others are not even looked at
        self._handlers = []
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self):
        while not self._is_closed:
            try:
                frame = self.socket.recv(65536)
            except OSError:
                return
            if self.is_wanted and not self.is_wanted(frame):
                continue
            packet = Ether(frame)
            if ARP in packet and packet[ARP].op == 1 and packet[ARP].pdst in self.addresses:
                self.send(Ether(dst=packet.src, src=PEER_MAC) /
                          ARP(op=2, hwsrc=PEER_MAC, psrc=packet[ARP].pdst, hwdst=packet.src, pdst=packet[ARP].psrc))
            for handler in list(self._handlers):
                handler(packet)
            with self._changed:
                packet.time = time.monotonic()
                self.received.append(packet)
                self._changed.notify_all()

    def on_packet(self, handler):
        """Call @handler(packet) in the receiving thread for each packet from now on."""
        self._handlers.append(handler)

    def send(self, packet):
        return self.send_bytes(raw(packet))

    def send_ip(self, packet, mac=GUEST_MAC):
        return self.send(Ether(dst=mac, src=PEER_MAC) / packet)

    def find(self, matches, seconds, since=0):
        """As wait(), but None when no such packet comes."""
        end = time.monotonic() + seconds
        at = since
        with self._changed:
            while True:
                while at < len(self.received):
                    if matches(self.received[at]):
                        self.after = at + 1
                        return self.received[at]
                    at += 1
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)

    def wait(self, matches, seconds=None, since=0):
        """The first packet from number @since on that matches; those before it are passed over."""
        packet = self.find(matches, seconds or WAIT_SECONDS, since)
        if packet is None:
            shown = "\n".join(packet.summary() for packet in self.received[-20:])
            raise AssertionError(f"no such packet came; the last that did:\n{shown}")
        return packet

    @property
    def mark(self):
        with self._changed:
            return len(self.received)

    def close(self):
        self._is_closed = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._thread.join(5)
        super().close()


class Relay(Wire):
    """A terrible wire between the guest and a tap: each frame's fate is drawn from a seed."""

    def __init__(self, network, seed, loss=0.0, duplicate=0.0, reorder=0.0, corrupt=0.0, delay=0.0, tap="tap0"):
        super().__init__()
        self.fate = random.Random(seed)
        self.loss, self.duplicate, self.reorder, self.corrupt, self.delay = loss, duplicate, reorder, corrupt, delay
        self.counts = {"passed": 0, "lost": 0, "repeated": 0, "delayed": 0, "damaged": 0}
        with network.inside():
            self.tap = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(self.tap, TUNSETIFF, struct.pack("16sH14x", tap.encode(), IFF_TAP | IFF_NO_PI))
        self._heap, self._number, self._is_closed = [], 0, False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _draw(self, frame, send):
        if self.fate.random() < self.loss:
            self.counts["lost"] += 1
            return
        copies = 1
        if self.fate.random() < self.duplicate:
            self.counts["repeated"] += 1
            copies = 2
        if self.fate.random() < self.corrupt:
            self.counts["damaged"] += 1
            place = self.fate.randrange(14, len(frame))  # the receiver's checksums have to see it
            frame = frame[:place] + bytes([frame[place] ^ 1 << self.fate.randrange(8)]) + frame[place + 1:]
        for _ in range(copies):
            due = time.monotonic() + self.delay
            if self.fate.random() < self.reorder:
                self.counts["delayed"] += 1
                due += 0.005 + self.fate.random() * 0.02
            self.counts["passed"] += 1
            self._number += 1
            heapq.heappush(self._heap, (due, self._number, frame, send))

    def _to_tap(self, frame):
        try:
            os.write(self.tap, frame)
        except OSError:
            pass

    def _run(self):
        while not self._is_closed:
            wait = 0.2
            if self._heap:
                wait = max(0.0, min(wait, self._heap[0][0] - time.monotonic()))
            ready = select.select([self.tap, self.socket], [], [], wait)[0]
            if self.tap in ready:
                self._draw(os.read(self.tap, 65536), self.send_bytes)
            if self.socket in ready:
                self._draw(self.socket.recv(65536), self._to_tap)
            while self._heap and self._heap[0][0] <= time.monotonic():
                _, _, frame, send = heapq.heappop(self._heap)
                send(frame)

    def close(self):
        self._is_closed = True
        self._thread.join(5)
        os.close(self.tap)
        super().close()
