"""The machine that both guests run in, and one boot of it."""
import os
import pathlib
import re
import select
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "bench"
ROW = re.compile(r"^(?:\[ *[0-9.]+\] )?(?:nos_bench: )?(?:bench: )?([a-z][a-z0-9_]*) ([0-9.]+) ([a-zA-Z/]+)\s*$")
PREFIX = re.compile(r"^prefix(?: ([a-z_]+))?\s*$")


class BenchError(Exception):
    """Something that the person at the keyboard should read."""


def qemu_command(kernel, append, smp, cpu, extra=(), memory=512):
    """The same machine for both: what differs is the kernel and its command line."""
    accelerator = [] if "-accel" in extra else ["-accel", "tcg,thread=multi"]
    return ["qemu-system-x86_64", *accelerator, "-M", "q35", "-m", str(memory),
            "-smp", str(smp), "-cpu", cpu, "-nodefaults", "-display", "none", "-no-reboot",
            "-serial", "stdio", "-kernel", str(kernel), "-append", append, *extra]


class Run:
    """One boot: its output, read until the guest ends or its deadline has passed."""

    def __init__(self, command, deadline):
        self.started = time.monotonic()
        self.deadline = self.started + deadline
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stdin.close()

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
                raise BenchError(f"no {wanted!r} within the time allowed")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise BenchError(f"the guest ended before {wanted!r}")
            self.text = (self.text + data.decode("latin1")).replace("\r\n", "\n")
        return time.monotonic() - self.started

    def type(self, line):
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise BenchError("the guest ended") from None

    def wait_end(self, seconds=15):
        """Let it power itself off; if it does not, that is no row's fault."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass

    def rows(self):
        """{name: (value, unit)} of every line that looks like a result.

        A line `prefix WORD` puts a word before the names that follow; `prefix` alone ends that.
        """
        found, prefix = {}, ""
        for line in self.text.splitlines():
            line = line.split("\r")[-1]
            change = PREFIX.match(line)
            match = ROW.match(line)
            if change:
                prefix = change[1] or ""
            elif match:
                found[prefix + match[1]] = (float(match[2]), match[3])
        return found
