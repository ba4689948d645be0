"""How TCP connections of the guest come about, against a peer made by hand. Each test names its RFC."""
import random
import re
import socket

import pytest
from nos.tcp_script import GUEST, HOST, IPERF_PORT, ISN, SYN_OPTIONS, Script, count_of, end_serving, serve
from scapy.all import ICMP, IP, TCP


def used_kib(guest):
    return int(re.search(r"^used +\d+ +(\d+)", guest.run("memusage"), re.MULTILINE).group(1))


def test_handshake_options(sink):
    """RFC 9293 3.7.1, RFC 7323 2.2 and 3.2, RFC 2018 2: MSS, window scale, SACK, timestamps are agreed on."""
    _, peer = sink
    options = dict(Script(peer).open(options=[*SYN_OPTIONS, ("Timestamp", (77, 0))]).options)
    assert options["MSS"] == 1460 and "WScale" in options and "SAckOK" in options
    assert options["Timestamp"][1] == 77
    options = dict(Script(peer).open(options=()).options)
    assert "WScale" not in options and "SAckOK" not in options and "Timestamp" not in options


def test_mss_is_obeyed(peer, boot):
    """RFC 9293 3.7.1: no segment is larger than the peer's MSS; 536 when it names none."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic())
    for port, options, most in ((7000, [("MSS", 700)], 700), (7001, [], 536)):
        guest.type(f"iperf -c {HOST} -p {port} -n 20K\r")
        script = Script.called(peer, port)
        mark = peer.mark
        script.answer(options=options)
        fourth = script.wait(lambda tcp: tcp.seq >= script.ack + 3 * most, mark)[TCP]
        assert len(fourth.payload) == most
        assert script.none(lambda tcp: len(tcp.payload) > most, mark)
        script.send("R")
        guest.wait_prompt()


def test_window_scale_is_used(sink):
    """RFC 7323 2.3: windows above 64 KiB are offered to a peer that scales, and none to one that does not."""
    _, peer = sink
    offered = {}
    for scales in (True, False):
        script = Script(peer)
        options = SYN_OPTIONS if scales else [("MSS", 1460)]
        shift = dict(script.open(options=options).options).get("WScale", 0)
        windows = [script.say(b"x" * 14600).window << shift for _ in range(20)]  # it grows with what the sink reads
        offered[scales] = max(windows)
    assert offered[True] > 65535 >= offered[False]


def test_closed_port_and_stray_segments(sink):
    """RFC 9293 3.10.7.1."""
    _, peer = sink
    script = Script(peer, guest_port=4)
    reset = script.wait_flags("RA", script.send("S"))
    assert reset.ack == ISN + 1 and reset.seq == 0
    assert script.wait_flags("R", script.send("A", ack=12345)).seq == 12345
    mark = script.send("R", seq=5)
    peer.send_ip(IP(src=HOST, dst=GUEST) / ICMP(id=1, seq=1))
    peer.wait(lambda packet: ICMP in packet, since=mark)
    assert script.none(lambda tcp: True, mark)


def test_refused(peer, boot):
    """RFC 9293 3.10.7.3: a reset that acknowledges the SYN ends the attempt; others do not."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic())
    guest.type(f"nc {HOST} 7000\r")
    script = Script.called(peer, 7000)
    script.send("RA", ack=script.ack + 1)
    script.send("R")
    assert script.wait_flags("R", script.send("SA", ack=script.ack + 1)).seq == script.ack + 1
    script.send("RA")
    assert "refused" in guest.wait_prompt()


