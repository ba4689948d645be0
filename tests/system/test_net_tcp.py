"""TCP of the guest: throughput both ways, many connections, and a peer made by hand that breaks rules."""
import random
import re
import socket
import threading
import time

import pytest
from scapy.all import ICMP, IP, TCP, Raw

from nos import network as networks

HOST, GUEST = "10.77.0.1", "10.77.0.2"
PORT = 5001
ISN = 1000


def used_kib(guest):
    return int(re.search(r"^used +\d+ +(\d+)", guest.run("memusage"), re.MULTILINE).group(1))


def allocated(guest):
    """Bytes that somebody holds, by the pools' own count; caches of free objects are not counted."""
    rows = re.findall(r"^\S.*? +(\d+) +(\d+) +\d+ +\d+ +\d+$", guest.run("memusage"), re.MULTILINE)
    assert rows
    return sum(int(size) * int(count) for size, count in rows)


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


# ---- against Linux ----


@pytest.fixture
def linux(network, boot):
    """(guest, network) with offloads, on a tap of a Linux host."""
    guest = boot(prefix=network.prefix, cpus=2, append=network.static("udpshell=9000"),
                 devices=network.nic(offload=True))
    return guest, network


def connect(network, port=PORT):
    sock = network.tcp()
    sock.connect((network.guest, port))
    return sock


def test_256_mib_each_way(linux):
    guest, network = linux
    total = 256 << 20
    serve(guest)
    block = bytes(1 << 20)
    with connect(network) as sock:
        for _ in range(total >> 20):
            sock.sendall(block)
    time.sleep(0.3)  # the FIN is on its way
    assert end_serving(guest) == (1, 0, total)
    listener = network.listen(5002)
    received = []

    def sink():
        connection, _ = listener.accept()
        count = 0
        while data := connection.recv(1 << 20):
            count += len(data)
        received.append(count)
        connection.close()

    thread = threading.Thread(target=sink)
    thread.start()
    output, succeeded = guest.status(f"iperf -c {network.host} -p 5002 -n 256M", 120)
    thread.join(30)
    assert succeeded and received == [total], output


def test_iperf_2(linux):
    """The program itself, both ways."""
    if not networks.shutil.which("iperf"):
        pytest.skip("iperf is not installed")
    guest, network = linux
    serve(guest)
    assert "MBytes" in network.run("iperf", "-c", network.guest, "-n", "16M")
    connections, broken, total = end_serving(guest)
    assert connections == 1 and broken == 0 and total >= 16 << 20
    network.start("iperf", "-s")
    network.wait_listening(PORT)
    output, succeeded = guest.status(f"iperf -c {network.host} -n 16M")
    assert succeeded and f"{16 << 20} bytes" in output


def test_thousand_connections_in_a_row(linux):
    guest, network = linux
    serve(guest)
    for _ in range(1000):
        with connect(network) as sock:
            sock.sendall(b"hello")
    time.sleep(0.3)  # the last FIN
    assert end_serving(guest) == (1000, 0, 5000)
    assert guest.run("echo alive").strip() == "alive"


def open_500_and_cut_half(guest, network):
    serve(guest)
    socks = [connect(network) for _ in range(500)]
    for sock in socks:
        sock.sendall(b"x" * 10000)
    for number, sock in enumerate(socks):
        if number % 2:  # a reset, midway
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    end = time.monotonic() + 60
    while ":5001" in network.run("ss", "-tnH", "exclude", "time-wait"):
        assert time.monotonic() < end
        time.sleep(0.1)
    connections, broken, _ = end_serving(guest)
    assert connections == 500 and 0 < broken <= 250


def test_500_at_once_half_of_them_cut_off(linux):
    """After the first round has made what is made once, the others leave nothing behind."""
    guest, network = linux
    open_500_and_cut_half(guest, network)
    before = allocated(guest)
    for _ in range(3):
        open_500_and_cut_half(guest, network)
    end = time.monotonic() + 30
    while allocated(guest) - before > 32768 or not guest.run("tcpstat").lstrip().startswith("0 connections"):
        assert time.monotonic() < end, guest.run("memusage; tcpstat")
        time.sleep(0.5)


