"""Instance metadata: servers at 169.254.169.254, honest and not, and a disk labelled CIDATA."""
import contextlib
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest

from nos import build
from nos.disk import drive
from nos.guest import PATIENCE

sys.path.insert(0, str(build.ROOT / "scripts"))

SERVER = "169.254.169.254"
KEY = "00112233445566778899aabbccddeeff"
FLAVOR = "Metadata-Flavor: Google\r\n"
GCE_PATH = "/computeMetadata/v1/instance/attributes/nos"


def answer(body, status="200 OK", headers=""):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n{body}".encode()


class Server:
    """Answers each request with what @reply(request) returns: bytes, or None for silence."""

    def __init__(self, network, reply, is_open=True):
        self.requests = []
        self.reply = reply
        self.gate = threading.Event()  # no answer before it is set
        if is_open:
            self.gate.set()
        network.run("ip", "addr", "add", f"{SERVER}/32", "dev", "tap0")
        self.listener = network.tcp()
        self.listener.bind((SERVER, 80))
        self.listener.listen(8)
        self.listener.settimeout(None)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            connection.settimeout(120)
            while True:
                request = b""
                while b"\r\n\r\n" not in request:
                    part = connection.recv(4096)
                    if not part:
                        return
                    request += part
                self.requests.append(request.decode())
                self.gate.wait(120)
                reply = self.reply(request.decode())
                if reply is not None:
                    connection.sendall(reply)
                if reply is None or b"Content-Length" not in reply or b"Connection: close" in reply:
                    break
            if reply is None:
                connection.recv(1)  # until the guest has enough


def ec2(user_data, token="TOKEN"):
    def reply(request):
        if request.startswith("PUT /latest/api/token "):
            return answer(token) if token else answer("", "404 Not Found")
        assert ("X-aws-ec2-metadata-token: TOKEN\r\n" in request) == bool(token)
        return answer(user_data) if request.startswith("GET /latest/user-data ") else answer("", "404 Not Found")

    return reply


def wait_said(guest, text, seconds=60 * PATIENCE):
    """Wait until the log says something of metadata or parameters; the log."""
    end = time.monotonic() + seconds
    while True:
        log = guest.run("dmesg metadata:") + guest.run("dmesg parameter:")
        if text in log:
            return log
        assert time.monotonic() < end, f"{text!r} is not in:\n{log}"


def boot_beside(network, boot, append, address=True):
    return boot(prefix=network.prefix, append=f"{network.static() if address else ''} {append}",
                devices=network.nic())


# ---- what metadata can do ----

def test_gce(network, boot):
    """Four words are taken, the command line wins, the others are refused, the key is not shown."""
    text = f"# of the test\nudpshell=9000 udpshell.key={KEY}\nip=10.77.0.99/24 panic=halt\n"
    server = Server(network, lambda request: answer(text, headers=FLAVOR))
    guest = boot_beside(network, boot, "metadata=gce")
    log = wait_said(guest, "gce has set udpshell=")
    assert "gce has set udpshell.key=" in log and KEY not in guest.run("dmesg")
    assert "gce: ip= is on the command line, which wins" in log
    assert "gce: panic cannot be set from there (ignored)" in log
    assert server.requests[0].startswith(f"GET {GCE_PATH} HTTP/1.1\r\n")
    assert "\r\nMetadata-Flavor: Google\r\n" in server.requests[0]
    import udpsh
    with network.inside():
        client = udpsh.UdpShell(network.guest, 9000, 30, bytes.fromhex(KEY))
    assert client.run("echo by key").strip() == b"by key"


def test_gce_over_dhcp_with_another_address(network, boot):
    """metadata= alone is enough: DHCP finds the way, and ip= takes its place."""
    network.dnsmasq("--dhcp-range=10.77.0.50,10.77.0.60,255.255.255.0,2m", "--dhcp-option=3,10.77.0.1",
                    "--dhcp-option-force=1,255.255.255.255")  # as Google: everything is behind the gateway
    Server(network, lambda request: answer("ip=10.77.0.77/24,10.77.0.1,10.77.0.1", headers=FLAVOR))
    guest = boot_beside(network, boot, "metadata=gce dns=on", address=False)
    wait_said(guest, "gce has set ip=")
    network.run("ping", "-c", "3", "-i", "0.2", "10.77.0.77")
    assert "web.test 10.77.0.1" in guest.run("nslookup web.test")
    assert "10.77.0.77/24" in guest.run("ifconfig")


