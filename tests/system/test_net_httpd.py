"""The web server, asked by curl and by clients that behave worse."""
import concurrent.futures
import email.utils
import hashlib
import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import time

import pytest
from PIL import Image

from nos import build
from nos.guest import PATIENCE
from nos.network import body

sys.path.insert(0, str(build.ROOT / "scripts"))
import udpsh  # noqa: E402  the path comes first

URL = "http://10.77.0.2"


@pytest.fixture
def site(network, boot):
    """A guest that serves /www from boot on, with a few files in it."""
    guest = boot(prefix=network.prefix, cpus=2, append=network.static("httpd=80,/www"),
                 devices=network.nic(offload=True))
    for line in ("mkdir /www", "mkdir /www/folder", "mkdir /www/indexed", "write /www/motd 0123456789",
                 "write '/www/folder/a b&<c>.txt' odd", "write /www/indexed/index.html '<h1>index</h1>'",
                 "write /secret nobody"):
        assert guest.status(line)[1], line
    return guest


def curl(network, *words):
    return network.run("curl", "-s", "--max-time", "120", *words)


def connect(network, port=80):
    sock = network.tcp()
    sock.connect((network.guest, port))
    return sock


def read_response(sock, method="GET"):
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    return response, response.read()


def ask(network, data, method="GET"):
    """Send bytes on a connection of their own; the first response."""
    with connect(network) as sock:
        sock.sendall(data if isinstance(data, bytes) else data.encode())
        return read_response(sock, method)


def get(network, path, *fields, method="GET"):
    head = "".join(f"{field}\r\n" for field in ("Host: nos", *fields))
    return ask(network, f"{method} {path} HTTP/1.1\r\n{head}\r\n", method)


def test_files(network, site):
    output = curl(network, "-i", f"{URL}/motd")
    assert output.startswith("HTTP/1.1 200 OK") and output.endswith("\n0123456789\n")
    assert "Content-Type: text/plain; charset=utf-8" in output and "Content-Length: 11" in output
    response, data = get(network, "/motd")
    modified, etag = response.headers["Last-Modified"], response.headers["ETag"]
    date = response.headers["Date"]
    assert email.utils.parsedate_to_datetime(modified) <= email.utils.parsedate_to_datetime(date)
    # HEAD is GET without the body.
    head, nothing = get(network, "/motd", method="HEAD")
    assert nothing == b"" and head.status == 200
    assert {k: v for k, v in head.getheaders() if k != "Date"} == {
        k: v for k, v in response.getheaders() if k != "Date"}
    for field, status in ((f"If-Modified-Since: {modified}", 304), (f"If-None-Match: {etag}", 304),
                          ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 200),
                          ("If-None-Match: \"other\"", 200), ("If-Match: \"other\"", 412),
                          ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 412)):
        assert get(network, "/motd", field)[0].status == status, field
    for requested, status, part, where in (
            ("0-3", 206, b"0123", "0-3/11"), ("4-", 206, b"456789\n", "4-10/11"), ("-2", 206, b"9\n", "9-10/11"),
            ("5-500", 206, b"56789\n", "5-10/11"), ("11-", 416, b"", "*/11"), ("2-1", 200, data, None),
            ("0-1,3-4", 200, data, None)):
        response, got = get(network, "/motd", f"Range: bytes={requested}")
        wanted = f"bytes {where}" if where else None
        assert (response.status, got, response.headers["Content-Range"]) == (status, part, wanted), requested
    assert get(network, "/motd", "Range: bytes=0-3", f"If-Range: {etag}")[0].status == 206
    assert get(network, "/motd", "Range: bytes=0-3", 'If-Range: "old"')[0].status == 200


