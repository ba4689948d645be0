"""The DHCP client against dnsmasq, and against a server made by hand that misbehaves on purpose."""
import time

import pytest
from scapy.all import ARP, BOOTP, DHCP, IP, UDP, Ether

from nos.guest import PATIENCE
from nos.peer import PEER_MAC

RANGE = "--dhcp-range=10.77.0.50,10.77.0.60,255.255.255.0,2m"
ROUTER = "--dhcp-option=3,10.77.0.1"


def wait_lease(guest, seconds=60 * PATIENCE):
    """The address that the guest says it has got."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        output = guest.run("dhcp")
        if "bound, " in output:
            return output.split("bound, ")[1].split("/")[0]
    raise AssertionError("no lease")


def test_lease_from_dnsmasq(network, boot):
    network.dnsmasq(RANGE, ROUTER)
    guest = boot(prefix=network.prefix, append="dhcp=auto dns=on", devices=network.nic())
    address = wait_lease(guest)
    assert address.startswith("10.77.0.5")
    network.run("ping", "-c", "3", "-i", "0.2", address)
    assert "web.test 10.77.0.1" in guest.run("nslookup web.test")
    assert "DHCPACK(tap0)" in (network.folder / "dnsmasq.log").read_text()


def test_renewal_at_t1(network, boot):
    network.dnsmasq(RANGE, ROUTER, "--dhcp-option-force=58,3", "--dhcp-option-force=59,60")
    guest = boot(prefix=network.prefix, append="dhcp=auto", devices=network.nic())
    address = wait_lease(guest)
    network.wait_log("dnsmasq.log", "DHCPACK")
    discovers = (network.folder / "dnsmasq.log").read_text().count("DHCPDISCOVER")
    end = time.monotonic() + 60 * PATIENCE
    while (network.folder / "dnsmasq.log").read_text().count("DHCPACK(tap0)") < 3:
        assert time.monotonic() < end, "the lease is not renewed"
        time.sleep(0.1)
    assert wait_lease(guest) == address
    # a renewal asks the server alone, and does not begin anew
    assert (network.folder / "dnsmasq.log").read_text().count("DHCPDISCOVER") == discovers


def test_off(network, boot):
    guest = boot(prefix=network.prefix, append="dhcp=off", devices=network.nic())
    output, succeeded = guest.status("dhcp")
    assert not succeeded and "dhcp=off" in output


def test_on_command_only(network, boot):
    network.dnsmasq(RANGE)
    guest = boot(prefix=network.prefix, append="dhcp=on", devices=network.nic())
    assert "DHCPDISCOVER" not in (network.folder / "dnsmasq.log").read_text()
    assert "bound, 10.77.0." in guest.run("dhcp eth0")
    output, succeeded = guest.status("dhcp eth7")
    assert not succeeded and "eth7" in output


def test_server_appears_late(network, boot):
    """The boot does not wait for a server, and the client does not give up."""
    guest = boot(prefix=network.prefix, append="dhcp=auto", devices=network.nic())
    guest.run("uptime")
    network.dnsmasq(RANGE)
    assert wait_lease(guest).startswith("10.77.0.5")


class Server:
    """A DHCP server by hand: answers with what `reply` says, which a test may replace."""

    def __init__(self, peer, lease=3600, t1=None, t2=None):
        self.peer, self.lease, self.t1, self.t2 = peer, lease, t1, t2
        self.address = "10.77.0.50"
        self.requests = []  # (time, type, packet)
        self.is_silent = False
        self.falls_silent = False  # with the first request that it acknowledges
        self.acked = None          # when that was
        self.refuses = False
        peer.on_packet(self._handle)

    def _handle(self, packet):
        if DHCP not in packet or packet[UDP].dport != 67:
            return
        options = dict(option for option in packet[DHCP].options if isinstance(option, tuple))
        kind = options["message-type"]
        self.requests.append((time.monotonic(), kind, packet))
        if self.is_silent or kind not in (1, 3):
            return
        if kind == 3 and self.falls_silent:
            self.is_silent, self.acked = True, time.monotonic()
            self.requests.clear()
        if kind == 3 and self.refuses:
            self.send(packet, "nak")
        else:
            self.send(packet, "offer" if kind == 1 else "ack")

    def send(self, request, kind):
        times = [(name, value) for name, value in (("renewal_time", self.t1), ("rebinding_time", self.t2)) if value]
        options = [("message-type", kind), ("server_id", self.peer.address), ("lease_time", self.lease),
                   ("subnet_mask", "255.255.255.0"), *times, "end"]
        if kind == "nak":
            options = [("message-type", kind), ("server_id", self.peer.address), "end"]
        self.peer.send(Ether(dst="ff:ff:ff:ff:ff:ff", src=PEER_MAC) / IP(src=self.peer.address, dst="255.255.255.255") /
                       UDP(sport=67, dport=68) /
                       BOOTP(op=2, xid=request[BOOTP].xid, chaddr=request[BOOTP].chaddr,
                             yiaddr="0.0.0.0" if kind == "nak" else self.address) / DHCP(options=options))

    def wait(self, matches, seconds=60 * PATIENCE):
        end = time.monotonic() + seconds
        while True:
            for when, kind, packet in list(self.requests):
                if matches(kind, packet):
                    return when, packet
            assert time.monotonic() < end, [(kind, packet.summary()) for _, kind, packet in self.requests]
            time.sleep(0.02)


def is_broadcast(packet):
    return packet[IP].dst == "255.255.255.255"


def test_rebinding_and_expiry(peer, boot):
    """The server stops answering: T1 asks it alone, T2 asks everybody, then the address is gone."""
    server = Server(peer, lease=8, t1=2, t2=4)
    server.falls_silent = True
    guest = boot(append="dhcp=auto", devices=peer.nic())
    renewed, packet = server.wait(lambda kind, packet: kind == 3 and not is_broadcast(packet))
    assert packet[BOOTP].ciaddr == "10.77.0.50" and renewed - server.acked >= 1.5
    rebound, packet = server.wait(lambda kind, packet: kind == 3 and is_broadcast(packet))
    assert packet[BOOTP].ciaddr == "10.77.0.50" and rebound - server.acked >= 3.5
    began, _ = server.wait(lambda kind, packet: kind == 1)
    assert began - server.acked >= 7
    assert "expired" in guest.run("dmesg dhcp")
    server.is_silent = server.falls_silent = False
    assert wait_lease(guest) == "10.77.0.50"


def test_nak_begins_anew(peer, boot):
    server = Server(peer, lease=60, t1=2, t2=30)
    guest = boot(append="dhcp=auto", devices=peer.nic())
    assert wait_lease(guest) == "10.77.0.50"
    server.refuses, server.address = True, "10.77.0.51"
    server.requests.clear()
    server.wait(lambda kind, packet: kind == 1)
    server.refuses = False
    assert wait_lease(guest) == "10.77.0.51"
    assert "took the address back" in guest.run("dmesg dhcp")


def test_conflict_is_declined(peer, boot):
    """Somebody has the address already: DECLINE, and another one is asked for."""
    server = Server(peer)
    peer.addresses.add("10.77.0.50")
    guest = boot(append="dhcp=auto", devices=peer.nic())
    _, packet = server.wait(lambda kind, packet: kind == 4)
    assert ("requested_addr", "10.77.0.50") in packet[DHCP].options
    server.address = "10.77.0.51"
    assert wait_lease(guest) == "10.77.0.51"
    assert "is in use by" in guest.run("dmesg dhcp")


@pytest.mark.parametrize("damage", ["other transaction", "other machine", "no address", "multicast address", "cut"])
def test_bad_offers_are_ignored(peer, boot, damage):
    server = Server(peer)

    def send_bad(request):
        if DHCP not in request or request[UDP].dport != 67:
            return
        bootp = BOOTP(op=2, xid=request[BOOTP].xid, chaddr=request[BOOTP].chaddr, yiaddr="10.77.0.99")
        options = [("message-type", "offer"), ("server_id", "10.77.0.9"), ("lease_time", 60), "end"]
        if damage == "other transaction":
            bootp.xid ^= 1
        elif damage == "other machine":
            bootp.chaddr = b"\2\0\0\0\0\1"
        elif damage == "no address":
            bootp.yiaddr = "0.0.0.0"
        elif damage == "multicast address":
            bootp.yiaddr = "224.0.0.1"
        whole = bytes(bootp / DHCP(options=options))
        if damage == "cut":
            whole = whole[:243]
        peer.send(Ether(dst="ff:ff:ff:ff:ff:ff", src=PEER_MAC) / IP(src="10.77.0.9", dst="255.255.255.255") /
                  UDP(sport=67, dport=68) / whole)

    server.is_silent = True
    peer.on_packet(send_bad)
    guest = boot(append="dhcp=auto", devices=peer.nic())
    server.wait(lambda kind, packet: kind == 1)
    assert not any(kind == 3 for _, kind, _ in server.requests)
    server.is_silent = False
    assert wait_lease(guest) == "10.77.0.50"
    assert ARP(bytes(peer.wait(lambda packet: ARP in packet)[ARP])).pdst == "10.77.0.50"
