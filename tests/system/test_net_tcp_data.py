"""Data over TCP of the guest, against a peer made by hand: order, loss, windows, giving up. Each test names its RFC."""
import time

from nos.guest import PATIENCE
from nos.tcp_script import GUEST, HOST, SYN_OPTIONS, Script, count_of, end_serving
from scapy.all import IP, TCP

LINE = b"0123456789abcdefghijklmnopqrstuvwxyz" * 20 + b"\n"


def sending_guest(peer, boot, amount="100K", options=(("MSS", 1000),), window=60000, delay=0):
    """(guest, script): the guest has connected and sends zeros. A path that delays the handshake by @delay makes
    the RTO at least three times as long (RFC 6298 2.2), so that no timer comes between."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic(), cpus=2)
    guest.type(f"iperf -c {HOST} -p 7000 -n {amount}\r")
    script = Script.called(peer, 7000)
    time.sleep(delay)
    script.answer(options=options, window=window)
    return guest, script


# ---- what the guest receives ----


def test_out_of_order_overlap_and_sack(sink):
    """RFC 9293 3.10.7.4, RFC 2018 4: holes are reported, the latest first; what overlaps is counted once."""
    guest, peer = sink
    script = Script(peer)
    script.open()
    mark = script.send("A", b"C" * 100, seq=script.seq + 200)
    assert dict(script.acked(script.seq, mark).options)["SAck"] == (script.seq + 200, script.seq + 300)
    mark = script.send("A", b"E" * 100, seq=script.seq + 400)
    assert dict(script.acked(script.seq, mark).options)["SAck"] == (
        script.seq + 400, script.seq + 500, script.seq + 200, script.seq + 300)
    script.send("A", b"B" * 150, seq=script.seq + 100)
    mark = script.send("A", b"A" * 120)
    answer = script.acked(script.seq + 300, mark)
    assert dict(answer.options)["SAck"] == (script.seq + 400, script.seq + 500)
    script.acked(script.seq + 500, script.send("A", b"D" * 100, seq=script.seq + 300))
    script.seq += 500
    script.acked(script.seq + 1, script.send("FA"))
    assert end_serving(guest) == (1, 0, 500)


def test_duplicate_data_is_acknowledged_at_once(sink):
    """RFC 9293 3.10.7.4, RFC 2883: what came before is dropped, and answered by an ACK."""
    guest, peer = sink
    script = Script(peer)
    script.open()
    script.say(b"once")
    for _ in range(3):
        script.acked(script.seq, script.send("A", b"once", seq=script.seq - 4))
    script.acked(script.seq + 1, script.send("FA"))
    assert end_serving(guest) == (1, 0, 4)


def test_sequence_wraps(sink):
    """RFC 9293 3.4."""
    guest, peer = sink
    script = Script(peer, seq=0xFFFFFF00)
    script.open()
    for _ in range(4):
        mark = script.send("A", b"x" * 200)
        script.seq = (script.seq + 200) & 0xFFFFFFFF
        script.acked(script.seq, mark)
    assert script.seq < 0x1000
    script.acked(script.seq + 1, script.send("FA"))
    assert end_serving(guest) == (1, 0, 800)


def test_urgent_bits(sink):
    """RFC 9293 3.8.5, RFC 6093 6: urgent data is in line, wherever the pointer points; URG alone is nothing."""
    guest, peer = sink
    script = Script(peer)
    script.open()
    total = 0
    for pointer in (0, 1, 3, 6, 7, 1000, 65535):
        mark = script.send("UA", b"urgent", urgptr=pointer)
        script.seq += 6
        total += 6
        script.acked(script.seq, mark)
    script.send("UA", urgptr=10)
    script.send("A", b"x", urgptr=9)  # a pointer without the bit says nothing
    mark = script.send("UFA", b"y", seq=script.seq + 1, urgptr=1)
    script.acked(script.seq + 3, mark)
    assert end_serving(guest) == (1, 0, total + 2)


def test_window_shuts_and_opens_with_the_reader(peer, boot):
    """RFC 9293 3.8.6.2.2: a reader that stalls shuts the window; what comes then is refused and answered; when it
    has drained, the new window is told without being asked."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic())
    guest.type(f"nc {HOST} 7000\r")
    script = Script.called(peer, 7000)
    answer = script.answer(options=[("MSS", 1460)])
    # nc writes to a console that nobody reads, and waits. Not for ever: what a dead console does not take is dropped
    # after 2 s, and the window opens again. So both may happen at any time, and only answers count.
    is_refused = False
    while not is_refused:
        assert script.seq < 8 << 20, "the window never shuts"
        if answer.window:
            answer = script.say((LINE * 12)[-min(len(LINE) * 12, answer.window):])
            continue
        answer = script.wait(lambda tcp: tcp.ack in (script.seq, script.seq + 1), script.send("A", b"?"))[TCP]
        is_refused = answer.ack == script.seq and answer.window == 0
        script.seq = answer.ack
    since = peer.after
    end = time.monotonic() + 60 * PATIENCE
    while not peer.find(lambda packet: script.is_ours(packet) and packet[TCP].window > 5000, 0.01, since):
        assert time.monotonic() < end
        guest.read_some()
    guest.type("\x03")  # a reset would have to name the very byte that the guest waits for
    guest.wait_prompt()


# ---- what it sends ----