def test_directories(network, site):
    response, _ = get(network, "/folder?x=y")
    assert response.status == 301 and response.headers["Location"] == "folder/?x=y"
    page = curl(network, "-L", f"{URL}/folder")
    assert 'href="./a%20b%26%3Cc%3E.txt">a b&amp;&lt;c&gt;.txt</a>' in page and "<c>" not in page
    assert curl(network, f"{URL}/folder/a%20b%26%3Cc%3E.txt") == "odd\n"
    response, data = get(network, "/indexed/")
    assert data == b"<h1>index</h1>\n" and response.headers["Content-Type"] == "text/html; charset=utf-8"
    names = [name for name in re.findall(r'href="\./([^"]*)"', curl(network, f"{URL}/"))]
    assert names == ["folder/", "indexed/", "motd"]
    assert get(network, "/motd/")[0].status == 404
    response, data = get(network, "/nothing")
    assert response.status == 404 and b"404 Not Found" in data
    assert get(network, "/folder/", method="HEAD")[1] == b""


def test_no_way_out(network, site):
    """Whatever a path says, it is below the root, or it is refused."""
    for path in ("/../secret", "/folder/../../secret", "/%2e%2e/secret", "/folder/%2e%2e/%2e%2e/secret",
                 "/..%2fsecret", "/folder/..%2f..%2fsecret", "/motd%00", "/%", "/%zz", "/motd%0a"):
        assert get(network, path)[0].status == 400, path
    for path in ("/%252e%252e/secret", "/..;/secret", "/....//secret", "/%c0%ae%c0%ae/secret", "/\\..\\secret",
                 "//secret", "/www/motd", "/secret"):
        assert get(network, path)[0].status == 404, path
    assert get(network, "/folder/.././/motd")[1] == b"0123456789\n"
    assert get(network, f"{URL}/motd")[1] == b"0123456789\n"


