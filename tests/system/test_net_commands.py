"""The network commands as a user types them, and the user network that ./nos run gives."""
import re
import socket
import sys
import time

from nos import build
from nos.guest import PATIENCE

sys.path.insert(0, str(build.ROOT / "scripts"))


def test_ping(network, boot):
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    network.dnsmasq()
    output, succeeded = guest.status("ping 10.77.0.1")
    assert succeeded and re.search(r"\d+ us|\d+\.\d+ ms", output), output
    assert output.count("10.77.0.1") >= 5
    output, succeeded = guest.status("ping -c 1 web.test")
    assert succeeded and "10.77.0.1" in output
    output, succeeded = guest.status("ping -c 1 127.0.0.1")
    assert succeeded, output
    output, succeeded = guest.status("ping -c 2 10.77.0.200", 40 * PATIENCE)
    assert not succeeded
    guest.type("ping -c 1000 10.77.0.1\r")
    guest.expect("10.77.0.1")
    guest.type("\x03")
    guest.wait_prompt()  # a thousand would take a quarter of an hour


def test_bad_arguments(network, boot):
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    for command, complaint in (
            ("ping", "usage"), ("ping -c x 10.77.0.1", ""), ("ping 10.77.0.999", ""), ("ping 8.8.8.8.8", ""),
            ("udpsend", "usage"), ("udpsend 10.77.0.1", "usage"), ("udpsend 10.77.0.1 99999 x", "port"),
            ("udpsend nonsense! 9 x", "nonsense!"), ("nc", "usage"), ("nc 10.77.0.1 0", "port"),
            ("ifconfig eth9", "eth9"), ("ifconfig eth0 1.2.3/24", ""), ("route add nonsense 1.2.3.4", ""),
            ("dhcp eth9", "eth9"), ("dhcp lo", "lo"), ("iperf", "usage"), ("iperf -c 10.77.0.1 -n x", "usage"),
            ("nslookup", "usage")):
        output, succeeded = guest.status(command, 40)
        assert not succeeded and output.strip() and complaint.lower() in output.lower(), (command, output)


def test_udpsend(network, boot):
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    with network.udp(7777) as sock:
        assert guest.status("udpsend 10.77.0.1 7777 hello")[1]
        data, peer = sock.recvfrom(100)
        assert data == b"hello" and peer[0] == network.guest


def test_statistics(network, boot):
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    network.run("ping", "-q", "-c", "5", "-i", "0.01", network.guest)
    assert "eth0" in guest.run("net") and "52:54:00:4e:6f:00" in guest.run("ifconfig")
    assert "10.77.0.1" in guest.run("arp")
    assert re.search(r"echo.*\b5\b", guest.run("icmpstat")), guest.run("icmpstat")
    assert "10.77.0.1" in guest.run("route") and "segments" in guest.run("tcpstat")
    assert guest.status("ifconfig eth0 10.77.0.9/24")[1]
    network.run("ping", "-q", "-c", "2", "-i", "0.01", "10.77.0.9")


def test_user_network(boot):
    """What ./nos run gives: DHCP, DNS and the UDP shell over QEMU's user network."""
    import udpsh

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    guest = boot(append="dhcp=auto dns=on udpshell=9000", cpus=2, devices=[
        "-netdev", f"user,id=net0,hostfwd=udp:127.0.0.1:{port}-:9000",
        "-device", "virtio-net-pci,netdev=net0,romfile="])
    end = time.monotonic() + 60 * PATIENCE
    while "bound, 10.0.2.15" not in guest.run("dhcp"):
        assert time.monotonic() < end
    shell = udpsh.UdpShell("127.0.0.1", port, 20)
    assert shell.run("echo over slirp") == b"over slirp\n"
    assert b"10.0.2.2" in shell.run("route")
    assert guest.status("ping -c 1 10.0.2.2")[1]
