"""virtio-net on every transport and with every feature on and off, pinged from the host."""
import re
import socket
import time

import pytest

from nos.guest import PATIENCE
from nos.network import body

ONE_AT_A_TIME = ("-A",)  # else a busy machine lets so many wait that ping's own socket overflows

SHAPES = {
    "transitional": {},
    "modern": {"disable-legacy": "on"},
    "legacy": {"disable-modern": "on", "disable-legacy": "off"},
    "legacy, one buffer each": {"disable-modern": "on", "disable-legacy": "off", "mrg_rxbuf": "off", "any_layout": "off"},
    "offloads": {"offload": True},
    "offloads, no merging": {"offload": True, "mrg_rxbuf": "off"},
    "no segmentation": {"offload": True, "host_tso4": "off", "guest_tso4": "off"},
    "INTx": {"vectors": 0},
    "no event index": {"event_idx": "off", "indirect_desc": "off"},
    "small rings": {"rx_queue_size": 256, "tx_queue_size": 256},
    "large rings": {"rx_queue_size": 1024, "tx_queue_size": 1024},  # QEMU gives a tap 256 for sending: see
    # test_virtio_net.c for a ring of 1024
}


def ping(network, count, size=56, address=None, pace=ONE_AT_A_TIME, seconds=60 * PATIENCE, more=()):
    """Each ping is answered, once, until there were @count answers. (ping sends more until then.)"""
    output = network.run("ping", "-n", *pace, "-c", count, "-w", int(seconds), "-s", size, *more, address or network.guest)
    answered = [int(number) for number in re.findall(r"icmp_seq=(\d+)", output)]
    assert answered == list(range(1, len(answered) + 1)) and len(answered) >= count and "DUP" not in output, \
        output[-2000:]


def transfer(network, guest):
    """A megabyte to the guest and back, by TCP: what segmentation, merging and checksums do to it."""
    data, digest = body(1 << 20)
    guest.type("nc -l 5004 > /file\r")
    with network.connect(5004) as sock:
        sock.sendall(data)
    guest.wait_prompt()
    assert digest in guest.run("sha256 /file")
    with network.listen(5005) as listener:
        guest.type(f"nc {network.host} 5005 < /file\r")
        connection, _ = listener.accept()
        with connection:
            back = b"".join(iter(lambda: connection.recv(1 << 20), b""))
    guest.wait_prompt()
    assert back == data


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(network, boot, shape):
    guest = boot(prefix=network.prefix, cpus=2, append=network.static(), devices=network.nic(**SHAPES[shape]))
    ping(network, 30, 0, pace=("-i", "0.01"))  # without a time in it ping cannot see how long each took
    for size in (56, 1472, 4000, 20000):
        ping(network, 30, size)
    transfer(network, guest)
    assert "0000:00:" in guest.run("irqstat")


@pytest.mark.parametrize("machine", ["microvm", "microvm,legacy"])
def test_mmio(network, boot, machine):
    legacy = ["-global", "virtio-mmio.force-legacy=true"] if "legacy" in machine else []
    boot(prefix=network.prefix, machine="microvm", append=network.static(),
         devices=[*legacy, *network.nic(transport="device")])
    ping(network, 30, 56)
    ping(network, 30, 4000)


def test_two_queue_pairs(network, boot):
    network.run("ip", "link", "del", "tap0")
    network.run("ip", "tuntap", "add", "tap0", "mode", "tap", "multi_queue")
    network.run("ip", "link", "set", "tap0", "up")
    network.run("ip", "addr", "add", f"{network.host}/24", "dev", "tap0")
    guest = boot(prefix=network.prefix, cpus=2, append=network.static(),
                 devices=network.nic(queues=2, offload=True))
    ping(network, 200, 1000)
    interrupts = guest.run("irqstat")
    assert "rx0" in interrupts and "rx1" in interrupts


def test_host_mtu(networks_of_test, boot):
    network = networks_of_test(mtu=9000)
    boot(prefix=network.prefix, append=network.static(), devices=network.nic(host_mtu=9000))
    ping(network, 20, 8972, more=("-M", "do"))


def test_two_nics(networks_of_test, boot):
    network = networks_of_test(taps=2)
    guest = boot(prefix=network.prefix, append=network.static(), devices=[*network.nic(), *network.nic(tap=1)])
    ping(network, 20, 56)
    network.dnsmasq("--dhcp-range=10.77.1.50,10.77.1.60,255.255.255.0,5m", tap=1)
    assert "eth1: bound, 10.77.1." in guest.run("dhcp eth1")
    address = guest.run("dhcp eth1").split("bound, ")[1].split("/")[0]
    ping(network, 20, 56, address)
    ping(network, 20, 56)


def test_multicast_burst_at_start(network, start):
    """What the host queued on the tap before the driver was there arrives in one burst."""
    guest = start(prefix=[*network.prefix], append=network.static(), devices=network.nic(), cpus=2)
    with network.udp() as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(network.host))
        for number in range(2000):
            sock.sendto(b"x" * (number % 1400), ("239.1.2.3", 5000))
    guest.wait_prompt()
    ping(network, 50, 56)


def wait_logged(guest, text):
    end = time.monotonic() + 30 * PATIENCE
    while text not in guest.run("dmesg link"):
        assert time.monotonic() < end


def test_link_down_and_up(network, boot):
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    ping(network, 5, 56)
    guest.qmp.monitor("set_link net0 off")
    wait_logged(guest, "link down")
    guest.qmp.monitor("set_link net0 on")
    wait_logged(guest, "link up")
    ping(network, 5, 56)


def test_ten_thousand_pings(network, boot):
    boot(prefix=network.prefix, cpus=2, append=network.static(), devices=network.nic())
    ping(network, 10000, seconds=200 * PATIENCE)
