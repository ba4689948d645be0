#!/usr/bin/python3
"""boot_time.py [N] - how long from the start to the prompt: medians of N boots (5) of each shape.

Two clocks: the kernel's own, from its first instruction to the prompt (what `boot` prints), and
this machine's, from the start of the QEMU process to the prompt on its serial line. Measure on an
otherwise idle machine; nothing in the test suite depends on these numbers.
"""
import pathlib
import re
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from nos.guest import Guest  # noqa: E402  the path comes first

SHAPES = [
    ("PVH q35, 1 CPU", {"machine": "q35", "cpus": 1}),
    ("PVH q35, 4 CPUs", {"machine": "q35", "cpus": 4}),
    ("PVH pc, 4 CPUs", {"machine": "pc", "cpus": 4}),
    ("PVH microvm, 4 CPUs", {"machine": "microvm", "cpus": 4}),
    ("BIOS ISO q35, 4 CPUs", {"machine": "q35", "cpus": 4, "boot": "iso"}),
]


def boot_once(options):
    """(seconds by this machine's clock, milliseconds by the kernel's)."""
    with tempfile.TemporaryDirectory() as folder:
        with Guest(folder, config="gcc-release", **options) as guest:
            guest.wait_prompt()
            seconds = time.monotonic() - guest.started
            stages = guest.run("boot")
            guest.poweroff()
    times = re.findall(r"(\d+(?:\.\d+)?) ms", stages)
    return seconds, max(map(float, times)) if times else float("nan")


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for name, options in SHAPES:
        runs = [boot_once(options) for _ in range(count)]
        seconds, milliseconds = (statistics.median(column) for column in zip(*runs))
        print(f"{name:22} {milliseconds:7.1f} ms by the kernel's clock, {seconds:5.2f} s from QEMU's start",
              flush=True)


if __name__ == "__main__":
    main()
