"""Networks for the system tests, each in a namespace of its own: nothing leaves it.

    def test_something(network, boot):
        guest = boot(prefix=network.prefix, devices=network.nic(), append=network.static())
        network.run("ping", "-c", "1", network.guest)

A Network has a tap whose host side is 10.77.0.1/24; servers started by network.start() live in the
namespace and end with it.
"""
import contextlib
import ctypes
import hashlib
import itertools
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import time

from nos.guest import PATIENCE

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)

# Locally administered; the last byte is the number of the NIC.
MAC_PREFIX = "52:54:00:4e:6f:"


def why_not():
    """Why there can be no network here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "ethtool", "tshark", "dnsmasq", "nginx"):
        if not shutil.which(tool, path=tool_path()):
            return f"{tool} is not installed"
    return None


def tool_path():
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def tool(*command, **options):
    """Run a tool to its end; its output. A failure is an error with that output."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "PATH": tool_path()}, check=False, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}"
    return done.stdout


class Network:
    host = "10.77.0.1"
    guest = "10.77.0.2"
    length = 24

    def __init__(self, folder, taps=1, mtu=1500):
        self.folder = pathlib.Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = f"nos-{secrets.token_hex(8)}"  # a number could be that of a run that was killed
        self.prefix = ["ip", "netns", "exec", self.name]
        self._processes = []
        self._nics = itertools.count()
        tool("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")
        for number in range(taps):
            self.add_tap(number, mtu)

    # ---- the host side ----

    def add_tap(self, number, mtu=1500):
        tap = f"tap{number}"
        self.run("ip", "tuntap", "add", tap, "mode", "tap")
        self.run("ethtool", "-K", tap, "tx", "off")
        self.run("sysctl", "-qw", f"net.ipv6.conf.{tap}.disable_ipv6=1")
        self.run("ip", "link", "set", tap, "mtu", mtu, "txqueuelen", 10000, "up")
        self.run("ip", "addr", "add", f"10.77.{number}.1/24", "dev", tap)

    def run(self, *command, **options):
        """Run a tool in the namespace to its end; its output."""
        return tool(*self.prefix, *command, **options)

    def start(self, *command, log=None, **options):
        """Start a server in the namespace; it ends with the network."""
        log = log or f"{pathlib.Path(str(command[0])).name}.log"
        with open(self.folder / log, "ab") as output:
            process = subprocess.Popen(
                [*self.prefix, *map(str, command)], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env={**os.environ, "PATH": tool_path()},
                preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), **options)
        self._processes.append(process)
        return process

    @staticmethod
    def stop(process):
        if process.poll() is None:
            process.terminate()
        process.wait(10)

    @contextlib.contextmanager
    def inside(self):
        """Sockets made by this thread belong to the namespace."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            assert libc.setns(there, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            yield
        finally:
            libc.setns(home, CLONE_NEWNET)
            os.close(home)
            os.close(there)

    def udp(self, port=0, address=None):
        """A UDP socket on the host side."""
        with self.inside():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address or self.host, port))
        sock.settimeout(10 * PATIENCE)
        return sock

    def tcp(self):
        with self.inside():
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.settimeout(30 * PATIENCE)
        return sock

    def connect(self, port, seconds=60 * PATIENCE):
        """To a port of the guest, as soon as somebody listens there: nc does not say when it does."""
        end = time.monotonic() + seconds
        while True:
            sock = self.tcp()
            try:
                sock.connect((self.guest, port))
                return sock
            except ConnectionRefusedError:
                sock.close()
                assert time.monotonic() < end, f"nobody listens on port {port} of the guest"
                time.sleep(0.05)

    def listen(self, port, backlog=16):
        sock = self.tcp()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.host, port))
        sock.listen(backlog)
        return sock

    # ---- the guest's side ----

    def nic(self, tap=0, transport="pci", offload=False, netdev="", queues=1, **properties):
        """QEMU options of a virtio NIC on a tap. Properties are the device's: mrg_rxbuf="off"."""
        number = next(self._nics)
        multi = f",queues={queues}" if queues > 1 else ""
        options = ["-netdev", f"tap,id=net{number},ifname=tap{tap},script=no,downscript=no{multi}{netdev}"]
        return [*options, *self.device(number, transport, offload, queues=queues, **properties)]

    def device(self, number, transport="pci", offload=False, queues=1, **properties):
        properties = {"mac": f"{MAC_PREFIX}{number:02x}", **properties}
        if transport == "pci":
            properties.setdefault("romfile", "")
        if queues > 1:
            properties.update(mq="on", vectors=2 * queues + 2)
        if not offload:
            properties = {"csum": "off", "guest_csum": "off", **properties}
        words = "".join(f",{key}={value}" for key, value in properties.items())
        return ["-device", f"virtio-net-{transport},netdev=net{number}{words}"]

    def static(self, *more):
        """Kernel parameters: a fixed address, this host as gateway and name server."""
        return " ".join([f"ip={self.guest}/{self.length},{self.host},{self.host}", "dns=on", *more])

    # ---- servers ----

    def dnsmasq(self, *options, tap=0):
        """DHCP and DNS on the tap; leases last two minutes unless the options say otherwise. Its log begins anew."""
        (self.folder / "dnsmasq.log").unlink(missing_ok=True)
        leases = self.folder / "leases"
        process = self.start(
            "dnsmasq", "-d", "-C", "/dev/null", "-i", f"tap{tap}", "--bind-interfaces", "--no-ping", "--no-hosts",
            "--no-resolv", f"--dhcp-leasefile={leases}", "--user=root", f"--pid-file={self.folder}/dnsmasq.pid",
            "--address=/web.test/10.77.0.1", "--log-dhcp", "--log-queries", *options)
        self.wait_log("dnsmasq.log", "started, version")
        return process

    def nginx(self, extra=""):
        """A web server for the folder www; returns that folder."""
        root = self.folder / "www"
        root.mkdir(exist_ok=True)
        (self.folder / "nginx.conf").write_text(NGINX.format(folder=self.folder, extra=extra))
        self.start("nginx", "-p", self.folder, "-c", self.folder / "nginx.conf", "-e", self.folder / "nginx.log")
        self.wait_listening(80)
        return root

    def wait_log(self, name, text, seconds=20 * PATIENCE):
        """Wait until a server's log says something; return the log."""
        end = time.monotonic() + seconds
        while True:
            log = (self.folder / name).read_text(errors="replace")
            if text in log:
                return log
            assert time.monotonic() < end, f"{name} does not say {text!r}:\n{log}"
            time.sleep(0.05)  # a file tells nobody of its growth

    def wait_listening(self, port, seconds=20 * PATIENCE):
        end = time.monotonic() + seconds
        while True:
            with self.tcp() as sock:
                if sock.connect_ex((self.host, port)) == 0:
                    return
            assert time.monotonic() < end, f"nobody listens on port {port}"
            time.sleep(0.05)

    # ---- the end ----

    def close(self):
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        tool("ip", "netns", "del", self.name)


def body(size, seed=0):
    """Bytes that look random, the same each time, and their SHA-256 as text."""
    block = hashlib.sha256(b"%d" % seed).digest() * 32
    blocks = (hashlib.sha256(b"%d %d" % (seed, i)).digest() + block[32:] for i in range(size // len(block) + 1))
    data = b"".join(blocks)[:size]
    return data, hashlib.sha256(data).hexdigest()


NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log info;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    default_type text/plain; sendfile on; keepalive_timeout 5;
    server {{
        listen 10.77.0.1:80; root {folder}/www; autoindex off;
        location /absolute {{ return 301 http://10.77.0.1/$arg_to; }}
        location /relative/ {{ return 302 $arg_to; }}
        location /seeother {{ return 303 /$arg_to; }}
        location /temporary {{ return 307 /$arg_to; }}
        location /permanent {{ return 308 /$arg_to; }}
        location /loop {{ return 302 /loop; }}
        location /secure {{ return 301 https://10.77.0.1/; }}
        location /broken {{ return 500; }}
        location /slow/ {{ alias {folder}/www/; limit_rate 64k; }}
        location /chunked/ {{ alias {folder}/www/; ssi on; ssi_types *; }}
        {extra}
    }}
}}
"""
