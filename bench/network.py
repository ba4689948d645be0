"""The network of the net rows: a namespace with a tap for the guest, the peer, and nginx."""
import os
import shutil
import signal
import subprocess
import time

from machine import WORK, BenchError

HOST, GUEST = "10.88.0.1", "10.88.0.2"
NGINX = """daemon off; master_process off; pid nginx.pid; error_log error.log;
events {{ }}
http {{ access_log off; sendfile on; client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t;
uwsgi_temp_path t; scgi_temp_path t; server {{ listen {host}:80; root {root}; }} }}
"""
FILE_SIZE = 64 << 20


class Namespace:
    """with Namespace(peer, "Linux") as network: start QEMU with network.prefix before and network.devices
    after it. Several may be there at once, if they have different names."""
    devices = ("-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no",
               "-device", "virtio-net-pci,netdev=n")

    def __init__(self, peer, name):
        self.peer_program = peer
        self.name = f"nosbench-{os.getpid()}-{name}"
        self.prefix = ("ip", "netns", "exec", self.name)
        self.processes = []

    def __enter__(self):
        try:
            self.make_links()
            peer = self.start(str(self.peer_program), stdout=subprocess.PIPE)
            peer.stdout.readline()
            self.start_nginx()
        except (OSError, subprocess.CalledProcessError) as problem:
            self.__exit__()
            raise BenchError(f"network: {problem}") from None
        return self

    def make_links(self):
        def ip(*words):
            subprocess.run(["ip", *words], check=True, timeout=10)
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")
        ip("-n", self.name, "tuntap", "add", "tap0", "mode", "tap")
        ip("-n", self.name, "addr", "add", HOST + "/24", "dev", "tap0")
        ip("-n", self.name, "link", "set", "tap0", "up")

    def start(self, *command, **options):
        process = subprocess.Popen([*self.prefix, *command], start_new_session=True, **options)
        self.processes.append(process)
        return process

    def start_nginx(self):
        """Without an nginx the download row fails, and no other."""
        program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if not program:
            return
        root, folder = WORK / "nginx", WORK / "nginx" / self.name
        folder.mkdir(parents=True, exist_ok=True)
        file = root / "file"
        if not file.exists() or file.stat().st_size != FILE_SIZE:
            file.write_bytes(bytes(range(256)) * (FILE_SIZE // 256))
        (folder / "nginx.conf").write_text(NGINX.format(host=HOST, root=root))
        with open(folder / "log", "wb") as log:
            self.start(program, "-p", str(folder), "-c", str(folder / "nginx.conf"), stdout=log,
                       stderr=log)
        time.sleep(0.2)

    def __exit__(self, *_):
        for process in self.processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            if process.stdout:
                process.stdout.close()
        subprocess.run(["ip", "netns", "del", self.name], check=False, timeout=10)
        shutil.rmtree(WORK / "nginx" / self.name, ignore_errors=True)