def test_ec2_runs_commands(network, boot):
    server = Server(network, ec2("#nos\nrun=\"mkdir /made; echo done\"\n"), is_open=False)
    guest = boot_beside(network, boot, "metadata=ec2")  # the prompt comes first
    server.gate.set()
    guest.expect(r"\$ mkdir /made; echo done\r\n")
    guest.wait_prompt()
    assert "made" in guest.run("ls /")
    assert [request.split(" ")[0] for request in server.requests] == ["PUT", "GET"]
    assert "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n" in server.requests[0]


def test_ec2_without_tokens(network, boot):
    Server(network, ec2("#nos udpshell\nudpshell=9000\n", token=None))
    guest = boot_beside(network, boot, "metadata=ec2")
    wait_said(guest, "ec2 has set udpshell=")


def test_nobody_is_asked_without_the_parameter(network, boot):
    server = Server(network, lambda request: answer("udpshell=9000", headers=FLAVOR))
    guest = boot_beside(network, boot, "metadata=google")  # not a source: named, and ignored
    assert "bad value: metadata=google" in guest.run("dmesg parameter")
    assert guest.status("ping -c 2 10.77.0.1")[1]
    guest.poweroff()
    guest.kill()  # and its capture is whole
    assert not server.requests
    sent = (guest.folder / "net0.pcap").read_bytes()  # an address stands in ARP and IP packets alike
    assert socket.inet_aton(network.host) in sent and socket.inet_aton(SERVER) not in sent


# ---- servers that do it wrong: a line each, and the prompt comes ----

