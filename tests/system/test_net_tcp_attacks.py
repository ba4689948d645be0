"""Segments and ICMP messages that strangers forge or the network kept too long. Each test names its RFC."""
from nos.peer import GUEST_MAC, PEER_MAC
from nos.tcp_script import GUEST, HOST, SYN_OPTIONS, Script, count_of, end_serving
from scapy.all import TCP, Ether, Raw


def test_reset_in_and_out_of_window(sink):
    """RFC 5961 3.2: only a reset at exactly RCV.NXT resets; within the window it is challenged."""
    guest, peer = sink
    script = Script(peer)
    script.open()
    script.say(b"first")
    assert script.challenged("R", seq=script.seq + 100).seq == script.ack
    script.send("R", seq=script.seq - 100000)
    script.send("R", seq=script.seq + 10000000)
    script.say(b"alive")
    script.send("R")
    script.wait(lambda tcp: "R" in str(tcp.flags), script.send("A", b"dead"))
    end_serving(guest)
    assert count_of(guest, "resets received") == 1


def test_syn_in_a_connection(sink):
    """RFC 5961 4.2: a SYN is challenged, never obeyed, wherever it lies."""
    _, peer = sink
    script = Script(peer)
    script.open()
    for seq in (script.seq + 50, script.seq - 1, script.seq - 100000, script.seq + 10000000):
        script.say(b"alive")
        script.challenged("S", seq=seq)


def test_ack_of_what_was_never_sent(sink):
    """RFC 9293 3.10.7.4, RFC 5961 5.2: answered by an ACK, the data is not taken."""
    guest, peer = sink
    script = Script(peer)
    script.open()
    for ack in (script.ack + 1, script.ack + 100000, script.ack - (1 << 24)):
        script.challenged("A", b"no", ack=ack)
        script.say(b"yes")
    script.acked(script.seq + 1, script.send("FA"))
    assert end_serving(guest) == (1, 0, 9)


def test_paws(sink):
    """RFC 7323 5.3: a segment with an older timestamp than the last is dropped and acknowledged."""
    guest, peer = sink
    script = Script(peer)

    def at(value):
        return [("NOP", None), ("NOP", None), ("Timestamp", (value & 0xFFFFFFFF, 0))]

    script.options = at(0xFFFFFFF0)
    script.open(options=[*SYN_OPTIONS, ("Timestamp", (0xFFFFFFF0, 0))])
    mark = script.send("A", b"old", options=at(0xFFFFFFEF))
    answer = script.acked(script.seq, mark)
    assert dict(answer.options)["Timestamp"][1] == 0xFFFFFFF0
    script.options = at(5)  # the clock has wrapped: newer
    assert dict(script.say(b"new").options)["Timestamp"][1] == 5
    script.acked(script.seq, script.send("A", b"old", options=at(0xFFFFFFF0)))
    script.acked(script.seq, script.send("FA", options=at(4)))
    script.say(b"same")  # equal is not older
    script.acked(script.seq + 1, script.send("FA"))
    assert end_serving(guest) == (1, 0, 7)
    assert count_of(guest, "old timestamps") == 3


def test_reset_is_not_subject_to_paws(sink):
    """RFC 7323 5.2: a reset counts whatever its timestamp."""
    guest, peer = sink
    script = Script(peer)
    script.options = [("Timestamp", (1000, 0))]
    script.open(options=[*SYN_OPTIONS, ("Timestamp", (1000, 0))])
    script.say(b"first")
    script.send("R", options=[("Timestamp", (1, 0))])
    script.wait(lambda tcp: "R" in str(tcp.flags), script.send("A", b"dead"))
    end_serving(guest)
    assert count_of(guest, "resets received") == 1


def test_forged_path_mtu(peer, boot):
    """RFC 5927 4.1 and 7.2: an MTU told of something that is not in flight, or absurdly small, is not believed."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic(), cpus=2)
    guest.type(f"iperf -c {HOST} -p 7000 -n 200K\r")
    script = Script.called(peer, 7000)
    script.answer(options=[("MSS", 1460)])
    script.wait(lambda tcp: tcp.seq == script.ack and len(tcp.payload))
    for seq in (script.ack - 1, script.ack - 5000, script.ack + 1000000, script.ack + (1 << 31)):
        script.too_big(1000, seq)
    for mtu in (0, 68, 551, 1500, 9000):
        script.too_big(mtu, script.ack)
    for _ in range(4):
        script.ack += 1460
        mark = script.send("A")
        assert len(script.wait(lambda tcp: tcp.seq > script.ack, mark)[TCP].payload) == 1460
    script.send("R")
    guest.wait_prompt()


def test_forged_unreachable(peer, boot):
    """RFC 9293 3.9.2.2, RFC 5927 4: hard errors do not end a connection; they end a connect, if they fit."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic())
    guest.type(f"nc {HOST} 7000\r")
    script = Script.called(peer, 7000)
    script.unreachable(3, script.syn[TCP].seq + 1000)
    script.answer()
    script.unreachable(3, script.ack - 1)
    script.say(b"alive\n")
    guest.expect("alive")
    script.send("R")
    guest.wait_prompt()
    mark = peer.mark
    guest.type(f"nc {HOST} 7001\r")
    script = Script.called(peer, 7001, mark)
    script.unreachable(3, script.syn[TCP].seq)
    assert "refused" in guest.wait_prompt()


def test_bad_lengths(sink):
    """RFC 9293 MUST-7: headers and options that do not fit are dropped and counted."""
    guest, peer = sink
    script = Script(peer)
    script.open()
    for offset in (0, 4, 15):
        broken = script.segment("A", b"")
        broken[TCP].dataofs = offset
        peer.send_ip(broken)
    for options in (b"\2\0\0\0", b"\2\1\0\0", b"\10\50\0\0", b"\1\1\1\5"):
        broken = bytearray(bytes(script.segment("A", b"evil", options=[("NOP", None)] * 4)))
        broken[40:44] = options
        peer.send(Ether(dst=GUEST_MAC, src=PEER_MAC, type=0x800) / Raw(with_checksum(broken)))
    script.say(b"good")
    script.acked(script.seq + 1, script.send("FA"))
    assert end_serving(guest) == (1, 0, 4)
    assert count_of(guest, "bad header") == 7


def with_checksum(packet):
    """The bytes of an IPv4 packet with TCP, its checksum made right whatever is in it."""
    packet[36:38] = b"\0\0"
    data = bytes(packet[12:20]) + b"\0\6" + (len(packet) - 20).to_bytes(2, "big") + bytes(packet[20:])
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    packet[36:38] = (~total & 0xFFFF).to_bytes(2, "big")
    return bytes(packet)
