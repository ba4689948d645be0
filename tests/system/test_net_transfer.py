"""nc of the guest against netcat-openbsd of the host: whole files, both ways, whoever listens."""
import hashlib
import socket
import subprocess
import threading
import time

import pytest

from nos.guest import PATIENCE
from nos.network import body

PORT = 5004


@pytest.fixture
def pair(network, boot):
    """(guest, network), with memory for two files of 256 MiB."""
    guest = boot(prefix=network.prefix, cpus=2, memory="1G", append=network.static(),
                 devices=network.nic(offload=True))
    guest.run("mkdir /tmp")
    return guest, network


def write_file(path, mib):
    """Random bytes, the same each time; their SHA-256."""
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for number in range(mib):
            block = body(1 << 20, number)[0]
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def sum_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def sum_in_guest(guest, path):
    return guest.run(f"sha256 {path}", 120).split()[0]


def host_nc(network, *arguments, source=subprocess.DEVNULL, sink=subprocess.DEVNULL):
    return subprocess.Popen([*network.prefix, "nc", *map(str, arguments)], stdin=source, stdout=sink,
                            stderr=subprocess.DEVNULL)


def connect_when_listening(network, *arguments, **files):
    """The host's nc, again until somebody listens; nothing tells when the guest does."""
    end = time.monotonic() + 60 * PATIENCE
    while True:
        nc = host_nc(network, *arguments, **files)
        if nc.wait(200 * PATIENCE) == 0:
            return
        assert time.monotonic() < end, "nobody listens in the guest"
        time.sleep(0.05)


def wait_listening(network, port):
    """Without a connection, of which nc takes one only."""
    end = time.monotonic() + 20 * PATIENCE
    while not network.run("ss", "-ltnH", "sport", "=", f":{port}").strip():
        assert time.monotonic() < end
        time.sleep(0.05)


def transfer_each_way(pair, mib):
    guest, network = pair
    original, back = network.folder / "original", network.folder / "back"
    digest = write_file(original, mib)
    limit = 200 * PATIENCE
    numbers = []

    def note(began, name):
        numbers.append(f"{name}: {mib / (time.monotonic() - began):.0f} MiB/s")

    began = time.monotonic()
    guest.type(f"nc -l {PORT} > /tmp/file\r")
    with open(original, "rb") as source:
        connect_when_listening(network, "-N", network.guest, PORT, source=source)
    guest.wait_prompt(limit)
    note(began, "to nc -l in the guest")
    assert sum_in_guest(guest, "/tmp/file") == digest

    began = time.monotonic()
    guest.type(f"nc -l {PORT} < /tmp/file\r")
    with open(back, "wb") as sink:
        connect_when_listening(network, "-d", network.guest, PORT, sink=sink)
    guest.wait_prompt(limit)
    note(began, "from nc -l in the guest")
    assert sum_of(back) == digest

    began = time.monotonic()
    with open(back, "wb") as sink:
        nc = host_nc(network, "-d", "-l", network.host, PORT, sink=sink)
        wait_listening(network, PORT)
        output, succeeded = guest.status(f"nc {network.host} {PORT} < /tmp/file", limit)
        assert succeeded and nc.wait(limit) == 0, output
    note(began, "from nc HOST PORT in the guest")
    assert sum_of(back) == digest

    began = time.monotonic()
    guest.run("del /tmp/file")
    with open(original, "rb") as source:
        nc = host_nc(network, "-N", "-l", network.host, PORT, source=source)
        wait_listening(network, PORT)
        output, succeeded = guest.status(f"nc {network.host} {PORT} > /tmp/file", limit)
        assert succeeded and nc.wait(limit) == 0, output
    note(began, "to nc HOST PORT in the guest")
    assert sum_in_guest(guest, "/tmp/file") == digest
    print("; ".join(numbers))


def test_nc_16_mib_each_way(pair):
    transfer_each_way(pair, 16)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_nc_256_mib_each_way(pair):
    transfer_each_way(pair, 256)


@pytest.mark.parametrize("mib_to_guest, mib_to_host", [(8, 1), (1, 8)])
def test_nc_both_ways_at_once(pair, mib_to_guest, mib_to_host):
    """A file each way over one connection; one of them ends long before the other."""
    guest, network = pair  # the host's nc would leave at the first end
    there, _ = body(mib_to_guest << 20, 1)
    digest = write_file(network.folder / "file", mib_to_host)
    output, succeeded = guest.status(f"nc {network.host} {PORT} < /tmp/none")
    assert not succeeded and "/tmp/none" in output
    guest.type(f"nc -l {PORT} > /tmp/mine\r")
    with open(network.folder / "file", "rb") as source:
        connect_when_listening(network, "-N", network.guest, PORT, source=source)
    guest.wait_prompt()
    back = hashlib.sha256()

    def receive(connection):
        while data := connection.recv(1 << 20):
            back.update(data)

    with network.listen(PORT) as listener:
        guest.type(f"nc {network.host} {PORT} < /tmp/mine > /tmp/theirs\r")
        connection, _ = listener.accept()
        receiver = threading.Thread(target=receive, args=(connection,))
        receiver.start()
        connection.sendall(there)
        connection.shutdown(socket.SHUT_WR)
        receiver.join(60 * PATIENCE)
        connection.close()
    guest.wait_prompt()
    assert back.hexdigest() == digest
    assert sum_in_guest(guest, "/tmp/theirs") == hashlib.sha256(there).hexdigest()
