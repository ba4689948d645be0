"""Rounds of boots, and what comes out of them: samples of each row, by guest, kind of CPU and turn."""
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import counting
from booted import Booted
from machine import ROOT, BenchError
from rows import COUNTED, COUNTED_BY_PLUGIN, GROUPS, USUAL_CPU, turns_of
from steps import SCRIPTS

BOOT_ROWS = {"boot": "boot_1cpu", "boot4": "boot_4cpus"}
ICOUNT = ("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off")
GIVE_UP = 2  # boots of one kind that failed: no more of them
COUNTING_DEADLINE = 3  # times that of an ordinary boot: counting is slow
PROBLEMS = (BenchError, subprocess.SubprocessError, OSError, ValueError)


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

    def raw(self, label, guest, group, cpu):
        return self.folder / "raw" / f"{label}-{group}-{guest.name}-{cpu}.txt"

    def boot(self, guest, group, cpu, label, **how):
        return Booted(guest, group, cpu, self.raw(label, guest, group, cpu), self.arguments.quick, **how)

    def note_failure(self, problem, label, guest, group, cpu):
        kind = (guest.name, group, cpu)
        self.failed_boots[kind] = self.failed_boots.get(kind, 0) + 1
        self.results["failures"].append(f"{label}: {group}, {guest.name}, {cpu}: {problem}")
        print(f"bench: {self.results['failures'][-1]}; {self.raw(label, guest, group, cpu)} has what it said",
              file=sys.stderr)

    def add(self, guest, cpu, turn, rows):
        for name, (value, unit) in rows.items():
            self.results["samples"].setdefault(name, {}).setdefault(f"{guest.name} {cpu}", {})[turn] = value
            self.results["units"][name] = unit

    def measure_group(self, group, label, is_reversed):
        """Both guests on each kind of CPU."""
        started = time.monotonic()
        for cpu in GROUPS[group].cases:
            print(f"{label}: {group}, {cpu}", file=sys.stderr)
            guests = [guest for guest in self.guests[::-1 if is_reversed else 1]
                      if self.failed_boots.get((guest.name, group, cpu), 0) < GIVE_UP]
            if SCRIPTS[group].steps:
                self.take_turns(guests, group, cpu, label)
            else:
                for guest in guests:
                    self.measure_alone(guest, group, cpu, label)
        self.spent(group, started)
        self.save()

    def measure_alone(self, guest, group, cpu, label):
        """What the start of a guest tells; nothing else is on the host."""
        try:
            rows = smallest_memory(guest) if group == "memory" else self.start_rows(guest, group, cpu, label)
        except PROBLEMS as problem:
            self.note_failure(problem, label, guest, group, cpu)
        else:
            self.add(guest, cpu, label, rows)

    def start_rows(self, guest, group, cpu, label):
        with self.boot(guest, group, cpu, label) as booted:
            rows = {BOOT_ROWS[group]: (booted.seconds * 1000, "ms")}
            if group == "boot":
                rows["memory_at_prompt"] = (guest.memory_used(booted.run), "KiB")
            booted.end()
        return rows

    def take_turns(self, guests, group, cpu, label):
        """Both stand at their prompts, and each step is done by one and then by the other: a host that
        is slower for a while is slower for both."""
        script = SCRIPTS[group]
        with contextlib.ExitStack() as stack:
            ready = []
            for guest in guests:
                try:
                    ready.append(stack.enter_context(self.boot(guest, group, cpu, label)))
                except PROBLEMS as problem:
                    self.note_failure(problem, label, guest, group, cpu)
            self.do_step(script.prepare, ready, cpu, label, "")
            for turn in range(1 if self.arguments.quick else turns_of(group, cpu)):
                for step in script.steps:
                    self.do_step(step, ready, cpu, label, f"{label}, turn {turn + 1}")
                    ready.reverse()

    def do_step(self, step, ready, cpu, label, turn):
        """By each guest that is still there."""
        for booted in ready:
            try:
                rows = booted.do(step)
            except PROBLEMS as problem:
                self.note_failure(problem, label, booted.guest, booted.group, cpu)
            else:
                self.add(booted.guest, cpu, turn, rows)

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
                    self.measure_group(group, f"round {number + 1}", number % 2 == 1)
            longest = max(longest, time.monotonic() - started)
            self.results["rounds done"] = number + 1
            self.save()

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
                except PROBLEMS as problem:
                    self.note_failure(problem, "counting", guest, group, USUAL_CPU)
        self.spent("instructions", started)
        self.save()

    def count_by_icount(self, guest, group):
        """A nanosecond of the guest's clock is one instruction. One CPU: there is only one CPU's worth
        of time."""
        with self.boot(guest, group, USUAL_CPU, "counting", extra=ICOUNT, smp=1,
                       deadline=COUNTING_DEADLINE) as booted:
            return {name: [value, unit] for name, (value, unit) in booted.do_all().items()}

    def count_by_plugin(self, guest, group):
        """Medians: how often a CPU looks for something to do while a device works is not always the same."""
        totals = {}
        for _ in range(GROUPS[group].turns):
            for name, (total, _blocks) in self.boot_with_plugin(guest, group).items():
                totals.setdefault(name, []).append(total)
        return {name: [statistics.median(found), counting.UNIT] for name, found in totals.items()}

    def boot_with_plugin(self, guest, group, has_profile=False):
        """{row: (instructions, blocks)}"""
        out = self.folder / "raw" / f"plugin-{group}-{guest.name}.count"
        with self.boot(guest, group, USUAL_CPU, "counting", extra=counting.arguments(out, has_profile),
                       deadline=COUNTING_DEADLINE) as booted:
            rows = booted.do_all()
        return counting.by_row(rows, out)

    def profile(self):
        """Of each group in each guest, where its instructions went, to the screen and to a file."""
        operations = counting.operations(self.arguments.quick)
        for group in self.arguments.groups:
            for guest in self.guests:
                try:
                    self.profile_guest(guest, group, operations)
                except PROBLEMS as problem:
                    self.note_failure(problem, "counting", guest, group, USUAL_CPU)
        self.save()

    def profile_guest(self, guest, group, operations):
        with guest.telling_symbols(self.folder):
            found = self.boot_with_plugin(guest, group, has_profile=True)
        symbols = guest.symbols(self.folder)
        for name, (total, blocks) in found.items():
            text = counting.profile_text(f"{name}, {guest.name}", total, blocks, symbols, operations[name])
            print(text)
            (self.folder / f"profile-{name}-{guest.name}.txt").write_text(text)


def smallest_memory(guest):
    """Its row, by bisection: what is enough is taken to stay enough."""
    low, high = guest.memory_range
    deadline = GROUPS["memory"].deadline
    if not guest.boots_with(high, deadline):
        raise BenchError(f"it boots with no -m of {low} to {high}")
    while low < high:
        middle = (low + high) // 2
        if guest.boots_with(middle, deadline / 3):
            high = middle
        else:
            low = middle + 1
    return {"smallest_memory": (high, "MiB")}


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
