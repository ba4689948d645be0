"""The two guests that ./nos bench compares: how each is made, booted and asked for its rows."""
import contextlib
import pathlib
import re
import shutil
import subprocess

from counting import LinuxSymbols, Symbols
from machine import ROOT, WORK, BenchError, Run, qemu_command
from network import GUEST, HOST

MODULES = ("virtio_ring.ko virtio.ko virtio_pci_legacy_dev.ko virtio_pci_modern_dev.ko virtio_pci.ko "
           "virtio_blk.ko failover.ko net_failover.ko virtio_net.ko").split()
SYMBOLS_SIZE = 16 << 20
URL = f"http://{HOST}/file"


class Guest:
    """One boot runs the commands of a group. {name: (value, unit)} of what it said, and its output."""

    def boot(self, group, machine, deadline, words="", numbers=None):
        with Run([*machine.pop("prefix", ()), *self.command(group, words, numbers, **machine)],
                 deadline) as run:
            problem = ""
            try:
                extra = self.converse(run, group, numbers)
            except BenchError as error:
                problem, extra = str(error), {}
        return {**run.rows(), **extra}, run.text, problem

    def telling_symbols(self, folder):
        """While it lasts, each boot leaves in @folder what symbols() needs; nothing, for most."""
        return contextlib.nullcontext()

    def boots_with(self, megabytes, deadline):
        """Does it reach its prompt with so little memory?"""
        with Run(self.command("memory", "", None, smp=1, cpu="qemu64", memory=megabytes),
                 deadline) as run:
            try:
                self.read_first_prompt(run)
            except BenchError:
                return False
        return True


class Nos(Guest):
    """nos, by PVH, driven at its prompt."""
    name = "nos"
    kernel = ROOT / "build" / "nos.elf"
    memory_range = (2, 64)
    file_system = ("format nanofs {disk}", "mkdir /mnt", "mount nanofs {disk} /mnt")
    commands = {
        "boot": [],
        "smp4": ["bench {q}contend"],
        "kernel": ["bench {q}switch", "bench {q}create", "bench {q}lock", "bench {q}sleep",
                   "bench {q}heap", "bench {q}bytes", "echo prefix ram_", "bench files / {files}",
                   "bench files / {files} sync", "echo prefix"],
        "storage": ["bench {q}disk vda", "bench {q}disk vda write",
                    *(line.replace("{disk}", "vdb") for line in file_system),
                    "bench files /mnt {files}", "bench files /mnt {synced} sync", "umount /mnt"],
        "net": [f"bench {{q}}tcp {HOST}", f"bench {{q}}requests {HOST}", f"bench {{q}}udp {HOST}",
                f"bench {{q}}ping {HOST}", *(line.replace("{disk}", "vda") for line in file_system),
                f"bench wget {URL} /mnt/file", "umount /mnt"],
        "growth": ["bench {q}growth_tasks", "bench {q}growth_timers", "bench {q}growth_connections",
                   "echo prefix ram_", "bench {q}growth_files /"],
        "directories": [*(line.replace("{disk}", "vda") for line in file_system),
                        "bench {q}growth_files /mnt", "umount /mnt"],
        "cpus": ["bench {q}growth_cpus"],
    }
    quick = "-q "

    def prepare(self):
        subprocess.run(["make", "-s", "-C", str(ROOT)], check=True)

    def command(self, group, words, numbers, **machine):
        append = f"ip={GUEST}/24,{HOST}" if group == "net" else ""
        return qemu_command(self.kernel, append, **machine)

    def symbols(self, _folder):
        return Symbols.of_program(self.kernel)

    def read_first_prompt(self, run):
        return run.read_prompt()

    def converse(self, run, group, numbers):
        rows = {"boot": (run.read_prompt() * 1000, "ms")}
        run.type("memusage")
        run.read_prompt()
        memory = re.search(r"^used +\d+ +(\d+)", run.text.replace("\r", ""), re.M)
        if memory:
            rows["memory"] = (float(memory[1]), "KiB")
        for line in self.commands[group]:
            run.type(line.format(**numbers))
            run.read_prompt()
        run.type("poweroff")
        run.wait_end()
        return rows


