"""The two guests that ./nos bench compares: how each is made, booted and asked for its rows."""
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "bench"
ROW = re.compile(r"^(?:\[ *[0-9.]+\] )?(?:nos_bench: )?(?:bench: )?([a-z][a-z0-9_]*) ([0-9.]+) ([a-zA-Z/]+)\s*$")
MODULES = ("virtio_ring.ko virtio.ko virtio_pci_legacy_dev.ko virtio_pci_modern_dev.ko virtio_pci.ko "
           "virtio_blk.ko failover.ko net_failover.ko virtio_net.ko").split()


class BenchError(Exception):
    """Something that the person at the keyboard should read."""


def qemu_command(kernel, append, smp, cpu, disk, extra=()):
    """The same machine for both: what differs is the kernel and its command line."""
    accelerator = [] if "-accel" in extra else ["-accel", "tcg,thread=multi"]
    command = ["qemu-system-x86_64", *accelerator, "-M", "q35", "-m", "512",
               "-smp", str(smp), "-cpu", cpu, "-nodefaults", "-display", "none", "-no-reboot",
               "-serial", "stdio", "-kernel", str(kernel), "-append", append]
    if disk:
        command += ["-drive", f"if=virtio,format=raw,file={disk}"]
    return command + list(extra)


class Namespace:
    """A network of our own, with a tap for the guest and the peer of the TCP rows."""
    name = f"nosbench{os.getpid()}"
    prefix = ()  # what QEMU is started by, while there is one
    extra = ("-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no",
             "-device", "virtio-net-pci,netdev=n")

    def __init__(self, peer):
        self.peer_program = peer

    def __enter__(self):
        def ip(*words):
            subprocess.run(["ip", *words], check=True)
        ip("netns", "add", self.name)
        Namespace.prefix = ("ip", "netns", "exec", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")
        ip("-n", self.name, "tuntap", "add", "tap0", "mode", "tap")
        ip("-n", self.name, "addr", "add", "10.88.0.1/24", "dev", "tap0")
        ip("-n", self.name, "link", "set", "tap0", "up")
        self.peer = subprocess.Popen([*self.prefix, str(self.peer_program)],
                                     stdout=subprocess.PIPE, start_new_session=True)
        self.peer.stdout.readline()
        return self

    def __exit__(self, *_):
        os.killpg(self.peer.pid, signal.SIGKILL)
        self.peer.wait()
        Namespace.prefix = ()
        subprocess.run(["ip", "netns", "del", self.name], check=False)


class Run:
    """One boot: its output with the time of each line, read until the guest ends."""

    def __init__(self, command, deadline=300):
        command = list(Namespace.prefix) + command
        self.started = time.monotonic()
        self.deadline = self.started + deadline
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.text = ""

    def read_until(self, wanted):
        """Seconds from the start of QEMU until @wanted appeared after what was read before."""
        begin = len(self.text)
        return self.read_while(lambda: wanted not in self.text[begin:], wanted)

    def read_prompt(self):
        """The same, until a new prompt is the last thing on the screen."""
        begin = len(self.text)
        return self.read_while(lambda: len(self.text) < begin + 2 or
                               not self.text.endswith("$ "), "$ ")

    def read_while(self, is_missing, wanted):
        while is_missing():
            left = self.deadline - time.monotonic()
            ready, _, _ = select.select([self.process.stdout], [], [], max(left, 0))
            if not ready:
                self.stop()
                raise BenchError(f"no {wanted!r} within the time allowed; last lines:\n" +
                                 self.text[-800:])
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise BenchError(f"the guest ended before {wanted!r}; last lines:\n" +
                                 self.text[-800:])
            self.text = (self.text + data.decode("latin1")).replace("\r\n", "\n")
        return time.monotonic() - self.started

    def type(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.kill()
        self.process.wait()

    def finish(self):
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.stop()

    def rows(self):
        """{name: (value, unit)} of every line that looks like a result."""
        found = {}
        for line in self.text.splitlines():
            match = ROW.match(line.split("\r")[-1])
            if match:
                found[match[1]] = (float(match[2]), match[3])
        return found


class Nos:
    """nos, by PVH, driven at its prompt."""
    name = "nos"
    kernel = ROOT / "build" / "nos.elf"

    def prepare(self):
        subprocess.run(["make", "-s", "-C", str(ROOT)], check=True)

    def run(self, commands, smp=1, cpu="qemu64", disk=None, extra=(), append=""):
        run = Run(qemu_command(self.kernel, append, smp, cpu, disk, extra))
        prompt = run.read_prompt()
        for command in ["memusage", *commands]:
            run.type(command)
            run.read_prompt()
        memory = re.search(r"^used +\d+ +(\d+)", run.text.replace("\r", ""), re.M)
        run.type("poweroff")
        run.finish()
        rows = run.rows()
        rows["boot_to_prompt"] = (prompt * 1000, "ms")
        if memory:
            rows["memory_at_prompt"] = (float(memory[1]), "KiB")
        return rows, run.text

    commands = {
        "kernel": ["bench switch", "bench create", "bench lock", "bench sleep", "bench heap",
                   "bench bytes"],
        "disk": ["bench disk vda", "bench disk vda write"],
        "files": ["format nanofs vda", "mkdir /mnt", "mount nanofs vda /mnt",
                  "bench files /mnt {count}", "umount /mnt"],
        "synced": ["format nanofs vda", "mkdir /mnt", "mount nanofs vda /mnt",
                   "bench files /mnt {few} sync", "umount /mnt"],
        "ramfiles": ["bench files / {count}"],
        "boot": [],
        "net": ["bench tcp 10.88.0.1"],
    }
    network = "ip=10.88.0.2/24,10.88.0.1"


class Linux:
    """Debian's cloud kernel with busybox in an initial file system of our own."""
    name = "Linux"
    commands = {
        "kernel": "insmod /modules/nos_bench.ko; dmesg | grep bench:",
        "disk": "rows disk /dev/vda; rows disk /dev/vda write",
        "files": "mkfs.ext4 /dev/vda >/dev/null 2>&1; mount -t ext4 /dev/vda /mnt; "
                 "rows files /mnt {count}; umount /mnt",
        "synced": "mount -t ext4 /dev/vda /mnt; rows files /mnt {few} sync; umount /mnt",
        "ramfiles": "rows files /tmp {count}",
        "boot": "",
        "net": "ifconfig eth0 10.88.0.2 netmask 255.255.255.0 up; sleep 1; rows tcp 10.88.0.1",
    }
    network = ""

    def __init__(self):
        self.folder = WORK / "linux"

    def prepare(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        release = self.unpack()
        build = self.folder / "module"
        shutil.rmtree(build, ignore_errors=True)
        shutil.copytree(ROOT / "bench" / "linux", build)
        headers = pathlib.Path("/usr/src") / f"linux-headers-{release}"
        if not headers.exists():
            raise BenchError(f"{headers} is missing: apt-get install linux-headers-{release}")
        subprocess.run(["make", "-s", "-C", str(build), f"KDIR={headers}"], check=True,
                       stdout=subprocess.DEVNULL)
        self.kernel = self.folder / "root" / "boot" / f"vmlinuz-{release}"
        self.make_initrd(release, build)

    def unpack(self):
        """Download the packages and unpack them here, without installing a kernel."""
        root = self.folder / "root"
        depends = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], check=True,
                                 capture_output=True, text=True).stdout
        package = re.search(r"Depends: (linux-image-\S+)", depends)
        if not package:
            raise BenchError("apt knows no linux-image-cloud-amd64: run apt-get update")
        release = package[1].removeprefix("linux-image-")
        if not (root / "boot" / f"vmlinuz-{release}").exists():
            root.mkdir(exist_ok=True)
            subprocess.run(["apt-get", "download", "-q", package[1], "busybox-static"],
                           check=True, cwd=self.folder, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            for deb in self.folder.glob("*.deb"):
                subprocess.run(["dpkg", "-x", str(deb), str(root)], check=True)
        return release

    def make_initrd(self, release, build):
        tree = self.folder / "initrd"
        shutil.rmtree(tree, ignore_errors=True)
        for folder in ("bin", "modules"):
            (tree / folder).mkdir(parents=True)
        shutil.copy(self.folder / "root" / "bin" / "busybox", tree / "bin")
        shutil.copy(build / "rows", tree / "bin")
        (tree / "init").write_bytes((build / "init").read_bytes())
        (tree / "init").chmod(0o755)
        available = {path.name: path for path in
                     (self.folder / "root" / "lib" / "modules" / release).rglob("*.ko")}
        order = [name for name in MODULES if name in available]
        for name in order:
            shutil.copy(available[name], tree / "modules")
        shutil.copy(build / "nos_bench.ko", tree / "modules")
        (tree / "modules" / "order").write_text("\n".join(order) + "\n")
        # mkfs.ext4 with what it needs, from this machine
        self.copy_program(tree, "mke2fs", "mkfs.ext4")
        self.initrd = self.folder / "initrd.img"
        names = "\n".join(str(p.relative_to(tree)) for p in sorted(tree.rglob("*")))
        with open(self.initrd, "wb") as image:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=names.encode(),
                           stdout=image, check=True)

    @staticmethod
    def copy_program(tree, program, name):
        """A program of this machine with the shared libraries that it loads."""
        path = shutil.which(program, path=os.environ["PATH"] + ":/sbin:/usr/sbin")
        if not path:
            raise BenchError(f"{program} is missing: apt-get install e2fsprogs")
        libraries = subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout
        shutil.copy(path, tree / "bin" / name)
        for library in re.findall(r"(/\S+)", libraries):
            target = tree / library.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)

    def run(self, command, smp=1, cpu="qemu64", disk=None, extra=(), append=""):
        words = f"console=ttyS0 quiet panic=-1 no_timer_check {append} bench=\"{command}\""
        run = Run(qemu_command(self.kernel, words, smp, cpu, disk,
                               ["-initrd", str(self.initrd), *extra]))
        prompt = run.read_until("ready\n")
        run.read_until("finished\n")
        run.finish()
        rows = run.rows()
        rows["boot_to_prompt"] = (prompt * 1000, "ms")
        memory = dict(re.findall(r"^(MemTotal|MemFree): (\d+)", run.text, re.M))
        rows["memory_at_prompt"] = (float(memory["MemTotal"]) - float(memory["MemFree"]), "KiB")
        return rows, run.text
