#!/usr/bin/python3
"""boot_loop.py N CPUS... - boot N times on each number of CPUs, to the prompt and off again.

    tests/system/boot_loop.py 100 1 2 4 8 16      the full run: 500 boots, no failure allowed
    tests/system/boot_loop.py 100 4 --config gcc-release

Prints a line per number of CPUs; a failed boot prints its serial log and ends the run.
"""
import argparse
import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from nos.guest import Guest  # noqa: E402  the path comes first


def boot_once(folder, cpus, config):
    """To the prompt, one command that proves that every CPU is there, and off."""
    with Guest(folder, cpus=cpus, config=config) as guest:
        try:
            guest.wait_prompt()
            online = online_cpus(guest)
            assert online == cpus, f"{online} of {cpus} CPUs are online"
            guest.poweroff()
        except Exception as error:
            raise RuntimeError(f"{type(error).__name__}: {error}\n{guest.report()}") from error


def online_cpus(guest):
    """How many CPUs are online, by the word of `cpu` and by its table, a row per CPU."""
    text = guest.run("cpu")
    told = int(re.search(r"^(\d+) of \d+ CPUs? online", text, re.MULTILINE)[1])
    rows = len(re.findall(r"^ *\d+ +\d+ .*\d+ \S+/?\d*$", text, re.MULTILINE))
    assert rows == told, text
    return told


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int)
    parser.add_argument("cpus", type=int, nargs="+")
    parser.add_argument("--config", default="gcc-debug")
    arguments = parser.parse_args()
    for cpus in arguments.cpus:
        for number in range(1, arguments.count + 1):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    boot_once(folder, cpus, arguments.config)
                except RuntimeError as error:
                    sys.exit(f"boot {number} on {cpus} CPUs failed: {error}")
        print(f"{cpus} CPUs: {arguments.count} boots of {arguments.count}", flush=True)


if __name__ == "__main__":
    main()