def test_refused_requests(network, site):
    host = "Host: nos\r\n"
    for request, status in (
            (f"POST /motd HTTP/1.1\r\n{host}Content-Length: 3\r\n\r\nabc", 405),
            (f"DELETE /motd HTTP/1.1\r\n{host}\r\n", 405), (f"BREW / HTTP/1.1\r\n{host}\r\n", 501),
            (f"GET / HTTP/2.0\r\n{host}\r\n", 505), ("GET / HTTP/1.1\r\n\r\n", 400),
            (f"GET / HTTP/1.1\r\n{host}{host}\r\n", 400), ("nonsense\r\n\r\n", 400),
            (f"GET /{'a' * 9000} HTTP/1.1\r\n{host}\r\n", 414),
            (f"GET / HTTP/1.1\r\n{host}X: {'a' * 17000}\r\n\r\n", 431),
            (f"GET / HTTP/1.1\r\n{host}" + "A: b\r\n" * 200 + "\r\n", 431),
            (f"GET / HTTP/1.1\r\n{host}Content-Length: 100000\r\n\r\n", 413),
            (f"GET / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
            (f"GET / HTTP/1.1\r\n{host}Expect: wonders\r\n\r\n", 417)):
        response, _ = ask(network, request)
        assert response.status == status and response.headers["Connection"] == "close", (request[:60], response.status)
    assert get(network, f"/{'a' * 5000}")[0].status == 404
    response, _ = ask(network, f"PUT /new HTTP/1.1\r\n{host}Content-Length: 200000\r\n\r\n" + "x" * 200000)
    assert response.status == 405 and response.headers["Allow"] == "GET, HEAD"
    assert "new" not in site.run("ls /www")


def test_one_connection_many_requests(network, site):
    """Keep-alive, pipelining, HTTP/1.0, and bodies that nobody wants."""
    request = b"GET /motd HTTP/1.1\r\nHost: nos\r\n\r\n"
    with connect(network) as sock:
        for _ in range(20):
            sock.sendall(request)
            assert read_response(sock)[1] == b"0123456789\n"
        # Fifty at once, among them bodies, in pieces that end anywhere.
        unwanted = b"GET /folder/ HTTP/1.1\r\nHost: nos\r\nContent-Length: 30\r\n\r\n" + b"GET /secret HTTP/1.1\r\n\r\n".ljust(30)
        everything = (request + unwanted) * 25
        for at in range(0, len(everything), 37):
            sock.sendall(everything[at:at + 37])
        file = sock.makefile("rb")
        for number in range(50):
            assert file.readline() == b"HTTP/1.1 200 OK\r\n", number
            length = 0
            while (line := file.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            assert (file.read(length) == b"0123456789\n") == (number % 2 == 0)
        sock.sendall(b"GET /motd HTTP/1.1\r\nHost: nos\r\nConnection: close\r\n\r\n")
        assert file.read().endswith(b"\r\n\r\n0123456789\n")  # and the end
    with connect(network) as sock:
        sock.sendall(b"GET /motd HTTP/1.0\r\n\r\n")
        assert b"Connection: close\r\n" in sock.makefile("rb").read()
    assert "Re-using existing connection" in network.run(
        "curl", "-sv", f"{URL}/motd", f"{URL}/folder/", "--next", "-s", f"{URL}/motd")


def test_large_file(network, site):
    """Bit-exact, whole and in ranges, and to fifty at once."""
    root = network.nginx()
    data, digest = body(24 << 20)
    (root / "large").write_bytes(data)
    assert site.status("wget http://10.77.0.1/large -O /www/large", 120)[1]
    file = network.folder / "got"
    curl(network, "-o", file, f"{URL}/large")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
    curl(network, "-o", file, "-r", f"{5 << 20}-{(7 << 20) + 12}", f"{URL}/large")
    assert file.read_bytes() == data[5 << 20:(7 << 20) + 13]
    # A download that broke off goes on.
    file.write_bytes(data[:9999999])
    curl(network, "-C", "-", "-o", file, f"{URL}/large")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest

    def fetch(number):
        first = number * 400000
        response, part = get(network, "/large", f"Range: bytes={first}-{first + 299999}")
        return response.status == 206 and part == data[first:first + 300000]

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        assert all(pool.map(fetch, range(50)))


def test_slow_and_silent_clients(network, site):
    """They are waited for, but not for ever; and they do not stop the others."""
    begun = time.monotonic()
    loris = [connect(network) for _ in range(10)]
    silent = connect(network)
    kept = connect(network)
    kept.sendall(b"GET /motd HTTP/1.1\r\nHost: nos\r\n\r\n")
    read_response(kept)
    for sock in loris:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: nos\r\n")
    for number in range(4):  # a field now and then buys no time
        time.sleep(0.5)
        for sock in loris:
            sock.sendall(b"X-%d: a\r\n" % number)
        assert get(network, "/motd")[1] == b"0123456789\n"
    for sock in loris:
        response, _ = read_response(sock)
        assert response.status == 408
        assert sock.recv(10) == b""
        sock.close()
    assert time.monotonic() - begun > 8
    for sock in (silent, kept):  # nobody has asked for anything: no answer either
        assert sock.recv(1000) == b""
        sock.close()
    assert time.monotonic() - begun > 13
    with connect(network) as sock:  # half a request, and no more to come
        sock.sendall(b"GET / HT")
        sock.shutdown(socket.SHUT_WR)
        assert read_response(sock)[0].status == 400


def test_too_many_connections(network, site):
    """128 are served; then one is told to come again; when others go, there is room."""
    crowd = []
    while True:
        crowd.append(connect(network))
        crowd[-1].sendall(b"GET /motd HTTP/1.1\r\nHost: nos\r\n\r\n")
        response, _ = read_response(crowd[-1])
        if response.status != 200:
            break
        assert len(crowd) < 1000
    # More, if this took so long that the first ones were given up.
    assert response.status == 503 and response.headers["Retry-After"] and len(crowd) >= 129
    for sock in crowd:
        sock.close()
    end = time.monotonic() + 60 * PATIENCE
    while get(network, "/motd")[0].status != 200:
        assert time.monotonic() < end
    refused = re.search(r"nos_httpd_connections_refused_total (\d+)", site.run("metrics"))
    assert int(refused[1]) >= 1


# ---- what the kernel says about itself ----

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? '
                    r'(\d+(?:\.\d+)?)')


def parse_metrics(text):
    """Prometheus' text, strictly: {name: {labels: value}}."""
    assert text.endswith("\n")
    metrics, kinds, name = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, words = line[7:].split(" ", 1)
            assert name not in metrics and words.endswith("."), line
            metrics[name] = {}
        elif line.startswith("# TYPE "):
            assert line[7:].split(" ")[0] == name and name not in kinds, line
            kinds[name] = line.split(" ")[3]
            assert (kinds[name] == "counter") == name.endswith("_total"), line
        else:
            match = SAMPLE.fullmatch(line)
            assert match and match[1] == name and kinds[name], line
            assert match[2] not in metrics[name], f"twice: {line}"
            metrics[name][match[2]] = float(match[3])
    assert set(metrics) == set(kinds) and list(metrics) == sorted(metrics)
    return metrics


def fetch_metrics(network):
    response, data = get(network, "/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return parse_metrics(data.decode())


def test_metrics(network, boot):
    disk = network.folder / "disk"
    disk.write_bytes(bytes(8 << 20))
    guest = boot(prefix=network.prefix, cpus=2, append=network.static("httpd=80"), devices=[
        *network.nic(), "-drive", f"if=none,id=d,format=raw,file={disk}", "-device", "virtio-blk-pci,drive=d"])
    before = fetch_metrics(network)
    guest.run("diskread vda 0")
    assert get(network, "/nothing")[0].status == 404
    after = fetch_metrics(network)

    def grew(name, labels=None):
        return after[name][labels] - before[name][labels]

    end = time.monotonic() + 60 * PATIENCE
    while grew("nos_httpd_requests_total", 'code="4xx"') < 1:  # counted when it is over, by another task
        assert time.monotonic() < end
        after = fetch_metrics(network)

    assert grew("nos_disk_read_bytes_total", 'device="vda"') >= 512
    assert after["nos_disk_size_bytes"]['device="vda"'] == 8 << 20
    assert grew("nos_httpd_requests_total", 'code="4xx"') == 1
    assert get(network, "/metrics", method="HEAD")[0].status == 200
    assert grew("nos_network_receive_bytes_total", 'device="eth0"') > 100
    assert grew("nos_tcp_transmit_bytes_total") > 5000 and grew("nos_uptime_seconds") > 0
    assert after["nos_memory_bytes"][None] > 200 << 20
    assert abs(after["nos_time_seconds"][None] - time.time()) < 60
    assert 'version="nos ' in next(iter(after["nos_info"]))
    for cpu in range(2):
        spent = sum(after["nos_cpu_seconds_total"][f'cpu="{cpu}",mode="{mode}"'] for mode in ("idle", "busy"))
        assert 0 < spent <= after["nos_uptime_seconds"][None] + 1
    for name in after:
        if name.endswith("_total"):
            assert all(grew(name, labels) >= 0 for labels in before[name]), name
    printed = guest.run("metrics")  # the same, at the prompt
    assert list(parse_metrics(printed)) == list(after)
    if shutil.which("promtool"):
        subprocess.run(["promtool", "check", "metrics"], input=printed, text=True, check=True)


def test_live_page(network, boot):
    guest = boot(prefix=network.prefix, cpus=2, append=network.static("httpd=80"), devices=network.nic())
    response, page = get(network, "/")
    page = page.decode()
    assert response.status == 200 and response.headers["Content-Type"] == "text/html; charset=utf-8"
    # Whole without a script, and nothing from elsewhere.
    assert "httpd-client" in page and "10.77.0.2/24" in page and "listening on port 80" in page
    assert not re.search(r"(?:src|href)=\"?(?:https?:)?//|@import|url\(", page)
    assert "prefers-color-scheme" in page and "width=device-width" in page
    first = json.loads(get(network, "/.nos/status.json")[1])
    second = json.loads(get(network, "/.nos/status.json")[1])
    assert first["cpus"] == 2 and second["uptime_ns"] > first["uptime_ns"]
    assert second["rx_bytes"] > first["rx_bytes"] and first["free_bytes"] < first["memory_bytes"]
    for name, table in second["tables"].items():
        assert f'id="{name}"' in page
        assert all(len(row) == len(table["columns"]) for row in table["rows"])
    tasks = second["tables"]["tasks"]
    assert "httpd-client" in [row[1] for row in tasks["rows"]]
    assert any("listening on port 80" in line for line in second["log"])
    # The page is at its fixed place too; files are not served unless asked for.
    assert get(network, "/.nos")[0].headers["Location"] == ".nos/"
    assert get(network, "/.nos/")[0].status == 200
    guest.run("write /motd x")
    assert get(network, "/motd")[0].status == 404

    assert get(network, "/.nos/status.json", method="HEAD")[1] == b""


@pytest.mark.full
def test_live_page_in_a_browser(network, boot):
    """Its script runs: the page says that it is live, and draws lines; on a screen and on a phone."""
    if not shutil.which("chromium"):
        pytest.skip("chromium is not installed")
    boot(prefix=network.prefix, cpus=2, append=network.static("httpd=80"), devices=network.nic())

    def browse(*options):
        return network.run("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                           f"--user-data-dir={network.folder}/chromium", "--virtual-time-budget=6000", *options, URL)

    page = browse("--dump-dom")
    assert re.search(r'id="state">live<', page) and len(re.findall(r'<path d="M[\d., L]+"', page)) >= 6
    assert re.search(r'<td class="n">[\d.]+ \w+ <span class="dim">[\d.]+ \w+/s</span>', page)
    for width, height in ((1280, 1200), (420, 900)):
        picture = network.folder / f"{width}.png"
        browse(f"--window-size={width},{height}", f"--screenshot={picture}")
        colours = Image.open(picture).convert("RGB").getcolors(1 << 24)
        assert len(colours) > 50 and max(count for count, _ in colours) < 0.9 * width * height


def test_command(network, boot):
    guest = boot(prefix=network.prefix, append=network.static("udpshell=9000"), devices=network.nic())
    for line, complaint in (("httpd", "usage"), ("httpd x", "port"), ("httpd 0", "port"), ("httpd 70000", "port"),
                            ("httpd 80 /nowhere", "/nowhere"), ("httpd 80 / x", "usage")):
        output, succeeded = guest.status(line)
        assert not succeeded and complaint in output, (line, output)
    guest.run("mkdir /www")
    guest.run("write /www/file here")
    for _ in range(2):  # the port is free again at once
        guest.type("httpd 8080 www\r")
        guest.expect("serving /www, .* on port 8080; Ctrl-C ends")
        with connect(network, 8080) as idle:
            assert curl(network, f"{URL}:8080/file") == "here\n"
            guest.type("\x03")
            assert "1 requests served" in guest.wait_prompt()
            assert idle.recv(10) == b""
    with network.tcp() as sock:
        assert sock.connect_ex((network.guest, 8080)) != 0
    # Through the UDP shell, where nobody can press Ctrl-C, it stays.
    with network.inside():
        shell = udpsh.UdpShell(network.guest, 9000, 60)
    assert b"on port 8081; until the machine stops" in shell.run("httpd 8081 /www")
    assert curl(network, f"{URL}:8081/file") == "here\n"
    assert b"address in use" in shell.run("httpd 8081")
    guest.run("metrics > /www/m")
    assert "nos_uptime_seconds" in guest.run("cat /www/m")
