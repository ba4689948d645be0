"""wget against nginx and against servers that do everything wrong."""
import hashlib
import socket
import sys
import threading
import time

import pytest

from nos import build
from nos.guest import PATIENCE
from nos.network import body
from nos.peer import Relay

sys.path.insert(0, str(build.ROOT / "scripts"))

SIZES = [1, 65536, 1 << 20, 64 << 20]


def fetch(guest, url, timeout=120 * PATIENCE):
    """Fetch to nowhere; (bytes, SHA-256), as the guest says."""
    output, succeeded = guest.status(f"wget {url} -O /dev/null --sum", timeout)
    assert succeeded, output
    count = int(output.split("/dev/null: ")[1].split(" bytes")[0])
    return count, output.split("sha256 ")[1].split()[0]


@pytest.fixture
def web(network, boot):
    """A guest beside an nginx: (guest, the folder it serves)."""
    root = network.nginx()
    guest = boot(prefix=network.prefix, cpus=2, append=network.static("udpshell=9000"),
                 devices=network.nic(offload=True))
    return guest, root


@pytest.mark.parametrize("offload", [False, True], ids=["plain", "offload"])
def test_sizes(network, boot, offload):
    root = network.nginx()
    guest = boot(prefix=network.prefix, cpus=2, append=network.static(),
                 devices=network.nic(offload=offload))
    for size in SIZES:
        data, digest = body(size, size)
        (root / "file").write_bytes(data)
        assert fetch(guest, "10.77.0.1/file") == (size, digest), size
    output, succeeded = guest.status("wget http://10.77.0.1/empty")
    assert not succeeded and "404 Not Found" in output


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_one_gigabyte(web):
    guest, root = web
    digest = hashlib.sha256()
    with open(root / "file", "wb") as file:
        for number in range(1024):
            block = body(1 << 20, number)[0]
            digest.update(block)
            file.write(block)
    assert fetch(guest, "10.77.0.1/file", 1000) == (1 << 30, digest.hexdigest())


def test_captured(network, boot):
    """Small, and every packet is looked at."""
    root = network.nginx()
    guest = boot(prefix=network.prefix, cpus=2, append=network.static(), devices=network.nic())
    data, digest = body(300000)
    (root / "file").write_bytes(data)
    assert fetch(guest, "10.77.0.1/file") == (300000, digest)
    assert fetch(guest, "10.77.0.1/chunked/file") == (300000, digest)


def test_redirects_and_errors(web):
    guest, root = web
    (root / "page").write_text("the page\n")
    for url in ("absolute?to=page", "relative/?to=/page", "relative/?to=../page", "seeother?to=page",
                "temporary?to=page", "permanent?to=page"):
        assert "the page" in guest.run(f"wget http://10.77.0.1/{url}"), url
    for url, complaint in (("loop", "too many redirects"), ("secure", "https"), ("broken", "500 Internal Server Error"),
                           ("nothing", "404 Not Found")):
        output, succeeded = guest.status(f"wget http://10.77.0.1/{url}")
        assert not succeeded and complaint in output, (url, output)


def test_slow_server_and_ctrl_c(web):
    guest, root = web
    data, digest = body(200000)
    (root / "file").write_bytes(data)
    assert fetch(guest, "10.77.0.1/slow/file") == (200000, digest)
    (root / "file").write_bytes(body(16 << 20)[0])
    guest.run("mkdir /tmp")
    guest.type("wget 10.77.0.1/slow/file -O /tmp/file\r")
    time.sleep(1)  # it is to be at work
    guest.type("\x03")
    guest.wait_prompt()  # all of it would take four minutes
    assert "file" not in guest.run("ls /tmp")


def test_saved_file_and_full_disk(web):
    guest, root = web
    data, digest = body(3 << 20)
    (root / "file").write_bytes(data)
    guest.run("mkdir /tmp")
    output, succeeded = guest.status("wget 10.77.0.1/file -O /tmp/file")
    assert succeeded and str(3 << 20) in output, output
    assert digest in guest.run("sha256 /tmp/file") or str(3 << 20) in guest.run("ls /tmp")
    (root / "large").write_bytes(body(300 << 20)[0])
    output, succeeded = guest.status("wget 10.77.0.1/large -O /tmp/large", 120)
    assert not succeeded and "space" in output.lower() or "memory" in output.lower(), output
    listed = guest.run("ls /tmp")
    assert "large" not in listed and "file" in listed
    output, succeeded = guest.status("wget 10.77.0.1/file -O /nowhere/file")
    assert not succeeded and "/nowhere/file" in output


