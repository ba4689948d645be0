"""One TCP connection between the guest and a peer made by hand, segment by segment.

    script = Script(peer)                    the guest listens (iperf -s)
    script.open()
    mark = script.send("A", b"data")
    script.acked(script.seq + 4, mark)

    guest.type("nc 10.77.0.1 7000\r")        the guest connects
    script = Script.called(peer, 7000)
    script.answer()

seq is what the peer sends next, ack what it acknowledges: the guest's next. Flags are scapy's
letters; those of the guest are compared without P, which is its own affair.
"""
import itertools
import re

from nos.peer import GUEST_MAC, PEER_MAC
from scapy.all import ICMP, IP, TCP, Ether, Raw

HOST, GUEST = "10.77.0.1", "10.77.0.2"
IPERF_PORT = 5001
ISN = 1000
SYN_OPTIONS = (("MSS", 1460), ("SAckOK", b""), ("WScale", 7))


def flags_of(tcp):
    return str(tcp.flags).replace("P", "")


class Script:
    ports = itertools.count(20000)

    def __init__(self, peer, guest_port=IPERF_PORT, port=None, seq=ISN):
        self.peer, self.guest_port = peer, guest_port
        self.port = port or next(self.ports)
        self.seq, self.ack = seq, 0
        self.options = ()  # of every segment

    # ---- segments ----

    def segment(self, flags, payload=b"", seq=None, ack=None, options=None, window=65535, **fields):
        return IP(src=HOST, dst=GUEST) / TCP(
            sport=self.port, dport=self.guest_port, flags=flags, seq=(self.seq if seq is None else seq) & 0xFFFFFFFF,
            ack=(self.ack if ack is None else ack) & 0xFFFFFFFF, window=window,
            options=list(self.options if options is None else options), **fields) / Raw(payload)

    def send(self, flags, payload=b"", **fields):
        """Returns the mark before it: what answers comes after that."""
        mark = self.peer.mark
        self.peer.send_ip(self.segment(flags, payload, **fields))
        return mark

    def is_ours(self, packet):
        return (TCP in packet and packet[IP].src == GUEST and packet[TCP].dport == self.port and
                self.guest_port in (None, packet[TCP].sport))

    def wait(self, matches, since=0, seconds=None):
        return self.peer.wait(lambda packet: self.is_ours(packet) and matches(packet[TCP]), since=since,
                              seconds=seconds)

    def wait_flags(self, flags, since=0):
        return self.wait(lambda tcp: flags_of(tcp) == flags, since)[TCP]

    def acked(self, number, since, seconds=None):
        """The next segment that acknowledges @number."""
        return self.wait(lambda tcp: "A" in str(tcp.flags) and tcp.ack == number & 0xFFFFFFFF, since, seconds)[TCP]

    def challenged(self, flags, payload=b"", **fields):
        """The ACK that answers a segment which is not believed; at most one comes in 10 ms (RFC 5961 7)."""
        for _ in range(100):
            mark = self.send(flags, payload, **fields)
            answer = self.peer.find(lambda packet: self.is_ours(packet) and flags_of(packet[TCP]) == "A" and
                                    packet[TCP].ack == self.seq & 0xFFFFFFFF, 0.2, mark)
            if answer:
                return answer[TCP]
        raise AssertionError(f"a segment with {flags} {fields} was not challenged")

    def none(self, matches, since):
        """True when nothing that matches has come since; ask only behind something that had to come."""
        return not any(self.is_ours(packet) and matches(packet[TCP]) for packet in self.peer.received[since:])

    # ---- the guest listens ----

    def open(self, options=SYN_OPTIONS, **fields):
        mark = self.send("S", options=options, **fields)
        synack = self.wait_flags("SA", mark)
        assert synack.ack == (self.seq + 1) & 0xFFFFFFFF
        self.seq, self.ack = (self.seq + 1) & 0xFFFFFFFF, (synack.seq + 1) & 0xFFFFFFFF
        self.send("A")
        return synack

    def say(self, data, size=1460):
        """Data in order, in segments; returns what acknowledges all of it."""
        mark = self.peer.mark
        for at in range(0, len(data), size):
            self.send("A", data[at:at + size])
            self.seq += len(data[at:at + size])
        return self.acked(self.seq, mark)

    # ---- the guest connects ----

    @classmethod
    def called(cls, peer, port, since=0):
        """The guest's SYN to @port has come; .syn is its packet."""
        script = cls(peer, None, port)
        script.syn = script.wait(lambda tcp: tcp.flags == "S", since)
        script.guest_port = script.syn[TCP].sport
        script.ack = script.syn[TCP].seq + 1
        return script

    def answer(self, options=(("MSS", 1000),), **fields):
        """Complete the handshake; returns the guest's ACK."""
        mark = self.send("SA", options=options, **fields)
        self.seq += 1
        return self.acked(self.seq, mark)

    # ---- routers ----

    def icmp(self, code, seq, **fields):
        """A destination is unreachable: so says somebody of the guest's segment @seq."""
        inner = IP(src=GUEST, dst=HOST, flags="DF", len=1500) / TCP(
            sport=self.guest_port, dport=self.port, seq=seq & 0xFFFFFFFF)
        mark = self.peer.mark
        message = ICMP(type=3, code=code, **fields) / Raw(bytes(inner)[:28])
        self.peer.send(Ether(dst=GUEST_MAC, src=PEER_MAC) / IP(src=HOST, dst=GUEST) / message)
        return mark

    def too_big(self, mtu, seq):
        """It does not fit through (RFC 1191 4)."""
        return self.icmp(4, seq, nexthopmtu=mtu)

    def unreachable(self, code, seq):
        return self.icmp(code, seq)


def serve(guest):
    """Start the guest's sink; a test ends it by end_serving()."""
    guest.type("iperf -s\r")
    guest.expect("listening on port 5001")


def end_serving(guest):
    """(connections, broken ones, bytes) that the sink counted."""
    guest.type("\r")
    output = guest.wait_prompt()
    counts = re.search(r"(\d+) connections, (\d+) of them broken\s+(\d+) bytes", output)
    assert counts, output
    return tuple(map(int, counts.groups()))


def count_of(guest, name, command="tcpstat"):
    """The counter's line of `tcpstat`, `net` or `icmpstat`; 0 when it is not shown."""
    found = re.search(rf"^ *{re.escape(name)} +(\d+)$", guest.run(command), re.MULTILINE)
    return int(found.group(1)) if found else 0
