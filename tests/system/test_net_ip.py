"""ARP, IPv4 and ICMP by a peer made by hand: fragments, checksums, forgeries, floods and noise."""
import random
import re
import time

import pytest
from scapy.all import ARP, ICMP, IP, UDP, Ether, IPOption_RR, Raw, fragment, raw

from nos.guest import PATIENCE
from nos.peer import GUEST_MAC, PEER_MAC
from nos.tcp_script import count_of

HOST, GUEST = "10.77.0.1", "10.77.0.2"
MARKED = 0xF000  # echo requests with this sequence number or a higher one are the test's, not noise
FLOODED_SECONDS = 60 * PATIENCE
PARAMETERS = f"ip={GUEST}/24,{HOST},{HOST} udpshell=9000"


@pytest.fixture
def pair(peer, boot):
    """(guest, peer) on one wire; the guest knows the peer's link address."""
    guest = boot(append=PARAMETERS, devices=peer.nic(), cpus=2)
    ping(peer, 1)
    return guest, peer


def echo(number, payload=b"x" * 56, **fields):
    return IP(src=HOST, dst=GUEST, **fields) / ICMP(id=77, seq=number) / Raw(payload)


def is_reply(number):
    return lambda packet: ICMP in packet and packet[ICMP].type == 0 and packet[ICMP].seq == number


def ping(peer, number, payload=b"x" * 56):
    mark = peer.mark
    peer.send_ip(echo(number, payload))
    reply = peer.wait(is_reply(number), since=mark)
    assert bytes(reply[ICMP].payload)[:len(payload)] == payload
    return reply


def ping_until_answered(peer, number):
    """For a wire so full that frames may be lost: ten echo requests at most."""
    mark = peer.mark
    for _ in range(10):
        peer.send_ip(echo(number))
        if peer.find(is_reply(number), 2 * PATIENCE, since=mark):
            return
    pytest.fail("no answer to ten echo requests")


def whole_reply(peer, number, mark):
    """The payload of an echo reply that comes in fragments."""
    first = peer.wait(lambda packet: IP in packet and packet[IP].src == GUEST and packet[IP].frag == 0 and
                      ICMP in packet and packet[ICMP].type == 0 and packet[ICMP].seq == number, since=mark)
    wanted = first[IP].id
    last = peer.wait(lambda packet: IP in packet and packet[IP].id == wanted and packet[IP].src == GUEST and
                     not packet[IP].flags & 1, since=mark)
    total = last[IP].frag * 8 + last[IP].len - 20
    data = bytearray(total)
    for packet in peer.received[mark:]:
        if IP in packet and packet[IP].id == wanted and packet[IP].src == GUEST:
            part = raw(packet[IP])[20:packet[IP].len]
            data[packet[IP].frag * 8:packet[IP].frag * 8 + len(part)] = part
    return bytes(data[8:])


def used_kib(guest):
    """Memory in use, by the guest's own count."""
    return int(re.search(r"^used +\d+ +(\d+)", guest.run("memusage"), re.MULTILINE).group(1))


def received_frames(guest):
    return int(re.search(r"rx (\d+) frames", guest.run("net").partition("eth0:")[2]).group(1))


@pytest.mark.parametrize("order", ["forward", "backward", "shuffled", "doubled"])
@pytest.mark.parametrize("size", [3000, 20000, 65000])
def test_fragments_in_any_order(pair, order, size):
    _, peer = pair
    payload = random.Random(size).randbytes(size)
    parts = fragment(IP(src=HOST, dst=GUEST, id=size & 0xFFFF) / ICMP(id=77, seq=9) / Raw(payload), 1480)
    if order == "backward":
        parts.reverse()
    elif order == "shuffled":
        random.Random(1).shuffle(parts)
    elif order == "doubled":
        parts = [part for part in parts for _ in range(2)]
    mark = peer.mark
    for part in parts:
        peer.send_ip(part)
    assert whole_reply(peer, 9, mark) == payload


