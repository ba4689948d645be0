"""The judge of all other network tests: it sees what is wrong, and lets pass what is right."""
import struct

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, IPerror, Raw, UDPerror, raw

from nos import capture

GUEST, HOST = "10.77.0.2", "10.77.0.1"
MAC = bytes.fromhex("5254004e6f00")
LINK = Ether(src="52:54:00:4e:6f:00", dst="52:54:00:77:77:77")
DATAGRAM = LINK / IP(src=GUEST, dst=HOST) / UDP(sport=40000, dport=40001) / Raw(b"hello")
SEGMENT = LINK / IP(src=GUEST, dst=HOST) / TCP(sport=40000, dport=40001, flags="PA") / Raw(b"hello" * 100)


def with_field(packet, layer, field, value):
    changed = packet.copy()
    changed[layer].setfieldval(field, value)
    return raw(changed)


def with_header(packet, layer, size):
    """As a driver leaves it to the device: a header, and the pseudo header's sum in the field."""
    ip, segment = packet[IP], raw(packet[layer])
    protocol, offset = {TCP: (6, 16), UDP: (17, 6)}[layer]
    pseudo = capture.ones_sum(raw(IP(src=ip.src, dst=ip.dst))[12:20] + struct.pack("!HH", protocol, len(segment)))
    header = struct.pack("<BBHHHHH", capture.NEEDS_CSUM, 0, 0, 0, 34, offset, 0)[:size]
    return header + with_field(packet, layer, "chksum", pseudo)


def write(path, *frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
    return path


QUOTE = LINK / IP(src=GUEST, dst=HOST) / ICMP(type=3, code=3) / IPerror(src=HOST, dst=GUEST, len=200) / \
    UDPerror(sport=1, dport=53, len=180)
# Of a port that stands for BACnet, were it not a client's.
GUESSED = LINK / IP(src=GUEST, dst=HOST) / UDP(sport=9000, dport=47808) / Raw(b"\x81\x0b\0\x04abc")
RIGHT = {"UDP": raw(DATAGRAM), "TCP": raw(SEGMENT), "a quoted beginning": raw(QUOTE), "a guess": raw(GUESSED),
         "echo": raw(LINK / IP(src=GUEST, dst=HOST) / ICMP() / Raw(b"x" * 31))}
WRONG = {"IP": with_field(DATAGRAM, IP, "chksum", 1), "UDP": with_field(DATAGRAM, UDP, "chksum", 1),
         "TCP": with_field(SEGMENT, TCP, "chksum", 1),
         "ICMP": with_field(LINK / IP(src=GUEST, dst=HOST) / ICMP(), ICMP, "chksum", 1),
         "a cut TCP header": raw(LINK / IP(src=GUEST, dst=HOST, proto=6) / Raw(raw(SEGMENT[TCP])[:12])),
         "a DNS question that ends early": raw(LINK / IP(src=GUEST, dst=HOST) / UDP(sport=40000, dport=53) /
                                               Raw(b"\0\1\1\0\0\1\0\0\0\0\0\0\7example"))}


def test_judge(tmp_path):
    assert capture.judge(write(tmp_path / "right", *RIGHT.values())) == []
    for name, frame in WRONG.items():
        assert len(capture.judge(write(tmp_path / "wrong", RIGHT["UDP"], frame, RIGHT["TCP"]))) == 1, name


@pytest.mark.parametrize("size", [10, 12])
@pytest.mark.parametrize("packet, layer", [(SEGMENT, TCP), (DATAGRAM, UDP)], ids=["TCP", "UDP"])
def test_headers_are_taken_off_and_obeyed(tmp_path, packet, layer, size):
    """A checksum is completed where its header asks for it, and nowhere else."""
    partial, no_request = with_header(packet, layer, size), bytes(size)
    frames = write(tmp_path / "frames", partial, no_request + raw(packet), no_request + partial[size:],
                   no_request + WRONG["IP"])
    capture.take_headers_off(frames, MAC)
    found = capture.judge(frames)
    assert [line.split()[1] for line in found] == ["3", "4"], found


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
    guest.complaints()
    with open(guest.folder / "net0.pcap", "rb") as file:
        assert all(frame[6:12] == MAC for _, frame in capture.records(file.read()))
