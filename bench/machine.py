"""The machine that both guests run in, and one boot of it."""
import os
import pathlib
import re
import select
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "bench"
PROMPT = "$ "
ROW = re.compile(r"^(?:\[ *[0-9.]+\] )?(?:nos_bench: )?(?:bench: )?([a-z][a-z0-9_]*) ([0-9.]+) ([a-zA-Z/]+)\s*$")


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

    def read_prompt(self):
        """Seconds from the start of QEMU until a new prompt is the last thing on the screen."""
        begin = len(self.text)
        while len(self.text) < begin + len(PROMPT) or not self.text.endswith(PROMPT):
            left = self.deadline - time.monotonic()
            ready, _, _ = select.select([self.process.stdout], [], [], max(left, 0))
            if not ready:
                raise BenchError("no prompt within the time allowed")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise BenchError("the guest ended before its prompt")
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

    def ask(self, line):
        """What it says to that before its next prompt."""
        begin = len(self.text)
        self.type(line)
        self.read_prompt()
        return self.text[begin:]


def rows_of(text, prefix=""):
    """{name: (value, unit)} of every line that looks like a result, @prefix before each name."""
    matches = (ROW.match(line.split("\r")[-1]) for line in text.splitlines())
    return {prefix + match[1]: (float(match[2]), match[3]) for match in matches if match}
