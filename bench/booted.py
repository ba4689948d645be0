"""One boot of a guest, with the disks and the network that its group needs."""
import contextlib
import os
import pathlib
import shutil
import subprocess

from machine import WORK
from network import Namespace
from rows import GROUPS
from steps import SCRIPTS

DISK_SIZE = 256 << 20
DISKS = {"storage": ("blank", "files"), "net": ("files",), "directories": ("files",)}


def disk_folder():
    """In memory where there is room, so that the host's disk is not what is measured."""
    memory = pathlib.Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > 8 * DISK_SIZE:
        return memory
    return WORK


class Disks:
    """with Disks(guest, group) as disks: those of one boot, blank ones, or with the file system that
    only Linux needs beforehand."""

    def __init__(self, guest, group):
        kinds = DISKS.get(group, ())
        self.is_ext4 = [kind == "files" and guest.name == "Linux" for kind in kinds]
        self.paths = [disk_folder() / f"nosbench-{os.getpid()}-{guest.name}-{number}.img"
                      for number in range(len(kinds))]

    def __enter__(self):
        for path, is_ext4 in zip(self.paths, self.is_ext4):
            with open(path, "wb") as disk:
                disk.truncate(DISK_SIZE)
            if is_ext4:
                self.make_ext4(path)
            else:
                with open(path, "r+b") as disk:  # every block is there: none is made while we measure
                    for _ in range(DISK_SIZE >> 20):
                        disk.write(bytes(1 << 20))
        return self

    @staticmethod
    def make_ext4(path):
        """Nothing left to be done in the background, and inodes for 100,000 files."""
        subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-N", "150000", "-E",
                        "lazy_itable_init=0,lazy_journal_init=0,nodiscard", str(path)], check=True)

    def arguments(self):
        return [word for path in self.paths
                for word in ("-drive", f"if=virtio,format=raw,file={path}")]

    def __exit__(self, *_):
        for path in self.paths:
            path.unlink(missing_ok=True)


class Booted:
    """with Booted(guest, group, cpu, raw) as booted: one guest at its prompt, with the disks and the
    network that the group needs. What it says is left in the file @raw."""

    def __init__(self, guest, group, cpu, raw, is_quick, extra=(), smp=None, deadline=1):
        self.guest, self.group, self.raw, self.is_quick = guest, group, raw, is_quick
        self.machine = {"smp": smp or GROUPS[group].smp, "cpu": cpu, "words": guest.words(group, cpu),
                        "deadline": deadline * GROUPS[group].deadline * (1 + GROUPS[group].turns)}
        self.extra = extra
        self.has_failed = False
        self.resources = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as resources:  # undone when what follows fails
            disks = resources.enter_context(Disks(self.guest, self.group))
            extra = [*self.extra, *disks.arguments()]
            if self.group == "net":
                network = resources.enter_context(
                    Namespace(WORK / "linux" / "module" / "peer", self.guest.name))
                self.machine["prefix"] = network.prefix
                extra += network.devices
            self.run = resources.enter_context(self.guest.start(extra=extra, **self.machine))
            resources.callback(lambda: self.raw.write_text(self.run.text))
            self.seconds = self.run.read_prompt()
            if self.is_quick:
                self.guest.is_quick_from_now(self.run)
            self.resources = resources.pop_all()
        return self

    def __exit__(self, *_):
        self.resources.close()

    def do(self, step):
        """{row: (value, unit)}; nothing any more once it has failed."""
        if self.has_failed:
            return {}
        self.has_failed = True
        rows = self.guest.do(self.run, step, self.is_quick)
        self.has_failed = False
        return rows

    def do_all(self):
        """The rows of one turn, prepared and done; the guest has ended then."""
        script, rows = SCRIPTS[self.group], {}
        for step in (script.prepare, *script.steps):
            rows.update(self.do(step))
        self.end()
        return rows

    def end(self):
        self.guest.end(self.run)