def test_zero_window_and_probes(peer, boot):
    """RFC 9293 3.8.6.1: a closed window is probed by a byte, at growing intervals, and data flows when it opens."""
    guest, script = sending_guest(peer, boot, options=[("MSS", 1000), ("Timestamp", (1, 0))], window=1000)
    script.options = [("Timestamp", (1, 0))]
    first = script.wait(lambda tcp: len(tcp.payload))[TCP]
    assert len(first.payload) <= 1000 and first.seq == script.ack
    script.ack += len(first.payload)
    mark = script.send("A", window=0)
    probe = script.wait(lambda tcp: tcp.seq == script.ack and len(tcp.payload) == 1, mark)
    second = script.wait(lambda tcp: tcp.seq == script.ack and len(tcp.payload) == 1, peer.after)
    sent = [dict(packet[TCP].options)["Timestamp"][0] for packet in (probe, second)]  # by the guest's own clock
    assert sent[1] - sent[0] >= 150
    assert script.none(lambda tcp: len(tcp.payload) > 1 and tcp.seq >= script.ack, mark)
    mark = script.send("A", window=5000)
    more = script.wait(lambda tcp: len(tcp.payload) > 1, mark)[TCP]
    assert more.seq in (script.ack, script.ack + 1)
    script.send("R")
    guest.wait_prompt()
    assert count_of(guest, "window probes") >= 2


def test_fast_retransmit(peer, boot):
    """RFC 5681 3.2: the third duplicate ACK brings the segment again, and no timer did."""
    guest, script = sending_guest(peer, boot, delay=0.8)
    script.wait(lambda tcp: len(tcp.payload) and tcp.seq >= script.ack + 4000)
    mark = peer.mark
    script.send("A", window=50000)  # tells of a window, so it is no duplicate (RFC 5681 2, e)
    for _ in range(3):
        script.send("A", window=50000)
    script.wait(lambda tcp: tcp.seq == script.ack and len(tcp.payload), mark)
    script.send("R")
    guest.wait_prompt()
    assert count_of(guest, "fast recoveries") == 1


def test_sack_fills_the_holes(peer, boot):
    """RFC 6675 5: of what is in flight only the hole is sent again."""
    guest, script = sending_guest(peer, boot, options=[("MSS", 1000), ("SAckOK", b"")], delay=0.8)
    script.wait(lambda tcp: tcp.seq >= script.ack + 9000)
    base = script.ack
    mark = script.send("A", options=[("NOP", None), ("NOP", None), ("SAck", (base + 1000, base + 2000)),
                                     ("NOP", None), ("NOP", None), ("SAck", (base + 3000, base + 9000))])
    script.wait(lambda tcp: tcp.seq == base and len(tcp.payload) == 1000, mark)
    script.wait(lambda tcp: tcp.seq == base + 2000 and len(tcp.payload) == 1000, mark)
    assert script.none(lambda tcp: base < tcp.seq < base + 2000 or base + 3000 <= tcp.seq < base + 9000, mark)
    script.send("R")
    guest.wait_prompt()


def test_data_is_sent_again_until_it_is_given_up(peer, boot):
    """RFC 6298 5.5, RFC 1122 4.2.3.5: intervals double by the guest's own clock; at R2 the user is told why."""
    guest = boot(append=f"ip={GUEST}/24,{HOST} tcp.give_up=6", devices=peer.nic())
    guest.type(f"nc {HOST} 7000\r")
    script = Script.called(peer, 7000)
    script.options = [("Timestamp", (1, 0))]
    script.answer(options=[*SYN_OPTIONS, ("Timestamp", (1, 0))])
    mark = peer.mark
    guest.type("anybody there?\r")
    stamps = []
    for _ in range(4):
        packet = script.wait(lambda tcp: len(tcp.payload), mark)
        assert packet[TCP].seq == script.ack
        stamps.append(dict(packet[TCP].options)["Timestamp"][0])
        mark = peer.after
    gaps = [later - earlier for earlier, later in zip(stamps, stamps[1:])]
    assert all(gap >= 199 << number for number, gap in enumerate(gaps)), gaps
    assert "timed out" in guest.wait_prompt()
    assert count_of(guest, "gave up") == 1
    assert script.wait_flags("R", script.send("A", b"too late")).seq == script.ack


# ---- path MTU ----


def test_path_mtu(peer, boot):
    """RFC 1191 3 and 4: segments carry DF; a router's smaller MTU is obeyed at once, for what is in flight too."""
    guest, script = sending_guest(peer, boot, "200K", [("MSS", 1460)])
    first = script.wait(lambda tcp: tcp.seq == script.ack and len(tcp.payload))
    assert "DF" in str(first[IP].flags) and len(first[TCP].payload) == 1460
    mark = script.too_big(1000, script.ack)
    script.wait(lambda tcp: tcp.seq == script.ack and len(tcp.payload) == 960, mark)
    behind = script.wait(lambda tcp: tcp.seq == script.ack + 960, mark)[TCP]
    assert len(behind.payload) == 960
    mark = script.send("A", ack=behind.seq + 960)
    script.ack = behind.seq + 960
    script.wait(lambda tcp: tcp.seq > script.ack, mark)
    assert script.none(lambda tcp: len(tcp.payload) > 960, mark)
    script.send("R")
    guest.wait_prompt()
    mark = peer.mark
    guest.type(f"iperf -c {HOST} -p 7001 -n 20K\r")  # the path is remembered (RFC 1191 6.3)
    other = Script.called(peer, 7001, mark)
    mark = peer.mark
    other.answer(options=[("MSS", 1460)])
    assert len(other.wait(lambda tcp: len(tcp.payload), mark)[TCP].payload) == 960
    other.send("R")
    guest.wait_prompt()