BAD = {
    "hangs": (lambda request: None, "no whole answer in time: will ask again"),
    "closes": (lambda request: b"", "closed the connection midway: will ask again"),
    "closes midway": (lambda request: answer("udpshell=9", headers=FLAVOR + "Connection: close\r\n")[:-1],
                      "closed the connection midway: will ask again"),
    "has nothing": (lambda request: answer("no", "404 Not Found", FLAVOR), "404 Not Found: nothing to set"),
    "fails": (lambda request: answer("no", "500 No", FLAVOR), "500 Internal Server Error: will ask again"),
    "has no flavor": (lambda request: answer("udpshell=9000"), "is not believed: given up"),
    "has another flavor": (lambda request: answer("udpshell=9000", headers="Metadata-Flavor: Other\r\n"),
                           "is not believed: given up"),
    "is a giant": (lambda request: answer("x" * 2000000, headers=FLAVOR), "more than 16384 bytes: given up"),
    "speaks rubbish": (lambda request: bytes(range(256)) * 100, "not HTTP: given up"),
    "gives rubbish": (lambda request: answer("\0\1\2\3udpshell=9000\n", headers=FLAVOR), "no text: ignored"),
    "gives nonsense": (lambda request: answer("<html>\nudpshell=0\n</html>\n", headers=FLAVOR),
                       "bad value for udpshell="),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_server(network, boot, kind):
    reply, complaint = BAD[kind]
    Server(network, reply)
    guest = boot_beside(network, boot, "metadata=gce")
    wait_said(guest, complaint)
    assert "listening on port" not in guest.run("dmesg udp_shell")


def test_redirect_elsewhere_is_not_followed(network, boot):
    elsewhere = network.listen(8080)
    elsewhere.settimeout(0.5)
    location = "Location: http://10.77.0.1:8080/\r\n"
    Server(network, lambda request: answer("", "302 Found", FLAVOR + location))
    guest = boot_beside(network, boot, "metadata=gce")
    wait_said(guest, "the server answers 302 Found: given up")
    with pytest.raises(TimeoutError):
        elsewhere.accept()


def test_nobody_there(network, boot):
    """No server, no DHCP, no device: the prompt comes all the same."""
    guest = boot_beside(network, boot, "metadata=ec2")
    wait_said(guest, "will ask again")
    guest.kill()
    boot(append="metadata=gce")
    boot(append="metadata=gce dhcp=off", prefix=network.prefix, devices=network.nic())


@pytest.mark.full
def test_hanging_server_is_given_up(network, boot):
    Server(network, lambda request: None)
    guest = boot_beside(network, boot, "metadata=gce")
    wait_said(guest, "no whole answer in time: given up", 120 * PATIENCE)


# ---- NoCloud ----

def seed(folder, user_data="#nos\nudpshell=9000\n", meta_data="", kib=1440, label="CIDATA"):
    """An image as cloud-localds --filesystem vfat makes it, by mtools."""
    image = pathlib.Path(folder) / "seed.img"
    with open(image, "wb") as file:
        file.truncate(kib << 10)
    subprocess.run(["mformat", "-i", image, "-v", label, "-T", str(kib * 2), "-h", "2", "-s", "9", "::"], check=True)
    for name, text in (("user-data", user_data), ("meta-data", meta_data)):
        if text is not None:
            subprocess.run(["mcopy", "-i", image, "-", f"::{name}"], input=text.encode(), check=True)
    return image


def boot_with(boot, image, append="metadata=nocloud"):
    return boot(append=append, devices=[*drive("seed", image, "readonly=on"), "-device", "virtio-blk-pci,drive=seed"])


@pytest.mark.parametrize("kib", [1440, 20000, 300000], ids=["FAT12", "FAT16", "FAT32"])
def test_nocloud(boot, tmp_path, kib):
    guest = boot_with(boot, seed(tmp_path, kib=kib, label="cidata"))
    log = wait_said(guest, "nocloud has set udpshell=")
    assert "meta-data" not in log
    assert "listening on port 9000" in guest.run("dmesg udp_shell")


def test_nocloud_sets_the_address(network, boot, tmp_path):
    image = seed(tmp_path, "#nos\nip=10.77.0.2/24,10.77.0.1\n")
    guest = boot(prefix=network.prefix, append="metadata=nocloud",
                 devices=[*network.nic(), *drive("seed", image), "-device", "virtio-blk-pci,drive=seed"])
    wait_said(guest, "nocloud has set ip=")
    network.run("ping", "-c", "2", "-i", "0.2", network.guest)


@pytest.mark.parametrize("options, complaint", [
    ({"user_data": None}, "vda has no file user-data: nothing to set"),
    ({"meta_data": None}, "vda has no file meta-data"),
    ({"label": "OTHER"}, "no disk has the label CIDATA"),
    ({"user_data": "#cloud-config\n"}, 'the first line is not "#nos": ignored'),
    ({"user_data": "#nos\n" + "# long\n" * 3000}, "user-data on vda has more than 16384 bytes: given up"),
    ({"user_data": "#nos\n\x7fELF\0"}, "no text: ignored"),
], ids=["no user-data", "no meta-data", "no label", "not ours", "long", "binary"])
def test_nocloud_otherwise(boot, tmp_path, options, complaint):
    guest = boot_with(boot, seed(tmp_path, **options))
    wait_said(guest, complaint)


def test_nocloud_damaged(boot, tmp_path):
    """The chain of user-data runs in a circle."""
    image = seed(tmp_path, "#nos\n" + "# filler\n" * 200)
    data = bytearray(image.read_bytes())
    assert data[512 + 3:512 + 6] == b"\x03\x40\x00"  # FAT12: cluster 2 leads to 3, 3 to 4
    data[512 + 3:512 + 6] = b"\x03\x20\x00"          # now 3 to 2
    image.write_bytes(data)
    guest = boot_with(boot, image)
    wait_said(guest, "given up")
    assert "clusters in a circle from 2" in guest.run("dmesg fat")


def test_nocloud_as_iso(boot, tmp_path):
    """The other form of the disk, as cloud-localds makes it by default."""
    image = tmp_path / "seed.iso"
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "user-data").write_text("#nos\nudpshell=9000\n" + "# more than a block\n" * 200)
    (tmp_path / "content" / "meta-data").touch()
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-J", "-R", "-V", "cidata", "-o", image,
                    tmp_path / "content"], check=True, stderr=subprocess.DEVNULL)
    guest = boot_with(boot, image)
    wait_said(guest, "nocloud has set udpshell=")
