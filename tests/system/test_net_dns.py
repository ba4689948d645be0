"""The resolver against dnsmasq, and against servers that lie."""
import socket
import struct
import threading
import time

import pytest

from nos.guest import PATIENCE

ANSWER = "10.77.0.42"


def queries(network, name):
    return (network.folder / "dnsmasq.log").read_text().count(f"query[A] {name} ")


def test_dnsmasq(network, boot):
    network.dnsmasq("--local=/test/", "--local-ttl=2", "--neg-ttl=3", "--host-record=real.test,10.77.0.9",
                    "--cname=alias.test,middle.test", "--cname=middle.test,real.test",
                    "--host-record=six.test,fd00::1")
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    assert "web.test 10.77.0.1" in guest.run("nslookup web.test")
    output = guest.run("nslookup Alias.TEST.")
    assert "is an alias of real.test" in output and "10.77.0.9" in output
    output, succeeded = guest.status("nslookup nowhere.test")
    assert not succeeded and "no such host" in output
    output, succeeded = guest.status("nslookup six.test")
    assert not succeeded and "no IPv4 address" in output


def test_cache_and_ttl(network, boot):
    records = "--host-record=short.test,10.77.0.9,2", "--host-record=long.test,10.77.0.8,3600"
    server = network.dnsmasq(*records)
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    assert "10.77.0.8" in guest.run("nslookup long.test")
    assert "10.77.0.9" in guest.run("nslookup short.test")
    network.stop(server)
    assert "10.77.0.8" in guest.run("nslookup long.test")  # without a server
    time.sleep(2.2)  # the TTL is the point
    network.dnsmasq(*records)
    assert "10.77.0.9" in guest.run("nslookup short.test")
    assert queries(network, "short.test")
    assert "10.77.0.8" in guest.run("nslookup long.test")
    assert not queries(network, "long.test")
    assert "names forgotten" in guest.run("dnsflush")
    assert "10.77.0.8" in guest.run("nslookup long.test")
    assert queries(network, "long.test")


@pytest.mark.parametrize("name", ["a..b", ".", "x" * 64, ("x" * 60 + ".") * 5, "a_b\\x01"])
def test_bad_names(network, boot, name):
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    output, succeeded = guest.status(f"nslookup {name}")
    assert not succeeded and "not a host name" in output or name.startswith("a_b")


def test_no_server_and_off(network, boot):
    guest = boot(prefix=network.prefix, append="ip=10.77.0.2/24", devices=network.nic())
    output, succeeded = guest.status("nslookup web.test")
    assert not succeeded and "no name server is known" in output
    assert "web.test 10.77.0.1" not in output
    for line in ("ping web.test", "udpsend web.test 9 x", "nc web.test 9", "iperf -c web.test",
                 "ntpdate web.test", "wget http://web.test/"):
        output, succeeded = guest.status(line)
        assert not succeeded and "web.test: no name server is known" in output, output


def test_a_link_that_is_down_is_told(network, boot):
    """It is no matter of name servers."""
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    guest.qmp.monitor("set_link net0 off")
    end = time.monotonic() + 30 * PATIENCE
    while "link down" not in guest.run("dmesg link"):
        assert time.monotonic() < end
    output, succeeded = guest.status("nslookup web.test")
    assert not succeeded and "web.test: network is down" in output


def record(owner, kind, data, ttl=60):
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def reply(query, flags=0x8180, answers=(), change_id=0):
    number, = struct.unpack_from("!H", query)
    question = query[12:]
    return struct.pack("!HHHHHH", number ^ change_id, flags, 1, len(answers), 0, 0) + question + b"".join(answers)


GOOD = record(b"\xc0\x0c", 1, socket.inet_aton(ANSWER))
EVIL = record(b"\xc0\x0c", 1, socket.inet_aton("6.6.6.6"))


class Liar:
    """A name server that sends what the test says."""

    def __init__(self, network, answer, address=None):
        self.network, self.answer = network, answer
        self.socket = network.udp(53, address)
        self.socket.settimeout(None)
        self.questions = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(2048)
            except OSError:
                return
            self.questions += 1
            self.answer(self, query, client)

    def send(self, data, client):
        self.socket.sendto(data, client)


def wrong_id(liar, query, client):
    liar.send(reply(query, answers=[EVIL], change_id=1), client)


def wrong_question(liar, query, client):
    other = query[:13] + bytes([query[13] ^ 1]) + query[14:]
    liar.send(reply(other, answers=[EVIL]), client)


