"""The two guests that ./nos bench compares: how each is made, booted, and told what to do."""
import contextlib
import pathlib
import re
import shutil
import subprocess

from counting import LinuxSymbols, Symbols
from machine import ROOT, WORK, BenchError, Run, qemu_command, rows_of
from network import GUEST, HOST
from rows import CASES

MODULES = ("virtio_ring.ko virtio.ko virtio_pci_legacy_dev.ko virtio_pci_modern_dev.ko virtio_pci.ko "
           "virtio_blk.ko failover.ko net_failover.ko virtio_net.ko").split()
SYMBOLS_SIZE = 16 << 20


def find_number(pattern, text):
    found = re.search(pattern, text, re.M)
    if not found:
        raise BenchError(f"nothing like {pattern} was said")
    return float(found[1])


class Guest:
    """What nos and Linux have in common."""

    def start(self, words="", deadline=60, prefix=(), **machine):
        """A Run of it, from the start of QEMU; @words are added to its command line."""
        return Run([*prefix, *self.command(words, **machine)], deadline)

    def is_quick_from_now(self, run):
        """Few operations from here on."""

    def do(self, run, step, is_quick):
        """{row: (value, unit)} of one step; a step that has nothing for this guest has none."""
        line = self.line_of(step)
        if not line:
            return {}
        numbers = {"quick": "-q ", "files": 200, "synced": 20} if is_quick else \
            {"quick": "", "files": 10000, "synced": 1000}
        return rows_of(run.ask(line.format(**numbers)), step.prefix)

    def telling_symbols(self, folder):
        """While it lasts, each boot leaves in @folder what symbols() needs; nothing, for most."""
        return contextlib.nullcontext()

    def end(self, run):
        run.type(self.power_off)
        run.wait_end()

    def boots_with(self, megabytes, deadline):
        """Does it reach its prompt with so little memory?"""
        with self.start(smp=1, cpu="qemu64", memory=megabytes, deadline=deadline) as run:
            try:
                run.read_prompt()
            except BenchError:
                return False
        return True


class Nos(Guest):
    """nos, by PVH."""
    name = "nos"
    kernel = ROOT / "build" / "nos.elf"
    memory_range = (2, 64)
    power_off = "poweroff"

    def prepare(self):
        subprocess.run(["make", "-s", "-C", str(ROOT)], check=True)

    def words(self, group, _cpu):
        return f"ip={GUEST}/24,{HOST}" if group == "net" else ""

    def command(self, words, **machine):
        return qemu_command(self.kernel, words, **machine)

    def line_of(self, step):
        return step.nos

    def symbols(self, _folder):
        return Symbols.of_program(self.kernel)

    def memory_used(self, run):
        """KiB"""
        return find_number(r"^used +\d+ +(\d+)", run.ask("memusage"))


class Linux(Guest):
    """Debian's cloud kernel with busybox in an initial file system of our own."""
    name = "Linux"
    memory_range = (16, 192)
    power_off = "poweroff -f"

    # The kernel tells its symbols to the last of the disks; they are where they are only for one boot.
    tell_symbols = "cat /proc/kallsyms > $(ls /dev/vd? | tail -n 1)"

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

    def words(self, _group, cpu):
        return CASES[cpu]

    def command(self, words, extra=(), **machine):
        extra = ["-initrd", str(self.initrd), *extra]
        if self.symbols_disk:
            words += " nokaslr"
            extra += ["-drive", f"if=virtio,format=raw,file={self.symbols_disk}"]
        return qemu_command(self.kernel, f"console=ttyS0 quiet panic=-1 no_timer_check {words}",
                            extra=extra, **machine)

    def line_of(self, step):
        return step.linux

    def is_quick_from_now(self, run):
        run.ask("quick=1")

    def end(self, run):
        if self.symbols_disk:
            run.ask(self.tell_symbols)
        super().end(run)

    def memory_used(self, run):
        """KiB"""
        text = run.ask("cat /proc/meminfo")
        return find_number(r"^MemTotal: +(\d+)", text) - find_number(r"^MemFree: +(\d+)", text)

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
