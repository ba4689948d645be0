"""ntpdate against Debian's chrony, and against servers that lie."""
import calendar
import re
import shutil
import struct
import subprocess
import threading
import time

import pytest

from nos.network import tool_path

RTC = ["-rtc", "base=2001-02-03T04:05:06"]
SINCE_1900 = 2208988800


@pytest.fixture(scope="module")
def chronyd(tmp_path_factory):
    """Debian's chrony, unpacked and not installed: that would replace this machine's own time daemon."""
    found = shutil.which("chronyd", path=tool_path())
    if found:
        return found
    folder = tmp_path_factory.mktemp("chrony")
    for command in (["apt-get", "download", "chrony"], ["sh", "-c", "dpkg -x chrony_*.deb ."], ["usr/sbin/chronyd", "-v"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no chronyd here, and {command[0]} says: {done.stderr.strip()}")
    return folder / "usr/sbin/chronyd"


def start_chrony(network, chronyd, *lines):
    """A time server with this machine's clock, which it leaves alone (-x)."""
    config = network.folder / "chrony.conf"
    config.write_text("\n".join([
        "allow", "cmdport 0", "bindcmdaddress /", f"pidfile {network.folder}/chronyd.pid", *lines]) + "\n")
    network.start(chronyd, "-x", "-d", "-u", "root", "-f", config)
    network.wait_log("chronyd.log", "chronyd version")


def check_time(guest, shift=0):
    """The guest's clock is this machine's, and @shift seconds ahead; `date` shows whole seconds."""
    before = time.time()
    match = re.search(r"(\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+)", guest.run("date"))
    shown = calendar.timegm(tuple(int(number) for number in match.groups()) + (0, 0, 0))
    assert before - 3 <= shown - shift <= time.time() + 3, match[0]


@pytest.fixture
def guest(network, boot):
    return boot(prefix=network.prefix, append=network.static(), devices=[*network.nic(), *RTC])


def test_chrony(network, guest, chronyd):
    start_chrony(network, chronyd, "local stratum 8")
    network.dnsmasq("--address=/nowhere.test/")
    assert "no such host" in guest.run("ntpdate nowhere.test")
    assert "2001-02-03" in guest.run("date")
    output, succeeded = guest.status("ntpdate -q 10.77.0.1", 60)
    assert succeeded and re.search(r"stratum 8 .*[1-4] of 4 answers, delay 0\.\d{6} s, offset \+\d{9}\.\d{6} s", output), output
    assert "it is " in output and "2001-02-03" in guest.run("date")  # only asked
    output, succeeded = guest.status("ntpdate web.test", 60)
    assert succeeded and "the clock is set" in output, output
    check_time(guest)
    output, succeeded = guest.status("ntpdate 10.77.0.1", 60)
    offset = float(re.search(r"offset ([+-][\d.]+) s", output)[1])
    assert succeeded and abs(offset) < 3, output  # half of a round trip, on a busy machine


def test_chrony_without_the_time(network, guest, chronyd):
    start_chrony(network, chronyd)  # it has neither a clock nor a server
    output, succeeded = guest.status("ntpdate 10.77.0.1", 60)
    assert not succeeded and "10.77.0.1 is not synchronised itself" in output, output
    assert "2001-02-03" in guest.run("date")


def test_nobody_and_nonsense(network, guest):
    output, succeeded = guest.status("ntpdate 10.77.0.1", 60)
    assert not succeeded and "nobody listens" in output, output
    for line, complaint in (("ntpdate", "usage"), ("ntpdate -q", "usage"), ("ntpdate -x 10.77.0.1", "usage"),
                            ("ntpdate 10.77.0.1 x", "usage"), ("ntpdate 10.77.0.999", "no name server listens")):
        output, succeeded = guest.status(line, 60)
        assert not succeeded and complaint in output, (line, output)


def reply(request, flags=0x24, stratum=2, reference=b"\x0a\0\0\x01", originate=None, later=0, shift=0):
    """The answer of a server whose clock is @shift seconds ahead and that kept the request for @later seconds."""
    now = int((time.time() + SINCE_1900 + shift) * 2**32) % 2**64
    return struct.pack(">BBbbII4sQ8sQQ", flags, stratum, 6, -20, 100, 100, reference, now,
                       originate or request[40:48], now, (now + int(later * 2**32)) % 2**64)


# What is no answer at all, all at once: each request is waited for in vain.
NOISE = (lambda r: [reply(r, originate=b"\0" * 8), r, reply(r)[:47], b"", reply(r, flags=0x23), reply(r, flags=0x2C)])

LIES = {
    "noise": (NOISE, "no answer"),
    "stratum 16": (lambda r: [reply(r, stratum=16)], "not synchronised"),
    "leap unknown": (lambda r: [reply(r, flags=0xE4)], "not synchronised"),
    "kiss": (lambda r: [reply(r, flags=0xE4, stratum=0, reference=b"DENY")], "kiss of death: DENY"),
    "backwards": (lambda r: [reply(r, later=-5)], "cannot be"),
    "too long": (lambda r: [reply(r, later=3600)], "cannot be"),
}


class Liar:
    """A server that answers as it is told."""

    def __init__(self, network):
        self.sock = network.udp(123)
        self.sock.settimeout(None)
        self.answers = None
        self.requests = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                request, peer = self.sock.recvfrom(1000)
            except OSError:
                return
            self.requests.append(request)
            for packet in self.answers(request):
                self.sock.sendto(packet, peer)


def test_liars(network, guest):
    liar = Liar(network)
    for name, (answers, complaint) in LIES.items():
        liar.answers = answers
        output, succeeded = guest.status("ntpdate 10.77.0.1", 60)
        assert not succeeded and complaint in output, (name, output)
    assert "2001-02-03" in guest.run("date")
    # Lies before the truth are passed over; of several truths the quickest counts.
    liar.answers = lambda r: [reply(r, originate=b"x" * 8, shift=9999), b"short", r, reply(r, shift=86400)]
    output, succeeded = guest.status("ntpdate 10.77.0.1", 60)
    assert succeeded and "of 4 answers" in output, output
    check_time(guest, 86400)
    requests = liar.requests
    assert all(len(request) == 48 and request[0] == 0x23 and request[1:40] == bytes(39) for request in requests)
    assert len({request[40:48] for request in requests}) == len(requests)  # nobody can guess the next


def test_ctrl_c(network, guest):
    liar = Liar(network)
    liar.answers = lambda r: []
    guest.type("ntpdate 10.77.0.1\r")
    guest.expect("ntpdate 10.77.0.1")
    while not liar.requests:
        time.sleep(0.05)  # it is to be at work
    guest.type("\x03")
    guest.wait_prompt()
    assert guest.run("echo $?").strip() != "0" and "2001-02-03" in guest.run("date")