def no_question(liar, query, client):
    liar.send(struct.pack("!HHHHHH", struct.unpack_from("!H", query)[0], 0x8180, 0, 1, 0, 0) +
              record(b"\3web\4test\0", 1, b"\6\6\6\6"), client)


def a_question(liar, query, client):
    liar.send(query, client)


def compression_loop(liar, query, client):
    liar.send(reply(query, answers=[record(b"\xc0" + bytes([len(query)]), 1, b"\6\6\6\6")]), client)


def cut_short(liar, query, client):
    whole = reply(query, answers=[EVIL])
    for length in range(0, len(whole), 3):
        liar.send(whole[:length], client)


def from_another_port(liar, query, client):
    with liar.network.udp() as other:
        other.sendto(reply(query, answers=[EVIL]), client)


def from_another_address(liar, query, client):
    with liar.network.udp(53, "10.77.0.66") as other:
        other.sendto(reply(query, answers=[EVIL]), client)


@pytest.mark.parametrize("lie", [wrong_id, wrong_question, no_question, a_question, compression_loop, cut_short,
                                 from_another_port, from_another_address])
def test_lies_are_passed_over(network, boot, lie):
    """First comes a lie, then the truth; the truth counts."""
    network.run("ip", "addr", "add", "10.77.0.66/24", "dev", "tap0")

    def answer(liar, query, client):
        lie(liar, query, client)
        time.sleep(0.05)  # the lie is to be there first
        liar.send(reply(query, answers=[GOOD]), client)

    liar = Liar(network, answer)
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    began = time.monotonic()
    assert guest.run("nslookup web.test").strip() == f"web.test {ANSWER}"
    assert liar.questions == 1 or time.monotonic() - began > 0.9  # asked again only as after silence


def test_every_question_has_its_own_id_and_port(network, boot):
    seen = []

    def answer(liar, query, client):
        seen.append((struct.unpack_from("!H", query)[0], client[1]))
        liar.send(reply(query, answers=[GOOD]), client)

    Liar(network, answer)
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    for number in range(10):
        guest.run(f"nslookup host{number}.test")
    assert len({number for number, _ in seen}) >= 9 and len({port for _, port in seen}) >= 9


def test_silent_and_failing_servers(network, boot):
    """Silence is asked again; a server that fails makes room for the second."""
    network.run("ip", "addr", "add", "10.77.0.66/24", "dev", "tap0")

    def fail(liar, query, client):
        liar.send(reply(query, flags=0x8182), client)

    def answer_second(liar, query, client):
        if liar.questions > 1:
            liar.send(reply(query, answers=[GOOD]), client)

    network.dnsmasq("--port=0", "--dhcp-range=10.77.0.50,10.77.0.60,255.255.255.0,2m",
                    "--dhcp-option=6,10.77.0.1,10.77.0.66")
    first, second = Liar(network, fail), Liar(network, answer_second, "10.77.0.66")
    guest = boot(prefix=network.prefix, append="dhcp=on", devices=network.nic())
    guest.run("dhcp")
    assert ANSWER in guest.run("nslookup web.test")
    assert first.questions >= 1 and second.questions >= 2


def test_nobody_answers(network, boot):
    liar = Liar(network, lambda liar, query, client: None)
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    output, succeeded = guest.status("nslookup web.test", timeout=60 * PATIENCE)
    assert not succeeded and "timed out" in output
    questions = liar.questions
    guest.type("nslookup other.test\r")
    while liar.questions == questions:
        time.sleep(0.02)  # it is to be at work
    guest.type("\x03")
    assert "timed out" not in guest.wait_prompt()
    assert guest.run("echo $?").strip() != "0"


def test_truncation_to_tcp(network, boot):
    """Cut over UDP, whole over TCP."""
    Liar(network, lambda liar, query, client: liar.send(reply(query, flags=0x8380), client))
    listener = network.listen(53)

    def serve():
        connection, _ = listener.accept()
        length = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))[0]
        query = connection.recv(length, socket.MSG_WAITALL)
        answers = [record(b"\xc0\x0c", 1, socket.inet_aton(f"10.77.1.{i}")) for i in range(100)]
        whole = reply(query, answers=answers)
        connection.sendall(struct.pack("!H", len(whole)) + whole[:100])
        connection.sendall(whole[100:])
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    output = guest.run("nslookup web.test")
    assert [line.split()[1] for line in output.strip().splitlines()] == [f"10.77.1.{i}" for i in range(8)]