def test_overlapping_fragments_answer_nothing(pair):
    """RFC 5722's rule for IPv6 is good for IPv4 too: what overlaps is somebody's attack."""
    guest, peer = pair
    payload = bytes(range(256)) * 12
    parts = fragment(IP(src=HOST, dst=GUEST, id=3) / ICMP(id=77, seq=33) / Raw(payload), 1480)
    evil = parts[1].copy()
    evil.frag -= 8
    evil[Raw].load = b"E" * len(evil[Raw].load)
    del evil.chksum
    mark = peer.mark
    for part in (parts[0], evil, *parts[1:]):
        peer.send_ip(part)
    ping(peer, 34)
    assert not any(is_reply(33)(packet) and b"EEEE" in raw(packet) for packet in peer.received[mark:])
    # the ping of death, and a first fragment that is too small
    peer.send_ip(IP(src=HOST, dst=GUEST, id=4, frag=8189, flags=0) / Raw(b"x" * 1000))
    peer.send_ip(IP(src=HOST, dst=GUEST, id=5, frag=0, flags=1, proto=1) / Raw(b"x" * 8))
    peer.send_ip(IP(src=HOST, dst=GUEST, id=6, frag=1, flags=1, proto=1) / Raw(b"x" * 7))
    ping(peer, 35)
    assert guest.run("echo alive").strip() == "alive"


def test_flood_of_fragments_is_bounded(pair):
    guest, peer = pair
    before = used_kib(guest)
    for number in range(6000):
        peer.send_ip(IP(src=f"10.77.0.{number % 200 + 3}", dst=GUEST, id=number, flags=1, proto=17) / Raw(b"x" * 1200))
    ping(peer, 50)
    assert used_kib(guest) - before < 6 * 1024
    assert guest.run("echo alive").strip() == "alive"


def bad_checksums(shown, protocol):
    """Of one protocol, in what `net` shows; a counter of 0 is not shown."""
    found = re.search(rf"^{protocol}:\n(?:    .*\n)*?    bad checksum +(\d+)$", shown, re.MULTILINE)
    return int(found.group(1)) if found else 0


def test_bad_checksums_are_dropped_and_counted(pair):
    guest, peer = pair
    mark = peer.mark
    before = guest.run("net"), count_of(guest, "bad checksum", "icmpstat")
    bad_header = echo(60)
    bad_header.chksum = 0x1234
    peer.send_ip(bad_header)
    bad_icmp = echo(61)
    bad_icmp[ICMP].chksum = 0x1234
    peer.send_ip(bad_icmp)
    bad_udp = IP(src=HOST, dst=GUEST) / UDP(sport=5, dport=7, chksum=0x1234) / Raw(b"x")
    peer.send_ip(bad_udp)
    ping(peer, 62)
    answers = [packet for packet in peer.received[mark:] if ICMP in packet and not is_reply(62)(packet)]
    assert not answers, answers
    after = guest.run("net")
    for protocol in ("ipv4", "udp"):
        assert bad_checksums(after, protocol) == bad_checksums(before[0], protocol) + 1, after
    assert count_of(guest, "bad checksum", "icmpstat") == before[1] + 1


def test_damaged_headers_are_dropped(pair):
    guest, peer = pair
    good = raw(echo(70))
    mark = peer.mark
    for place, value in ((0, 0x44), (0, 0x55), (0, 0x65), (2, 0xFF), (3, 19)):
        bad = bytearray(good)
        bad[place] = value
        bad[10:12] = b"\0\0"
        header = (bad[0] & 15) * 4
        total = sum(int.from_bytes(bad[i:i + 2], "big") for i in range(0, max(header, 20), 2))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        bad[10:12] = (~total & 0xFFFF).to_bytes(2, "big")
        peer.send_bytes(bytes.fromhex((GUEST_MAC + PEER_MAC).replace(":", "")) + b"\x08\x00" + bytes(bad))
    for length in range(0, len(good), 3):
        peer.send_bytes(bytes.fromhex((GUEST_MAC + PEER_MAC).replace(":", "")) + b"\x08\x00" + good[:length])
    ping(peer, 71)
    assert not any(is_reply(70)(packet) for packet in peer.received[mark:])
    assert guest.run("echo alive").strip() == "alive"


