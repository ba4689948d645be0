"""How TCP connections of the guest end, against a peer made by hand. Each test names its RFC."""
import re
import time

from nos.guest import PATIENCE
from nos.tcp_script import GUEST, HOST, SYN_OPTIONS, Script, count_of, end_serving
from scapy.all import TCP

LISTEN_PORT = 5004


def states(guest):
    """{peer's port: state} of the connections that tcpstat shows."""
    return {int(port): state for state, port in
            re.findall(r"^([A-Z0-9-]+) +\S+:\d+ +\S+:(\d+) +sendq", guest.run("tcpstat"), re.MULTILINE)}


def test_half_close(sink):
    """RFC 9293 3.6: the peer's FIN is acknowledged, and the guest's comes."""
    guest, peer = sink
    script = Script(peer)
    script.open()
    mark = script.send("FA", b"last")
    script.acked(script.seq + 5, mark)
    fin = script.wait(lambda tcp: "F" in str(tcp.flags), mark)[TCP]
    script.seq += 5
    script.send("A", ack=fin.seq + 1)
    assert end_serving(guest) == (1, 0, 4)


def test_half_close_by_the_guest(peer, boot):
    """RFC 9293 3.6, figure 12: after its FIN the guest goes on receiving, and then waits for 2 MSL."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic())
    guest.type(f"nc {HOST} 7000\r")
    script = Script.called(peer, 7000)
    script.answer()
    mark = peer.mark
    guest.type("\x04")
    script.ack = script.wait_flags("FA", mark).seq + 1
    script.send("A")
    script.say(b"still heard\n")
    guest.expect("still heard")
    mark = script.send("FA")
    script.acked(script.seq + 1, mark)
    guest.wait_prompt()
    assert states(guest) == {7000: "TIME-WAIT"}
    mark = script.send("FA")  # as if our last ACK had been lost
    assert script.acked(script.seq + 1, mark).seq == script.ack
    script.seq += 1
    script.send("R")  # RFC 1337: a reset does not end TIME-WAIT
    assert states(guest) == {7000: "TIME-WAIT"}


def test_simultaneous_close(peer, boot):
    """RFC 9293 3.6, figure 13: both FINs cross; CLOSING until ours is acknowledged, then TIME-WAIT."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic())
    guest.type(f"nc {HOST} 7000\r")
    script = Script.called(peer, 7000)
    script.answer()
    mark = peer.mark
    guest.type("\x04")
    fin = script.wait_flags("FA", mark)
    mark = script.send("FA")  # sent before the guest's was seen: it acknowledges nothing of it
    script.acked(script.seq + 1, mark)
    script.seq += 1
    guest.wait_prompt()
    assert states(guest) == {7000: "CLOSING"}
    script.send("A", ack=fin.seq + 1)
    end = time.monotonic() + 20 * PATIENCE
    while states(guest) != {7000: "TIME-WAIT"}:
        assert time.monotonic() < end, guest.run("tcpstat")


def test_fin_is_retransmitted_with_backoff(sink):
    """RFC 6298 5.5: a lost FIN comes again, each time after twice as long, by the guest's own clock."""
    _, peer = sink
    script = Script(peer)
    script.options = [("Timestamp", (1, 0))]
    script.open(options=[*SYN_OPTIONS, ("Timestamp", (1, 0))])
    mark = script.send("FA")
    stamps = []
    for _ in range(5):
        fin = script.wait(lambda tcp: "F" in str(tcp.flags), mark)
        stamps.append(dict(fin[TCP].options)["Timestamp"][0])
        mark = peer.after
    gaps = [later - earlier for earlier, later in zip(stamps, stamps[1:])]
    assert all(gap >= 199 << number for number, gap in enumerate(gaps)), gaps


def listen_and_close_first(guest, peer, script, options=()):
    """nc -l in the guest, which ends the connection: TIME-WAIT is at its side. Returns the SYN-ACK."""
    guest.type(f"nc -l {LISTEN_PORT}\r")
    synack = open_when_listening(guest, script, options)
    mark = peer.mark
    guest.type("\x04")
    script.ack = script.wait_flags("FA", mark).seq + 1
    script.acked(script.seq + 1, script.send("FA"))
    script.seq += 1
    guest.wait_prompt()
    return synack


def open_when_listening(guest, script, options):
    """The guest's nc is not there yet, perhaps, and says nothing when it is."""
    for _ in range(200):
        mark = script.send("S", options=options, ack=0)
        answer = script.wait(lambda tcp: tcp.flags == "SA" or "R" in str(tcp.flags), mark)[TCP]
        if answer.flags == "SA":
            break
        time.sleep(0.05)
    script.seq, script.ack = script.seq + 1, answer.seq + 1
    script.send("A")
    return answer


def test_time_wait_is_reused(peer, boot):
    """RFC 9293 3.10.7.4 and 3.6.1, RFC 1122 4.2.2.13: a SYN with a higher number takes over from TIME-WAIT, one
    with a lower does not; our own numbers go on above the old ones. Binding the port again needs no waiting."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic())
    script = Script(peer, guest_port=LISTEN_PORT)
    listen_and_close_first(guest, peer, script)
    assert states(guest) == {script.port: "TIME-WAIT"}
    old_ack, old_seq = script.ack, script.seq
    guest.type(f"nc -l {LISTEN_PORT}\r")
    mark = script.send("S", seq=old_seq - 100, ack=0)
    answer = script.wait(lambda tcp: True, mark)[TCP]
    assert answer.flags == "A" and answer.ack == old_seq  # "I am still in TIME-WAIT"
    script.seq += 1000
    synack = open_when_listening(guest, script, ())
    assert synack.ack == old_seq + 1001 and (synack.seq - old_ack) % (1 << 32) < 1 << 31
    script.say(b"the second life\n")
    guest.expect("the second life")
    script.send("R")
    guest.wait_prompt()
    assert count_of(guest, "TIME-WAIT reused") == 1


def test_time_wait_is_reused_by_timestamps(peer, boot):
    """RFC 6191 2: with timestamps it is these that decide, whatever the sequence numbers say."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic())
    script = Script(peer, guest_port=LISTEN_PORT)
    script.options = [("Timestamp", (5000, 0))]
    listen_and_close_first(guest, peer, script, [*SYN_OPTIONS, ("Timestamp", (5000, 0))])
    old_seq = script.seq
    guest.type(f"nc -l {LISTEN_PORT}\r")
    mark = script.send("S", seq=old_seq + 100, ack=0, options=[("Timestamp", (4000, 0))])
    assert script.wait(lambda tcp: True, mark)[TCP].flags == "A"
    script.seq = old_seq - 5000
    script.options = [("Timestamp", (6000, 0))]
    open_when_listening(guest, script, [*SYN_OPTIONS, ("Timestamp", (6000, 0))])
    script.say(b"newer\n")
    guest.expect("newer")
    script.send("R")
    guest.wait_prompt()
    assert count_of(guest, "TIME-WAIT reused") == 1
