"""Rounds of boots, and what comes out of them: samples of each row, by guest and kind of CPU."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import counting
from machine import ROOT, WORK, BenchError
from network import Namespace
from rows import CASES, COUNTED, COUNTED_BY_PLUGIN, GROUPS

DISK_SIZE = 256 << 20
RENAMED = {"boot": {"boot": "boot_1cpu", "memory": "memory_at_prompt"}, "smp4": {"boot": "boot_4cpus"}}
ICOUNT = ("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off")
GIVE_UP = 2  # boots of one kind that failed: no more of them
COUNTING_DEADLINE = 3  # times that of an ordinary boot: counting is slow


def disk_folder():
    """In memory where there is room, so that the host's disk is not what is measured."""
    memory = pathlib.Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > 4 * DISK_SIZE:
        return memory
    return WORK


class Disks:
    """The disks of one boot: blank ones, or with the file system that only Linux needs beforehand."""

    def __init__(self, guest, group):
        kinds = {"storage": ("blank", "files"), "net": ("files",), "directories": ("files",)}
        self.paths = []
        for number, kind in enumerate(kinds.get(group, ())):
            path = disk_folder() / f"nosbench-{number}.img"
            self.paths.append(path)
            path.unlink(missing_ok=True)
            with open(path, "wb") as disk:
                disk.truncate(DISK_SIZE)
            if kind == "files" and guest.name == "Linux":
                self.make_ext4(path)
            else:
                with open(path, "r+b") as disk:  # every block is there: none is made while we measure
                    for _ in range(DISK_SIZE >> 20):
                        disk.write(bytes(1 << 20))

    @staticmethod
    def make_ext4(path):
        """Nothing left to be done in the background, and inodes for 100,000 files."""
        subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-N", "150000", "-E",
                        "lazy_itable_init=0,lazy_journal_init=0,nodiscard", str(path)], check=True)

    def arguments(self):
        return [word for path in self.paths
                for word in ("-drive", f"if=virtio,format=raw,file={path}")]

    def remove(self):
        for path in self.paths:
            path.unlink(missing_ok=True)