def test_packets_for_others_are_ignored(pair):
    _, peer = pair
    mark = peer.mark
    peer.send_ip(echo(80), mac="52:54:00:00:00:99")
    other = echo(81)
    other.dst = "10.77.0.3"
    peer.send_ip(other)
    loopback = echo(82)
    loopback.src = "127.0.0.1"
    peer.send_ip(loopback)
    broadcast_source = echo(83)
    broadcast_source.src = "255.255.255.255"
    peer.send_ip(broadcast_source)
    ping(peer, 84)
    assert not any(is_reply(number)(packet) for packet in peer.received[mark:] for number in range(80, 84))


def test_unreachable_port_and_rate(pair):
    _, peer = pair
    mark = peer.mark
    peer.send_ip(IP(src=HOST, dst=GUEST) / UDP(sport=5, dport=7) / Raw(b"hello"))
    error = peer.wait(lambda packet: ICMP in packet and packet[ICMP].type == 3 and packet[ICMP].code == 3, since=mark)
    assert b"hello" not in raw(error) or raw(error)[42:].startswith(raw(IP(src=HOST, dst=GUEST) / UDP())[:1])
    assert error[IP].dst == HOST
    # no error about an error, nor about a broadcast
    mark = peer.mark
    peer.send(Ether(dst="ff:ff:ff:ff:ff:ff", src=PEER_MAC) / IP(src=HOST, dst="10.77.0.255") / UDP(sport=5, dport=7))
    peer.send_ip(IP(src=HOST, dst=GUEST) / ICMP(type=3, code=3) / IP(src=GUEST, dst=HOST) / UDP(sport=1, dport=2))
    ping(peer, 90)
    assert not any(ICMP in packet and packet[ICMP].type == 3 for packet in peer.received[mark:])


def test_header_options(pair):
    _, peer = pair
    mark = peer.mark
    peer.send_ip(IP(src=HOST, dst=GUEST, options=[IPOption_RR(length=11, pointer=4, routers=["0.0.0.0"] * 2)]) /
                 ICMP(id=77, seq=95) / Raw(b"with options"))
    reply = peer.wait(is_reply(95), since=mark)
    assert b"with options" in raw(reply)


def test_arp_is_not_poisoned(pair):
    """Nobody asked: a reply that comes unasked changes nothing; a request for us is answered."""
    guest, peer = pair
    for _ in range(3):
        peer.send(Ether(dst=GUEST_MAC, src="52:54:00:66:66:66") /
                  ARP(op=2, hwsrc="52:54:00:66:66:66", psrc=HOST, hwdst=GUEST_MAC, pdst=GUEST))
    assert ping(peer, 100).dst == PEER_MAC
    mark = peer.mark
    peer.send(Ether(dst="ff:ff:ff:ff:ff:ff", src=PEER_MAC) / ARP(op=1, hwsrc=PEER_MAC, psrc=HOST, pdst=GUEST))
    answer = peer.wait(lambda packet: ARP in packet and packet[ARP].op == 2, since=mark)
    assert answer[ARP].hwsrc == GUEST_MAC and answer[ARP].psrc == GUEST and answer.dst == PEER_MAC
    assert guest.run("echo alive").strip() == "alive"


def test_flood_of_arp_is_bounded(pair):
    guest, peer = pair
    before = used_kib(guest)
    for number in range(5000):
        address = f"10.77.{number >> 8 & 0xFF}.{number & 0xFF}"
        peer.send(Ether(dst="ff:ff:ff:ff:ff:ff", src=PEER_MAC) / ARP(op=1, hwsrc=PEER_MAC, psrc=address, pdst=GUEST))
    ping_until_answered(peer, 110)  # the peer may not have taken all answers yet: the guest's ring is full
    assert used_kib(guest) - before < 2 * 1024