def test_ten_at_once(web, network):
    guest, root = web
    digests = []
    for number in range(10):
        data, digest = body(1 << 20, number)
        (root / f"file{number}").write_bytes(data)
        digests.append(digest)
    import udpsh  # ten sessions in the guest

    clients = []
    for number in range(10):
        with network.inside():
            clients.append(udpsh.UdpShell(network.guest, 9000, 60))
    results = [None] * 10

    def work(number):
        results[number] = clients[number].run(f"wget 10.77.0.1/file{number} -O /dev/null --sum").decode()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(digest in result for digest, result in zip(digests, results)), results


def serve(network, port, script):
    """A server that runs script(connection) for each client, in a thread."""
    listener = network.listen(port)

    def run():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                connection.recv(4096)
                script(connection)
            except OSError:
                pass
            connection.close()

    threading.Thread(target=run, daemon=True).start()
    return listener


def closes_midway(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 5000)


def resets_midway(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 5000)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def is_not_http(connection):
    connection.sendall(b"SSH-2.0-OpenSSH\r\n")


def has_endless_headers(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000)


def chunk_cut(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\nabc")


def bad_chunk(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n")


@pytest.mark.parametrize("script, complaint", [
    (closes_midway, "closed the connection midway"), (resets_midway, "reset"), (is_not_http, "not HTTP"),
    (has_endless_headers, "beyond all measure"), (chunk_cut, "midway"), (bad_chunk, "not HTTP")])
def test_bad_servers(network, boot, script, complaint):
    serve(network, 8080, script)
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    guest.run("mkdir /tmp")
    output, succeeded = guest.status("wget 10.77.0.1:8080/x -O /tmp/x")
    assert not succeeded and complaint in output, output
    assert "x" not in guest.run("ls /tmp").split()


def test_bad_urls_and_hosts(network, boot):
    network.dnsmasq("--local=/test/")
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    for arguments, complaint in (
            ("https://10.77.0.1/", "only http:// is spoken here"), ("ftp://10.77.0.1/", "only http://"),
            ("http://", "not a URL"), ("http://host:99999/", "not a URL"), ("", "usage"), ("a b c", "usage"),
            ("http://nowhere.test/", "no such host"), ("http://10.77.0.1:81/", "refused")):
        output, succeeded = guest.status(f"wget {arguments}")
        assert not succeeded and complaint in output, (arguments, output)
    output, succeeded = guest.status("wget http://10.77.0.200/", 40)
    assert not succeeded and "10.77.0.200" in output


def test_redirect_on_the_same_connection(network, boot):
    def redirect_then_page(connection):
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /page\r\nContent-Length: 5\r\n\r\nmoved")
        assert connection.recv(4096).startswith(b"GET /page HTTP/1.1")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nthe page\n")

    serve(network, 8080, redirect_then_page)  # one at a time: a second connection would get no answer
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    assert guest.status("wget 10.77.0.1:8080/x") == ("the page\n", True)


def test_stalled_server(network, boot):
    """Headers, some of the body, and then silence: an error after 30 seconds."""
    def stall(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 5000)
        connection.settimeout(60)
        connection.recv(1)

    serve(network, 8080, stall)
    guest = boot(prefix=network.prefix, append=network.static(), devices=network.nic())
    output, succeeded = guest.status("wget 10.77.0.1:8080/x -O /dev/null", 60)
    assert not succeeded and "nothing came for 30 seconds" in output


def lossy_fetch(network, boot, seed):
    """One transfer through a wire that is terrible in a way that the seed decides."""
    loss = 0.01 + (seed * 7 % 20) / 100  # 1 to 20 %
    size = 400000 if loss <= 0.10 else 60000
    data, digest = body(size, seed)
    root = network.nginx()
    (root / "file").write_bytes(data)
    relay = Relay(network, seed, loss=loss, duplicate=0.05, reorder=0.1, corrupt=0.01, delay=0.001)
    try:
        guest = boot(append=network.static(), devices=relay.nic(), cpus=2)
        output, succeeded = guest.status("wget 10.77.0.1/file -O /dev/null --sum", 200)
        if succeeded:
            assert f"{size} bytes" in output and digest in output, (output, relay.counts)
        else:
            assert "10.77.0.1" in output, output
        return succeeded
    finally:
        relay.close()


@pytest.mark.parametrize("seed", range(20))
def test_terrible_wire(network, boot, seed):
    succeeded = lossy_fetch(network, boot, seed)  # or it ended with an error, as it may when much is lost
    assert succeeded or 0.01 + (seed * 7 % 20) / 100 > 0.1


@pytest.mark.full
@pytest.mark.parametrize("seed", range(20, 200))
def test_terrible_wire_long(network, boot, seed):
    lossy_fetch(network, boot, seed)