def test_nc(linux):
    guest, network = linux
    listener = network.listen(5003)
    guest.type(f"nc {network.host} 5003\r")
    connection, _ = listener.accept()
    connection.sendall(b"from the host\n")
    guest.expect("from the host")
    guest.type("from the guest\r")
    connection.settimeout(10)
    assert b"from the guest" in connection.recv(100)
    connection.close()
    guest.wait_prompt()
    guest.type("nc -l 5004\r")
    time.sleep(0.5)  # nc says nothing when it listens
    with connect(network, 5004) as sock:
        sock.sendall(b"hello\n")
        guest.expect("hello")
    guest.wait_prompt()
    output, succeeded = guest.status(f"nc {network.host} 5999")
    assert not succeeded and "refused" in output.lower()


# ---- against a peer made by hand; each test names its section of the RFC ----


class Script:
    """One connection to the guest's sink, segment by segment."""

    ports = iter(range(20000, 60000))

    def __init__(self, peer, **options):
        self.peer, self.port = peer, next(self.ports)
        self.seq, self.ack = ISN, 0
        self.options = options

    def segment(self, flags, payload=b"", seq=None, ack=None, options=(), window=65535, **fields):
        return IP(src=HOST, dst=GUEST) / TCP(
            sport=self.port, dport=PORT, flags=flags, seq=(self.seq if seq is None else seq) & 0xFFFFFFFF,
            ack=self.ack if ack is None else ack, window=window, options=list(options), **fields) / Raw(payload)

    def send(self, flags, payload=b"", **fields):
        mark = self.peer.mark
        self.peer.send_ip(self.segment(flags, payload, **fields))
        return mark

    def wait(self, matches, since=0, seconds=None):
        return self.peer.wait(lambda packet: TCP in packet and packet[TCP].dport == self.port and matches(packet[TCP]),
                              since=since, seconds=seconds)

    def none(self, matches, since):
        return not any(TCP in packet and packet[TCP].dport == self.port and matches(packet[TCP])
                       for packet in self.peer.received[since:])

    def open(self, **fields):
        mark = self.send("S", options=[("MSS", 1460), ("SAckOK", b""), ("WScale", 7)], **fields)
        synack = self.wait(lambda tcp: tcp.flags == "SA", mark)[TCP]
        assert synack.ack == self.seq + 1
        self.seq, self.ack = (self.seq + 1) & 0xFFFFFFFF, (synack.seq + 1) & 0xFFFFFFFF
        self.send("A")
        return synack

    def acked(self, number, since, seconds=None):
        return self.wait(lambda tcp: "A" in str(tcp.flags) and tcp.ack == number & 0xFFFFFFFF, since, seconds)[TCP]


@pytest.fixture
def sink(peer, boot):
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic(), cpus=2)
    serve(guest)
    return guest, peer


def test_handshake_options(sink):
    """RFC 9293 3.7.1, RFC 7323 2.2, RFC 2018 2: MSS, window scale and SACK are agreed on."""
    _, peer = sink
    synack = Script(peer).open()
    options = dict(synack.options)
    assert options["MSS"] == 1460 and "WScale" in options and "SAckOK" in options
    plain = Script(peer)
    mark = plain.send("S")
    options = dict(plain.wait(lambda tcp: tcp.flags == "SA", mark)[TCP].options)
    assert "WScale" not in options and "SAckOK" not in options and "Timestamp" not in options


def test_out_of_order_overlap_and_sack(sink):
    """RFC 9293 3.10.7.4, RFC 2018 4: holes are reported, what overlaps is counted once."""
    guest, peer = sink
    script = Script(peer)
    script.open()
    mark = script.send("A", b"C" * 100, seq=script.seq + 200)
    options = dict(script.acked(script.seq, mark).options)
    assert options["SAck"] == (script.seq + 200, script.seq + 300)
    script.send("A", b"B" * 150, seq=script.seq + 100)
    mark = script.send("A", b"A" * 120)
    script.acked(script.seq + 300, mark)
    script.seq += 300
    mark = script.send("FA")
    script.acked(script.seq + 1, mark)
    time.sleep(0.2)
    assert end_serving(guest) == (1, 0, 300)


def test_sequence_wraps(sink):
    """RFC 9293 3.4."""
    guest, peer = sink
    script = Script(peer)
    script.seq = 0xFFFFFF00
    script.open()
    for _ in range(4):
        mark = script.send("A", b"x" * 200)
        script.seq = (script.seq + 200) & 0xFFFFFFFF
        script.acked(script.seq, mark)
    assert script.seq < 0x1000
    script.send("FA")
    time.sleep(0.2)
    assert end_serving(guest) == (1, 0, 800)