def noise(generator):
    """A frame: random, or a good one with bytes changed, or cut."""
    good = [raw(Ether(dst=GUEST_MAC, src=PEER_MAC) / packet) for packet in (
        echo(1), echo(1, b"x" * 1400), IP(src=HOST, dst=GUEST) / UDP(sport=9, dport=9000) / Raw(b"NOSH" + b"\0" * 14),
        ARP(op=1, hwsrc=PEER_MAC, psrc=HOST, pdst=GUEST), ARP(op=2, hwsrc=PEER_MAC, psrc=HOST, pdst=GUEST),
        IP(src=HOST, dst=GUEST, flags=1, id=7) / UDP() / Raw(b"x" * 64),
        IP(src=HOST, dst=GUEST, proto=6) / Raw(b"\x12\x34\x00\x50" + b"\0" * 8 + b"\x50\x02\xff\xff" + b"\0" * 4))]
    while True:
        kind = generator.randrange(4)
        frame = bytearray(generator.choice(good))
        if kind == 0:
            frame = bytearray(generator.randbytes(generator.randrange(6, 1515)))
            frame[:6] = bytes.fromhex(GUEST_MAC.replace(":", ""))
        elif kind == 1:
            for _ in range(generator.randrange(1, 9)):
                frame[generator.randrange(12, len(frame))] = generator.randrange(256)
        elif kind == 2:
            del frame[generator.randrange(1, len(frame)):]
        else:
            frame += generator.randbytes(generator.randrange(200))
        yield bytes(frame)


def is_for_the_test(frame):
    """Of what the guest sends into a flood: its questions for the peer's address and marked replies."""
    if frame[12:14] == b"\x08\x06":
        return frame[20:22] == b"\0\1" and frame[38:42] == bytes(map(int, HOST.split(".")))
    return frame[23:24] == b"\1" and frame[34:35] == b"\0" and frame[40:42] >= MARKED.to_bytes(2, "big")


def flood(pair, count, seconds=0):
    """At least @count frames of noise and @seconds of it, as fast as the wire takes them."""
    guest, peer = pair
    guest.run("echo warm")
    before, most, taken = used_kib(guest), 0, received_frames(guest)
    peer.is_wanted = is_for_the_test
    began, sent, asked = time.monotonic(), 0, 0
    for frame in noise(random.Random(count)):
        if sent >= count and time.monotonic() - began >= seconds:
            break
        peer.send_bytes(frame)
        sent += 1
        if sent % 5000 == 0:
            asked += 1
            assert guest.run(f"echo alive {sent}", FLOODED_SECONDS).strip() == f"alive {sent}"
        if sent % 500_000 == 0:
            most = max(most, used_kib(guest))
            print(f"{time.monotonic() - began:.0f} s: {sent} frames, {most - before:+} KiB at most", flush=True)
    took = time.monotonic() - began
    ping_until_answered(peer, MARKED)
    most = max(most, used_kib(guest))
    taken = received_frames(guest) - taken
    print(f"{sent} frames in {took:.0f} s, {sent / took:.0f}/s, {taken} taken by the driver; the shell answered "
          f"{asked} times; memory {before} KiB before, {most} KiB at most")
    assert taken > sent // 10  # it was a flood for the guest, too
    assert most - before < 4 * 1024
    assert guest.run("echo alive").strip() == "alive"


def test_noise(pair):
    flood(pair, 100_000)


@pytest.mark.full
@pytest.mark.timeout(2 * 3600)
def test_noise_for_an_hour(pair):
    flood(pair, 0, 3600)


def test_an_address_without_neighbours(peer, boot):
    """A prefix of 32 and a gateway outside it, as Google's DHCP gives them: all goes by the gateway."""
    guest = boot(append=f"ip={GUEST}/32,{HOST}", devices=peer.nic())
    assert "WARNING" not in guest.log and "ERROR" not in guest.log
    ping(peer, 1)
    mark = peer.mark
    guest.run("udpsend 198.51.100.7 7 hello")
    sent = peer.wait(lambda packet: UDP in packet and packet[UDP].dport == 7, since=mark)
    assert (sent[IP].dst, sent[Ether].dst) == ("198.51.100.7", PEER_MAC)
    guest.poweroff()
