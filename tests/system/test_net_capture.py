"""The judge of all other network tests: it sees what is wrong, and lets pass what is right."""
import struct

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, IPerror, Raw, UDPerror, raw

from nos import capture

GUEST, HOST = "10.77.0.2", "10.77.0.1"
LINK = Ether(src="52:54:00:4e:6f:00", dst="52:54:00:77:77:77")
DATAGRAM = LINK / IP(src=GUEST, dst=HOST) / UDP(sport=40000, dport=40001) / Raw(b"hello")
SEGMENT = LINK / IP(src=GUEST, dst=HOST) / TCP(sport=40000, dport=40001, flags="PA") / Raw(b"hello" * 100)


def with_field(packet, layer, field, value):
    changed = packet.copy()
    changed[layer].setfieldval(field, value)
    return raw(changed)


def partial(packet, layer):
    """As a driver leaves it to the device: the pseudo header's sum in the field."""
    ip, segment = packet[IP], raw(packet[layer])
    protocol = {TCP: 6, UDP: 17}[layer]
    pseudo = sum(struct.unpack("!6H", raw(IP(src=ip.src, dst=ip.dst))[12:20] + struct.pack("!HH", protocol, len(segment))))
    while pseudo >> 16:
        pseudo = (pseudo & 0xFFFF) + (pseudo >> 16)
    return with_field(packet, layer, "chksum", pseudo)


def complaints(path, has_offload, *frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
    return capture.judge(path, has_offload)


QUOTE = LINK / IP(src=GUEST, dst=HOST) / ICMP(type=3, code=3) / IPerror(src=HOST, dst=GUEST, len=200) / \
    UDPerror(sport=1, dport=53, len=180)
RIGHT = {"UDP": raw(DATAGRAM), "TCP": raw(SEGMENT), "a quoted beginning": raw(QUOTE),
         "echo": raw(LINK / IP(src=GUEST, dst=HOST) / ICMP() / Raw(b"x" * 31))}
WRONG = {"IP": with_field(DATAGRAM, IP, "chksum", 1), "UDP": with_field(DATAGRAM, UDP, "chksum", 1),
         "TCP": with_field(SEGMENT, TCP, "chksum", 1),
         "ICMP": with_field(LINK / IP(src=GUEST, dst=HOST) / ICMP(), ICMP, "chksum", 1),
         "a cut TCP header": raw(LINK / IP(src=GUEST, dst=HOST, proto=6) / Raw(raw(SEGMENT[TCP])[:12])),
         "a DNS question that ends early": raw(LINK / IP(src=GUEST, dst=HOST) / UDP(sport=40000, dport=53) /
                                               Raw(b"\0\1\1\0\0\1\0\0\0\0\0\0\7example"))}


@pytest.mark.parametrize("has_offload", [False, True])
def test_judge(tmp_path, has_offload):
    assert complaints(tmp_path / "right", has_offload, *RIGHT.values()) == []
    for name, frame in WRONG.items():
        assert len(complaints(tmp_path / "wrong", has_offload, RIGHT["UDP"], frame, RIGHT["TCP"])) == 1, name


@pytest.mark.parametrize("packet, layer", [(SEGMENT, TCP), (DATAGRAM, UDP)], ids=["TCP", "UDP"])
def test_partial_checksums_are_right_with_the_offload_only(tmp_path, packet, layer):
    frame = partial(packet, layer)
    assert complaints(tmp_path / "frames", True, frame) == []
    assert len(complaints(tmp_path / "frames", False, frame)) == 1


def test_every_nic_is_recorded(network, boot):
    """Both of a guest, and no more than the limit of each."""
    guest = boot(prefix=network.prefix, append=network.static(),
                 devices=[*network.nic(), "-netdev", "user,id=net7,restrict=on", "-device",
                          "virtio-net-pci,netdev=net7,romfile="])
    network.run("ping", "-q", "-c", "100", "-s", "65000", "-i", "0.002", network.guest)
    guest.run("dhcp eth1", 60)
    guest.kill()
    assert (guest.folder / "net0.pcap").stat().st_size == capture.LIMIT
    assert (guest.folder / "net7.pcap").stat().st_size > 300