def test_reset_in_and_out_of_window(sink):
    """RFC 5961 3.2: only a reset at exactly RCV.NXT resets; within the window it is challenged."""
    guest, peer = sink
    script = Script(peer)
    script.open()
    mark = script.send("R", seq=script.seq + 100)
    challenge = script.acked(script.seq, mark)
    assert challenge.seq == script.ack
    mark = script.send("R", seq=script.seq - 100000)
    mark = script.send("A", b"alive")
    script.acked(script.seq + 5, mark)
    script.seq += 5
    time.sleep(0.5)  # what is reset before it was accepted is never seen by the sink
    script.send("R")
    mark = script.send("A", b"dead")
    script.wait(lambda tcp: "R" in str(tcp.flags), mark)
    assert end_serving(guest)[:2] == (1, 1)


def test_syn_in_a_connection(sink):
    """RFC 5961 4.2: a SYN is challenged, never obeyed."""
    _, peer = sink
    script = Script(peer)
    script.open()
    mark = script.send("S", seq=script.seq + 50)
    script.acked(script.seq, mark)
    mark = script.send("A", b"alive")
    script.acked(script.seq + 5, mark)


def test_ack_of_what_was_never_sent(sink):
    """RFC 9293 3.10.7.4, RFC 5961 5.2: answered by an ACK, the data is not taken."""
    _, peer = sink
    script = Script(peer)
    script.open()
    mark = script.send("A", b"no", ack=script.ack + 100000)
    script.acked(script.seq, mark)
    assert script.none(lambda tcp: tcp.ack == script.seq + 2, mark)


def test_closed_port_and_stray_segments(sink):
    """RFC 9293 3.10.7.1."""
    _, peer = sink
    script = Script(peer)
    mark = peer.mark
    peer.send_ip(IP(src=HOST, dst=GUEST) / TCP(sport=script.port, dport=4, flags="S", seq=ISN))
    reset = script.wait(lambda tcp: "R" in str(tcp.flags), mark)[TCP]
    assert reset.ack == ISN + 1 and reset.seq == 0
    mark = script.send("A", ack=12345)
    assert script.wait(lambda tcp: tcp.flags == "R", mark)[TCP].seq == 12345
    mark = script.send("R", seq=5)
    peer.send_ip(IP(src=HOST, dst=GUEST) / ICMP(id=1, seq=1))
    peer.wait(lambda packet: ICMP in packet, since=mark)
    assert script.none(lambda tcp: True, mark)


def test_half_close(sink):
    """RFC 9293 3.6: our FIN is acknowledged, and the guest's comes."""
    guest, peer = sink
    script = Script(peer)
    script.open()
    mark = script.send("FA", b"last")
    script.acked(script.seq + 5, mark)
    fin = script.wait(lambda tcp: "F" in str(tcp.flags), mark)[TCP]
    script.seq += 5
    mark = script.send("A", ack=fin.seq + 1)
    assert end_serving(guest) == (1, 0, 4)


def test_fin_is_retransmitted_with_backoff(sink):
    """RFC 6298 5.5: a lost FIN comes again, each time after twice as long."""
    _, peer = sink
    script = Script(peer)
    script.open()
    mark = script.send("FA")
    times = []
    for _ in range(4):
        fin = script.wait(lambda tcp: "F" in str(tcp.flags), mark, 30)
        times.append(fin.time)
        mark = peer.after
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert gaps[0] >= 0.15 and all(1.6 < later / earlier < 2.6 for earlier, later in zip(gaps, gaps[1:])), gaps


def test_bad_checksums_and_lengths(sink):
    guest, peer = sink
    script = Script(peer)
    script.open()
    bad = script.segment("A", b"evil")
    bad[TCP].chksum = 0x1234
    mark = peer.mark
    peer.send_ip(bad)
    for offset in (0, 4, 15):
        broken = script.segment("A", b"")
        broken[TCP].dataofs = offset
        peer.send_ip(broken)
    mark = script.send("A", b"good")
    script.acked(script.seq + 4, mark)
    assert script.none(lambda tcp: tcp.ack > script.seq + 4, mark)
    assert guest.process.poll() is None


