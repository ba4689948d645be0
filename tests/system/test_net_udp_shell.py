"""The UDP shell: the wire format, our client, duplicates, long output, and the key."""
import hashlib
import hmac
import socket
import struct
import subprocess
import sys
import time

import pytest

from nos import build
from nos.guest import PATIENCE

MAGIC = 0x4E4F5348
KEY = "00112233445566778899aabbccddeeff"
HEADER = struct.Struct("!IIHHHH")

sys.path.insert(0, str(build.ROOT / "scripts"))


@pytest.fixture
def machine(network, boot):
    def boot_shell(*parameters):
        guest = boot(prefix=network.prefix, cpus=2, append=network.static("udpshell=9000", *parameters),
                     devices=network.nic())
        return guest, network

    return boot_shell


def client(network, **options):
    import udpsh

    with network.inside():
        return udpsh.UdpShell(network.guest, 9000, **options)


def request(sequence, text, magic=MAGIC, chunk=0, flags=0, length=None, zero=0):
    return HEADER.pack(magic, sequence, chunk, flags, len(text) if length is None else length, zero) + text


def exchange(sock, packet, seconds=10 * PATIENCE):
    """Send one request as the original's client does; (chunks in order of arrival, flags)."""
    sock.settimeout(seconds)
    sock.send(packet)
    chunks = []
    while True:
        data = sock.recv(65536)
        magic, sequence, chunk, flags, length, zero = HEADER.unpack_from(data)
        assert magic == MAGIC and zero == 0 and length == len(data) - 16 and length <= 1384
        assert sequence == struct.unpack_from("!I", packet, 4)[0]
        chunks.append((chunk, data[16:]))
        if flags & 1:
            assert [number for number, _ in chunks] == list(range(len(chunks)))
            return b"".join(text for _, text in chunks)


def connect(network):
    sock = network.udp()
    sock.connect((network.guest, 9000))
    return sock


def is_silent(sock, seconds=0.7):
    sock.settimeout(seconds)
    try:
        return not sock.recv(65536)
    except socket.timeout:
        return True


def test_wire_format(machine):
    guest, network = machine()
    sock = connect(network)
    assert exchange(sock, request(1, b"echo hello")) == b"hello\n"
    assert exchange(sock, request(2, b"")) == b""
    assert b"there is no such command" in exchange(sock, request(3, b"nonsense"))
    assert exchange(sock, request(0xFFFFFFFF, b"echo one; echo two")) == b"one\ntwo\n"
    help_text = exchange(sock, request(5, b"help"))
    assert b"uptime" in help_text and b"\0" not in help_text
    assert "whoever reaches port 9000" in guest.run("dmesg udp_shell")


def test_requests_without_a_pause(machine):
    """The next request comes the moment the last chunk is there; none is lost."""
    _, network = machine()
    sock = connect(network)
    for number in range(500):
        assert exchange(sock, request(number, b"echo %d" % number)) == b"%d\n" % number


def test_malformed_requests_get_no_answer(machine):
    _, network = machine()
    sock = connect(network)
    for packet in (b"", b"x", request(1, b"echo x")[:15], request(1, b"echo x", magic=MAGIC + 1),
                   request(1, b"echo x", chunk=1), request(1, b"echo x", flags=1), request(1, b"echo x", zero=1),
                   request(1, b"echo x", length=5), request(1, b"echo x", length=7), request(1, b"echo " + b"x" * 1500)):
        sock.send(packet)
    assert is_silent(sock)
    assert exchange(sock, request(1, b"echo x")) == b"x\n"


def test_duplicates_are_not_run_twice(machine):
    guest, network = machine()
    guest.run("mkdir /tmp")
    sock = connect(network)
    once = request(7, b"echo line >> /tmp/file; cat /tmp/file")
    assert exchange(sock, once) == b"line\n"
    for _ in range(5):
        assert exchange(sock, once) == b"line\n"
    assert guest.run("cat /tmp/file").split() == ["line"]
    # another client with the same sequence number is another request
    assert exchange(connect(network), once) == b"line\nline\n"
    assert exchange(sock, request(8, b"cat /tmp/file")) == b"line\nline\n"


