"""What arrives damaged is dropped and counted, by each protocol, whatever the device says of checksums."""
import pytest
from nos.tcp_script import GUEST, HOST, Script, count_of, end_serving, serve
from scapy.all import ICMP, IP, TCP, UDP, Raw

UDP_PORT = 9


def damaged(packet, layer):
    """@packet with the checksum of @layer wrong by one bit, and those of the others right."""
    packet = IP(bytes(packet))
    packet[layer].chksum ^= 0x0100
    return packet


def counter(guest, protocol):
    """The protocol's "bad checksum", in the command that shows its counters."""
    if protocol == "icmp":
        return count_of(guest, "bad checksum", "icmpstat")
    section, value = None, 0
    for line in guest.run("net").splitlines():
        if not line.startswith(" "):
            section = line.rstrip(":")
        elif section == protocol and line.strip().startswith("bad checksum"):
            value = int(line.split()[-1])
    return value


@pytest.mark.parametrize("offload", ["on", "off"])
def test_bad_checksums_are_dropped_and_counted(peer, boot, offload):
    """RFC 1122 3.2.1.2, 3.2.2, 4.1.3.4, RFC 9293 MUST-3."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic(guest_csum=offload), cpus=2)
    serve(guest)
    script = Script(peer)
    script.open()
    mark = peer.mark
    udp = IP(src=HOST, dst=GUEST) / UDP(sport=5, dport=UDP_PORT) / Raw(b"answer me by port unreachable")
    ping = IP(src=HOST, dst=GUEST) / ICMP(id=7, seq=1) / Raw(b"answer me")
    peer.send_ip(damaged(udp, UDP))
    peer.send_ip(damaged(ping, ICMP))
    peer.send_ip(damaged(ping, IP))
    for _ in range(2):
        peer.send_ip(damaged(script.segment("A", b"evil"), TCP))
    script.say(b"good")
    assert not any(ICMP in packet for packet in peer.received[mark:])
    script.acked(script.seq + 1, script.send("FA"))
    assert end_serving(guest) == (1, 0, 4)
    assert {name: counter(guest, name) for name in ("ipv4", "tcp", "udp", "icmp")} == {
        "ipv4": 1, "tcp": 2, "udp": 1, "icmp": 1}
    mark = peer.mark
    peer.send_ip(ping)  # the same ones, whole, are answered
    peer.wait(lambda packet: ICMP in packet and packet[ICMP].type == 0, since=mark)
    peer.send_ip(udp)
    peer.wait(lambda packet: ICMP in packet and packet[ICMP].type == 3, since=mark)
    assert count_of(guest, "bad checksum") == 2  # by tcpstat too


def test_udp_without_a_checksum_is_taken(peer, boot):
    """RFC 768: zero says that there is none."""
    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic())
    mark = peer.mark
    peer.send_ip(IP(src=HOST, dst=GUEST) / UDP(sport=5, dport=UDP_PORT, chksum=0) / Raw(b"hello"))
    peer.wait(lambda packet: ICMP in packet and packet[ICMP].type == 3, since=mark)
    assert counter(guest, "udp") == 0