def test_syn_flood(sink):
    """RFC 4987 3.6: cookies; a real client gets in meanwhile, and nothing is left."""
    guest, peer = sink
    numbers = random.Random(1)
    peer.is_wanted = lambda frame: frame[12:14] == b"\x08\x06" or frame[30:34] == socket.inet_aton(HOST)
    sources = [f"10.77.0.{host}" for host in range(10, 250)]
    peer.addresses.update(sources)
    packet = bytearray(bytes(IP(src=HOST, dst=GUEST) / TCP(sport=1, dport=PORT, flags="S", seq=1, window=1000)))
    link = bytes.fromhex("525400" "4e6f00" "525400777777" "0800")
    for number in range(20000):
        source = socket.inet_aton(sources[number % len(sources)])
        packet[12:16] = source
        packet[20:22] = numbers.randrange(1024, 65536).to_bytes(2, "big")
        packet[24:28] = numbers.randbytes(4)
        packet[10:12] = packet[36:38] = b"\0\0"
        packet[10:12] = checksum(bytes(packet[:20]))
        packet[36:38] = checksum(source + socket.inet_aton(GUEST) + b"\0\6\0\x14" + bytes(packet[20:40]))
        peer.send_bytes(link + bytes(packet))
    script = Script(peer)
    script.open()
    mark = script.send("A", b"real")
    script.acked(script.seq + 4, mark)
    guest.type("\r")
    guest.wait_prompt()
    assert used_kib(guest) < 16 * 1024
    assert re.search(r"cookies.sent\s+[1-9]", guest.run("tcpstat")), guest.run("tcpstat")


def checksum(data):
    total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def test_zero_window_and_probes(peer, boot):
    """RFC 9293 3.8.6.1: a closed window is probed, and data flows when it opens."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic(), cpus=2)
    guest.type(f"iperf -c {HOST} -p 7000 -n 100K\r")
    syn = peer.wait(lambda packet: TCP in packet and packet[TCP].flags == "S")[TCP]
    seq, ack = ISN, syn.seq + 1

    def send(flags, window, **fields):
        peer.send_ip(IP(src=HOST, dst=GUEST) / TCP(sport=7000, dport=syn.sport, flags=flags, seq=seq, ack=ack,
                                                   window=window, **fields))

    mark = peer.mark
    send("SA", 1000, options=[("MSS", 1000)])
    seq += 1
    first = peer.wait(lambda packet: TCP in packet and len(packet[TCP].payload), since=mark)[TCP]
    size = len(first.payload)
    assert size <= 1000 and first.seq == ack
    ack += size
    mark = peer.mark
    send("A", 0)
    probe = peer.wait(lambda packet: TCP in packet and packet[IP].src == GUEST, since=mark)
    assert len(probe[TCP].payload) <= 1
    second = peer.wait(lambda packet: TCP in packet and packet[IP].src == GUEST,
                       since=peer.after)
    assert second.time - probe.time > 0.15
    mark = peer.mark
    send("A", 5000)
    more = peer.wait(lambda packet: TCP in packet and len(packet[TCP].payload) > 1, since=mark)[TCP]
    assert more.seq in (ack, ack + 1)
    send("R", 0)
    guest.wait_prompt()


def test_fast_retransmit(peer, boot):
    """RFC 5681 3.2: the third duplicate ACK brings the segment again, long before its timer."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic(), cpus=2)
    guest.type(f"iperf -c {HOST} -p 7000 -n 100K\r")
    syn = peer.wait(lambda packet: TCP in packet and packet[TCP].flags == "S")[TCP]
    base = syn.seq + 1

    def send(flags, seq=ISN + 1, ack=base, **fields):
        peer.send_ip(IP(src=HOST, dst=GUEST) / TCP(sport=7000, dport=syn.sport, flags=flags, seq=seq, ack=ack,
                                                   window=60000, **fields))

    mark = peer.mark
    send("SA", seq=ISN, options=[("MSS", 1000)])
    peer.wait(lambda packet: TCP in packet and len(packet[TCP].payload) and packet[TCP].seq >= base + 4000, since=mark)
    mark = peer.mark
    for _ in range(3):
        send("A")
    began = time.monotonic()
    again = peer.wait(lambda packet: TCP in packet and packet[TCP].seq == base and len(packet[TCP].payload), since=mark)
    assert again.time - began < 0.15
    send("R")
    guest.wait_prompt()


def test_connect_gives_up(peer, boot):
    """RFC 9293 3.8.3: SYNs are repeated with backoff; the command ends at its deadline, or by Ctrl-C."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic())
    guest.type(f"iperf -c {HOST} -p 7000\r")
    syns = []
    mark = 0
    for _ in range(3):
        syn = peer.wait(lambda packet: TCP in packet and packet[TCP].flags == "S", since=mark)
        mark = peer.after
        syns.append(syn)
    assert len({syn[TCP].seq for syn in syns}) == 1
    assert syns[2].time - syns[1].time > 1.5 * (syns[1].time - syns[0].time)
    guest.type("\x03")
    guest.wait_prompt(5)