def test_long_output_and_blocking_commands(machine):
    guest, network = machine()
    shell = client(network)
    output = shell.run("hexdump /no; random 60000")
    assert len(output.split()[-1]) == 120000
    began = time.monotonic()
    assert shell.run("sleep 3; echo done") == b"done\n"
    assert time.monotonic() - began >= 2.9
    # one client's long command does not hold up another's
    slow = connect(network)
    slow.send(request(1, b"sleep 60; echo slow"))
    assert exchange(connect(network), request(1, b"echo quick"), 30 * PATIENCE) == b"quick\n"
    assert "$ " not in shell.run("ps").decode()


def test_every_command_answers(machine):
    guest, network = machine()
    shell = client(network)
    names = [line.split()[0] for line in guest.run("help").splitlines() if line.split()]
    left_out = {"panic", "poweroff", "shutdown", "reboot", "top", "bench", "stress", "format", "diskwrite", "cls",
                "dhcp"}  # (dhcp waits for a server, and there is none here)
    for name in names:
        if name.isalnum() and name not in left_out:
            assert isinstance(shell.run(name), bytes), name
    assert shell.run("echo alive") == b"alive\n"


def test_lost_answers_are_repeated(machine):
    """The client throws chunks away; asking again brings them."""
    _, network = machine()
    shell = client(network)
    receive, lost = shell.socket.recv, []

    class Lossy:
        def __getattr__(self, name):
            return getattr(shell_socket, name)

        def recv(self, size):
            data = receive(size)
            if len(lost) < 6 and len(data) > 1000:
                lost.append(data)
                raise socket.timeout
            return data

    shell_socket, shell.socket = shell.socket, Lossy()
    output = shell.run("random 20000")
    assert lost and len(output.strip()) == 40000


def test_script(machine):
    _, network = machine(f"udpshell.key={KEY}")
    output = network.run("/usr/bin/python3", build.ROOT / "scripts/udpsh.py", network.guest, "9000", "10",
                         "--key", KEY, "-c", "echo by script")
    assert output == "by script\n"
    failed = subprocess.run([*network.prefix, "/usr/bin/python3", build.ROOT / "scripts/udpsh.py", network.guest, "9000", "2",
                             "-c", "echo no key"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert failed.returncode == 1 and failed.stdout == "" and "no answer" in failed.stderr


def test_with_a_key_nothing_else_is_answered(machine):
    guest, network = machine(f"udpshell.key={KEY}")
    shell = client(network, key=bytes.fromhex(KEY))
    assert shell.run("echo hello") == b"hello\n"
    sent = []
    real_socket = shell.socket

    class Recorder:
        def __getattr__(self, name):
            return getattr(real_socket, name)

        def send(self, data):
            sent.append(data)
            return real_socket.send(data)

    shell.socket = Recorder()
    guest.run("mkdir /tmp")
    assert shell.run("echo line >> /tmp/file") == b""
    packet = sent[-1]
    sock = connect(network)
    for _ in range(3):  # replayed, from here and from the client's own port
        sock.send(packet)
        real_socket.send(packet)
    for cut in range(0, len(packet), 7):  # truncated
        sock.send(packet[:cut])
    for place in range(0, len(packet), 5):  # forged
        sock.send(packet[:place] + bytes([packet[place] ^ 1]) + packet[place + 1:])
    sock.send(request(1, b"echo line >> /tmp/file"))  # without any key
    wrong = HEADER.pack(MAGIC, 1, 0, 2, 0, 0) + struct.pack("!QQ", 0, time.time_ns())
    sock.send(wrong + hmac.new(b"x" * 16, b"C" + wrong, hashlib.sha256).digest())  # another key
    assert is_silent(sock) and is_silent(real_socket)
    assert guest.run("cat /tmp/file").split() == ["line"]
    assert shell.run("echo still here") == b"still here\n"
    assert "whoever reaches" not in guest.run("dmesg udp_shell")


def test_bad_parameters(start):
    guest = start(append="udpshell=99999 udpshell.key=12")
    guest.wait_prompt()
    assert "udpshell" in guest.log