class Measurement:
    """All that one run of ./nos bench finds out; kept in a folder of its own."""

    def __init__(self, guests, arguments, folder):
        self.guests = guests
        self.arguments = arguments
        self.folder = folder
        self.failed_boots = {}
        self.results = {"samples": {}, "units": {}, "counts": {}, "failures": [], "seconds": {},
                        "rounds": arguments.rounds, "quick": arguments.quick,
                        "groups": arguments.groups, **about()}
        (folder / "raw").mkdir(parents=True, exist_ok=True)

    def save(self):
        (self.folder / "results.json").write_text(json.dumps(self.results, indent=1))

    def numbers(self, guest):
        quick = self.arguments.quick
        return {"q": guest.quick if quick else "", "files": 200 if quick else 10000,
                "synced": 20 if quick else 1000}

    def boot(self, guest, group, cpu, label, extra=(), smp=None, deadline=1):
        """The rows of one boot. What fails is noted, and what came before it counts."""
        machine = {"smp": smp or GROUPS[group].smp, "cpu": cpu}
        disks = Disks(guest, group)
        words = CASES[cpu] if guest.name == "Linux" else ""
        arguments = {"group": group, "deadline": deadline * GROUPS[group].deadline, "words": words,
                     "numbers": self.numbers(guest)}
        try:
            if group == "net":
                with Namespace(WORK / "linux" / "module" / "peer") as network:
                    machine.update(extra=[*extra, *disks.arguments(), *network.devices],
                                   prefix=network.prefix)
                    rows, text, problem = guest.boot(machine=machine, **arguments)
            else:
                machine.update(extra=[*extra, *disks.arguments()])
                rows, text, problem = guest.boot(machine=machine, **arguments)
        finally:
            disks.remove()
        name = f"{label}-{group}-{guest.name}-{cpu}"
        (self.folder / "raw" / f"{name}.txt").write_text(text)
        if problem:
            self.note_failure(f"{name}: {problem}", (guest.name, group, cpu), text)
        return rename(group, rows)

    def note_failure(self, message, kind, text=""):
        self.failed_boots[kind] = self.failed_boots.get(kind, 0) + 1
        self.results["failures"].append(message)
        print(f"bench: {message}; last lines:\n{text[-400:]}", file=sys.stderr)

    def boot_and_add(self, guest, group, cpu, label):
        if self.failed_boots.get((guest.name, group, cpu), 0) >= GIVE_UP:
            return
        print(f"{label}: {group}, {guest.name}, {cpu}", file=sys.stderr)
        try:
            rows = self.boot(guest, group, cpu, label)
        except (BenchError, subprocess.SubprocessError, OSError) as problem:
            self.note_failure(f"{label}: {group}, {guest.name}: {problem}", (guest.name, group, cpu))
            return
        for name, (value, unit) in rows.items():
            self.results["samples"].setdefault(name, {}).setdefault(
                f"{guest.name} {cpu}", []).append(value)
            self.results["units"][name] = unit

    def measure_group(self, group, number):
        """Once each guest on each kind of CPU; in every other round the other guest first."""
        started = time.monotonic()
        if group == "memory":
            self.measure_memory()
        else:
            for cpu in GROUPS[group].cases:
                for guest in self.guests[::1 if number % 2 == 0 else -1]:
                    self.boot_and_add(guest, group, cpu, f"round{number + 1}")
        self.spent(group, started)
        self.save()

    def spent(self, what, started):
        seconds = self.results["seconds"]
        seconds[what] = round(seconds.get(what, 0) + time.monotonic() - started, 1)

    def measure(self):
        """The instructions, then rounds, as many as there is time for."""
        limit = time.monotonic() + 60 * self.arguments.minutes
        longest = 0
        if not self.arguments.quick and not self.arguments.no_counts:
            self.count_instructions()
        for number in range(self.arguments.rounds):
            started = time.monotonic()
            if started + longest > limit:
                print(f"bench: no time for round {number + 1}", file=sys.stderr)
                break
            for group in self.arguments.groups:
                if number < GROUPS[group].rounds:
                    self.measure_group(group, number)
            longest = max(longest, time.monotonic() - started)
            self.results["rounds done"] = number + 1
            self.save()

    # ---- the smallest -m ----

    def measure_memory(self):
        for guest in self.guests:
            print(f"smallest -m: {guest.name}", file=sys.stderr)
            smallest = smallest_memory(guest)
            if smallest is None:
                self.note_failure(f"{guest.name} boots with no -m of {guest.memory_range}",
                                  (guest.name, "memory", ""))
                continue
            self.results["samples"].setdefault("smallest_memory", {})[f"{guest.name} qemu64"] = [smallest]
            self.results["units"]["smallest_memory"] = "MiB"

    # ---- instructions ----

    def count_instructions(self):
        """Of the groups that compute by -icount, of those that wait for others by the plugin."""
        started = time.monotonic()
        for group in self.arguments.groups:
            how = self.count_by_icount if group in COUNTED else \
                self.count_by_plugin if group in COUNTED_BY_PLUGIN else None
            for guest in self.guests if how else ():
                print(f"counting instructions: {group}, {guest.name}", file=sys.stderr)
                try:
                    for name, entry in how(guest, group).items():
                        self.results["counts"].setdefault(name, {})[guest.name] = entry
                except (BenchError, subprocess.SubprocessError, OSError, ValueError) as problem:
                    self.note_failure(f"counting {group}, {guest.name}: {problem}",
                                      (guest.name, group, "count"))
        self.spent("instructions", started)

    def count_by_icount(self, guest, group):
        """A nanosecond of the guest's clock is one instruction. One CPU: there is only one CPU's worth
        of time."""
        rows = self.boot(guest, group, "qemu64", "icount", extra=ICOUNT, smp=1,
                         deadline=COUNTING_DEADLINE)
        return {name: [value, unit] for name, (value, unit) in rows.items()}

    def count_by_plugin(self, guest, group):
        return {name: [total, counting.UNIT]
                for name, (total, _) in self.boot_with_plugin(guest, group).items()}

    def boot_with_plugin(self, guest, group, has_profile=False):
        """{row: (instructions, blocks)}"""
        out = self.folder / "raw" / f"plugin-{group}-{guest.name}.count"
        rows = self.boot(guest, group, "qemu64", "plugin", extra=counting.arguments(out, has_profile),
                         deadline=COUNTING_DEADLINE)
        return counting.by_row(rows, out)

    def profile(self):
        """Of each group in each guest, where its instructions went, to the screen and to a file."""
        operations = counting.operations(self.arguments.quick)
        for group in self.arguments.groups:
            for guest in self.guests:
                try:
                    self.profile_guest(guest, group, operations)
                except (BenchError, subprocess.SubprocessError, OSError, ValueError) as problem:
                    self.note_failure(f"profile of {group}, {guest.name}: {problem}",
                                      (guest.name, group, "profile"))
        self.save()

    def profile_guest(self, guest, group, operations):
        with guest.telling_symbols(self.folder):
            found = self.boot_with_plugin(guest, group, has_profile=True)
        symbols = guest.symbols(self.folder)
        for name, (total, blocks) in found.items():
            text = counting.profile_text(f"{name}, {guest.name}", total, blocks, symbols, operations[name])
            print(text)
            (self.folder / f"profile-{name}-{guest.name}.txt").write_text(text)


def rename(group, rows):
    """Every boot says how long it took; the groups made for that keep it, under its name in the table."""
    wanted = RENAMED.get(group, {})
    return {wanted.get(name, name): row for name, row in rows.items()
            if name in wanted or name not in ("boot", "memory")}


def smallest_memory(guest):
    """Megabytes, by bisection: what is enough is taken to stay enough."""
    low, high = guest.memory_range
    deadline = GROUPS["memory"].deadline
    if not guest.boots_with(high, deadline):
        return None
    while low < high:
        middle = (low + high) // 2
        if guest.boots_with(middle, deadline / 3):
            high = middle
        else:
            low = middle + 1
    return high


def about():
    """Where and of what this was measured."""
    def output(*command):
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    host = pathlib.Path("/proc/cpuinfo").read_text()
    count = sum(line.startswith("processor") for line in host.splitlines())
    model = next((line.split(": ")[1] for line in host.splitlines() if line.startswith("model name")), "?")
    return {"commit": output("git", "describe", "--always", "--dirty"),
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "host": f"{count} x {model}", "load": round(os.getloadavg()[0], 1),
            "qemu": output("qemu-system-x86_64", "--version").splitlines()[0]}