class Linux(Guest):
    """Debian's cloud kernel with busybox in an initial file system of our own."""
    name = "Linux"
    memory_range = (16, 192)
    module = "insmod /modules/nos_bench.ko {q}rows={rows}; dmesg -c | grep bench:; rmmod nos_bench"
    commands = {
        "boot": "",
        "smp4": module.replace("{rows}", "contend"),
        "kernel": module.replace("{rows}", "switch,create,lock,sleep,heap,bytes") +
                  "; echo prefix ram_; rows files /tmp {files}; rows files /tmp {files} sync; echo prefix",
        "storage": "R {r}disk /dev/vda; R {r}disk /dev/vda write; mount -t ext4 /dev/vdb /mnt; "
                   "R files /mnt {files}; R files /mnt {synced} sync; umount /mnt",
        "net": f"ifconfig eth0 {GUEST} netmask 255.255.255.0 up; sleep 1; R {{r}}tcp {HOST}; "
               f"R {{r}}requests {HOST}; R {{r}}udp {HOST}; R {{r}}ping {HOST}; "
               f"mount -t ext4 /dev/vda /mnt; R wget {URL} /mnt/file; umount /mnt",
        "growth": "ifconfig lo up; echo 30000 > /proc/sys/kernel/threads-max; " +
                  module.replace("{rows}", "growth_tasks,growth_timers") +
                  "; R {r}growth_connections; echo prefix ram_; R {r}growth_files /tmp",
        "directories": "mount -t ext4 /dev/vda /mnt; R {r}growth_files /mnt; umount /mnt",
        "cpus": module.replace("{rows}", "growth_cpus"),
        "memory": "",
    }
    quick = "quick=1 "

    # The kernel tells its symbols to the last of the disks; they are where they are only for one boot.
    tell_symbols = "; cat /proc/kallsyms > $(ls /dev/vd? | tail -n 1)"

    def __init__(self):
        self.folder = WORK / "linux"
        self.symbols_disk = None

    @contextlib.contextmanager
    def telling_symbols(self, folder):
        self.symbols_disk = folder / "kallsyms.img"
        self.symbols_disk.write_bytes(bytes(SYMBOLS_SIZE))
        try:
            yield
        finally:
            self.symbols_disk = None

    def symbols(self, folder):
        text = (folder / "kallsyms.img").read_bytes().rstrip(b"\0").decode("latin1")
        return LinuxSymbols(Symbols(text), Symbols.of_program(self.folder / "module" / "rows"))

    def command(self, group, words, numbers, extra=(), **machine):
        text = self.commands[group].replace("R ", "timeout 100 rows ")
        if numbers:
            text = text.format(r="-q " if numbers["q"] else "", **numbers)
        extra = ["-initrd", str(self.initrd), *extra]
        if self.symbols_disk:
            words, text = words + " nokaslr", text + self.tell_symbols
            extra += ["-drive", f"if=virtio,format=raw,file={self.symbols_disk}"]
        append = f"console=ttyS0 quiet panic=-1 no_timer_check {words} bench=\"{text}\""
        return qemu_command(self.kernel, append, extra=extra, **machine)

    def read_first_prompt(self, run):
        return run.read_until("ready\n")

    def converse(self, run, group, numbers):
        rows = {"boot": (self.read_first_prompt(run) * 1000, "ms")}
        run.read_until("finished\n")
        run.wait_end()
        memory = dict(re.findall(r"^(MemTotal|MemFree): (\d+)", run.text, re.M))
        rows["memory"] = (float(memory["MemTotal"]) - float(memory["MemFree"]), "KiB")
        return rows

    def prepare(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        release = self.unpack()
        build = self.folder / "module"
        headers = pathlib.Path("/usr/src") / f"linux-headers-{release}"
        if not headers.exists():
            raise BenchError(f"{headers} is missing: apt-get install linux-headers-{release}")
        shutil.rmtree(build, ignore_errors=True)
        shutil.copytree(ROOT / "bench" / "linux", build)
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
        subprocess.run(["strip", "-g", "-o", str(tree / "modules" / "nos_bench.ko"),
                        str(build / "nos_bench.ko")], check=True)
        (tree / "modules" / "order").write_text("\n".join(order) + "\n")
        self.initrd = self.folder / "initrd.img"
        names = "\n".join(str(p.relative_to(tree)) for p in sorted(tree.rglob("*")))
        with open(self.initrd, "wb") as image:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=names.encode(),
                           stdout=image, check=True)