def test_simultaneous_open(peer, boot):
    """RFC 9293 3.5, figure 7: both sides' SYNs cross; RFC 7323 2.2: no window is scaled in a SYN."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic())
    guest.type(f"nc {HOST} 7000\r")
    script = Script.called(peer, 7000)
    mark = script.send("S", ack=0, options=SYN_OPTIONS)
    both = script.wait_flags("SA", mark)
    assert both.seq == script.ack - 1 and both.ack == ISN + 1
    script.send("SA", options=SYN_OPTIONS, window=4)
    script.seq += 1
    mark = peer.mark
    guest.type("hello\r")
    assert bytes(script.wait(lambda tcp: len(tcp.payload), mark)[TCP].payload) == b"hell"  # 4, not 4 << 7
    script.ack += 4
    mark = script.send("A", b"bye\n", window=500)
    script.acked(script.seq + 4, mark)
    script.seq += 4
    assert bytes(script.wait(lambda tcp: len(tcp.payload), mark)[TCP].payload) == b"o\n"
    guest.expect("bye")
    script.send("R", ack=0)
    guest.wait_prompt()


def test_connect_gives_up(peer, boot):
    """RFC 9293 3.8.3, RFC 6298 5.5: SYNs are repeated with backoff; then the command says why it ends."""
    guest = boot(append=f"ip={GUEST}/24,{HOST} tcp.give_up=4", devices=peer.nic())
    guest.type(f"nc {HOST} 7000\r")
    first = Script.called(peer, 7000)
    stamps = [dict(first.syn[TCP].options)["Timestamp"][0]]  # the guest's own clock, in milliseconds
    for _ in range(2):
        again = first.wait(lambda tcp: tcp.flags == "S", peer.after)
        assert again[TCP].seq == first.syn[TCP].seq
        stamps.append(dict(again[TCP].options)["Timestamp"][0])
    assert stamps[1] - stamps[0] >= 999 and stamps[2] - stamps[1] >= 1999
    assert "timed out" in guest.wait_prompt()
    assert count_of(guest, "gave up") == 1
    guest.type(f"nc {HOST} 7001\r")
    Script.called(peer, 7001)
    guest.type("\x03")
    assert "timed out" not in guest.wait_prompt()


def test_port_exhaustion(peer, boot):
    """RFC 6056, RFC 9293 3.6.1: every local port in TIME-WAIT to one peer is a clear error, to others no matter."""
    guest = boot(append=f"ip={GUEST}/24,{HOST} net.ports=50000-50002", devices=peer.nic())
    used = set()
    for _ in range(3):
        mark = peer.mark
        guest.type(f"nc {HOST} 7000\r")
        script = Script.called(peer, 7000, mark)
        used.add(script.guest_port)
        script.answer()
        mark = peer.mark
        guest.type("\x04")  # Ctrl-D: the guest ends the connection first
        script.ack = script.wait_flags("FA", mark).seq + 1
        script.acked(script.seq + 1, script.send("FA"))
        guest.wait_prompt()
    assert used == {50000, 50001, 50002}
    output, succeeded = guest.status(f"nc {HOST} 7000")
    assert not succeeded and "address not available" in output
    assert count_of(guest, "no port free") == 1
    mark = peer.mark
    guest.type(f"nc {HOST} 7001\r")
    assert Script.called(peer, 7001, mark).guest_port in used
    guest.type("\x03")
    guest.wait_prompt()


@pytest.mark.parametrize("value", ["5", "9-5", "0-5", "1-65536", "a-b", "1-"])
def test_bad_port_range(boot, value):
    assert "net.ports" in boot(append=f"net.ports={value}").log


@pytest.mark.parametrize("value", ["0", "x", "86401", "-1"])
def test_bad_give_up_time(boot, value):
    assert "tcp.give_up" in boot(append=f"tcp.give_up={value}").log


# ---- a flood ----


def words(data):
    return sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))


def folded(total):
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def syns(sources, number):
    """@number SYN frames from @sources, ports and sequence numbers random by a seed."""
    numbers = random.Random(1)
    link = bytes.fromhex("525400" "4e6f00" "525400777777" "0800")
    packet = bytearray(bytes(IP(src="0.0.0.0", dst=GUEST) / TCP(sport=0, dport=IPERF_PORT, flags="S", seq=0,
                                                                window=1000, chksum=0)))
    packet[10:12] = b"\0\0"
    ip_sum, tcp_sum = words(packet[:20]), words(packet[16:40]) + 6 + 20
    addresses = [socket.inet_aton(source) for source in sources]
    address_sums = [words(address) for address in addresses]
    for i in range(number):
        which = i % len(addresses)
        fresh = numbers.randbytes(6)  # port and sequence number
        packet[12:16] = addresses[which]
        packet[20:22] = fresh[:2]
        packet[24:28] = fresh[2:]
        packet[10:12] = folded(ip_sum + address_sums[which])
        packet[36:38] = folded(tcp_sum + address_sums[which] + words(fresh))
        yield link + bytes(packet)


def test_syn_flood(sink):
    """RFC 4987 3.6: 100,000 SYNs are answered by cookies; a real client gets in, and nothing is left of them."""
    guest, peer = sink
    end_serving(guest)
    before = used_kib(guest)
    serve(guest)
    peer.is_wanted = lambda frame: frame[12:14] == b"\x08\x06" or frame[30:34] == socket.inet_aton(HOST)
    sources = [f"10.77.0.{host}" for host in range(10, 250)]
    peer.addresses.update(sources)
    for frame in syns(sources, 100000):
        peer.send_bytes(frame)
    script = Script(peer)
    script.open()
    script.say(b"real")
    fin = script.wait(lambda tcp: "F" in str(tcp.flags), script.send("FA"))[TCP]
    script.seq += 1
    script.send("A", ack=fin.seq + 1)
    assert end_serving(guest) == (1, 0, 4)
    assert used_kib(guest) - before < 4096
    statistics = guest.run("tcpstat")
    assert count_of(guest, "SYN cookies sent") > 50000, statistics
    assert count_of(guest, "bad checksum") == 0, statistics
    assert int(re.search(r"^(\d+) connections", statistics, re.MULTILINE).group(1)) == 0, statistics
