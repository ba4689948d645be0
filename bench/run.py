#!/usr/bin/python3
"""./nos bench - nos beside Linux, in one run under the same QEMU.

    bench/run.py [--rounds N] [--smp N] [--quick] [GROUP...]

Groups: boot kernel disk files synced ramfiles net. Each group runs in a fresh boot of each guest in
turn, N times (5 unless told otherwise); the table has the medians, and a ratio above 1 is in favour
of nos. Linux runs twice, by -cpu max and by -cpu qemu64 with mitigations off, and the better counts.
A last pass under -icount counts guest instructions: there a nanosecond of the guest's clock is one
instruction. Raw output is kept in build/bench/raw/, the table in build/bench/table.txt and .svg.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import chart
from guests import WORK, BenchError, Linux, Namespace, Nos

GROUPS = "boot kernel disk files synced ramfiles net".split()
CASES = (("max", ""), ("qemu64", "mitigations=off init_on_alloc=0"))
HIGHER_IS_BETTER = {"MB/s", "requests/s"}
COUNTED = {"kernel", "ramfiles"}  # CPU-bound groups, whose instructions are worth counting
DISK_SIZE = 256 << 20


def fresh_disk(ext4):
    """A disk for one boot: blank, or with the file system that only Linux needs beforehand."""
    path = WORK / "disk.img"
    path.unlink(missing_ok=True)
    with open(path, "wb") as disk:
        disk.truncate(DISK_SIZE)
    if ext4:
        subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", str(path)], check=True)
    return path


def commands_of(guest, group, arguments):
    numbers = {"count": arguments.files, "few": max(arguments.files // 20, 10)}
    commands = guest.commands[group]
    if isinstance(commands, str):
        return commands.format(**numbers)
    return [command.format(**numbers) for command in commands]


def boot(guest, group, arguments, cpu, append, extra=(), label=""):
    is_linux = guest.name == "Linux"
    disk = fresh_disk(is_linux and group in ("files", "synced"))
    commands = commands_of(guest, group, arguments)
    words = append if is_linux else guest.network
    if group == "net":
        with Namespace(WORK / "linux" / "module" / "peer"):
            rows, text = guest.run(commands, smp=arguments.smp, cpu=cpu, disk=disk, append=words,
                                   extra=(*extra, *Namespace.extra))
    else:
        rows, text = guest.run(commands, smp=arguments.smp, cpu=cpu, disk=disk, extra=extra,
                               append=words if is_linux else "")
    raw = WORK / "raw" / f"{label}-{group}-{guest.name}-{cpu}.txt"
    raw.parent.mkdir(parents=True, exist_ok=True)
    raw.write_text(text)
    if group != "boot":
        rows = {name: row for name, row in rows.items()
                if name not in ("boot_to_prompt", "memory_at_prompt")}
    prefix = "ram_" if group == "ramfiles" else ""
    return {prefix + name: row for name, row in rows.items()}


def better(unit, a, b):
    return max(a, b) if unit in HIGHER_IS_BETTER else min(a, b)


def add(samples, name, key, value):
    samples.setdefault(name, {}).setdefault(key, []).append(value)


def measure(guests, arguments):
    """{row: {(guest, cpu): [values]}}, {row: unit}"""
    samples, units = {}, {}
    for number in range(arguments.rounds):
        for group in arguments.groups:
            for cpu, append in CASES:
                for guest in guests if number % 2 == 0 else guests[::-1]:
                    print(f"round {number + 1} of {arguments.rounds}: {group}, {guest.name}, {cpu}",
                          file=sys.stderr)
                    rows = boot(guest, group, arguments, cpu, append, label=f"round{number + 1}")
                    for name, (value, unit) in rows.items():
                        add(samples, name, (guest.name, cpu), value)
                        units[name] = unit
    return samples, units


def count_instructions(guests, arguments):
    """{row: {guest: instructions per operation}} of the groups that compute."""
    counts = {}
    one_cpu = argparse.Namespace(**{**vars(arguments), "smp": 1})
    for group in arguments.groups:
        if group not in COUNTED:
            continue
        for guest in guests:
            print(f"counting instructions: {group}, {guest.name}", file=sys.stderr)
            rows = boot(guest, group, one_cpu, "qemu64", CASES[1][1], label="icount",
                        extra=("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"))
            for name, (value, unit) in rows.items():
                if unit == "ns":
                    counts.setdefault(name, {})[guest.name] = value
    return counts


def summarise(samples, units, counts):
    """One dictionary per row of the table."""
    table = []
    for name, cases in samples.items():
        unit = units[name]
        entry = {"row": name, "unit": unit}
        for guest in ("Linux", "nos"):
            medians = [statistics.median(v) for (g, _), v in cases.items() if g == guest]
            values = [x for (g, _), v in cases.items() if g == guest for x in v]
            if not medians:
                continue
            best = medians[0]
            for median in medians[1:]:
                best = better(unit, best, median)
            entry[guest] = best
            entry[guest + " range"] = (min(values), max(values))
            entry[guest + " instructions"] = counts.get(name, {}).get(guest)
        if "Linux" in entry and entry.get("nos"):
            ratio = entry["Linux"] / entry["nos"]
            entry["ratio"] = 1 / ratio if unit in HIGHER_IS_BETTER and ratio else ratio
        table.append(entry)
    return table


def number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def spread(entry, guest):
    low, high = entry.get(guest + " range", (None, None))
    return f"{number(low)}-{number(high)}" if low is not None else "-"


def print_table(table, out):
    print(f"{'row':26}{'unit':>12}{'Linux':>12}{'nos':>12}{'ratio':>8}"
          f"{'Linux instr':>13}{'nos instr':>12}   Linux range / nos range", file=out)
    for entry in table:
        print(f"{entry['row']:26}{entry['unit']:>12}{number(entry.get('Linux')):>12}"
              f"{number(entry.get('nos')):>12}{number(entry.get('ratio')):>8}"
              f"{number(entry.get('Linux instructions')):>13}"
              f"{number(entry.get('nos instructions')):>12}   "
              f"{spread(entry, 'Linux')} / {spread(entry, 'nos')}", file=out)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=" ".join(GROUPS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--smp", type=int, default=2)
    parser.add_argument("--files", type=int, default=10000)
    parser.add_argument("--quick", action="store_true", help="one round, few files: does it work?")
    arguments = parser.parse_args()
    unknown = set(arguments.groups) - set(GROUPS)
    if unknown:
        parser.error(f"no group {', '.join(sorted(unknown))}; there are {' '.join(GROUPS)}")
    arguments.groups = arguments.groups or GROUPS
    if arguments.quick:
        arguments.rounds, arguments.files = 1, 500
    return arguments


def main():
    arguments = parse()
    guests = [Linux(), Nos()]
    try:
        for guest in guests:
            guest.prepare()
        samples, units = measure(guests, arguments)
        counts = {} if arguments.quick else count_instructions(guests, arguments)
    except (BenchError, subprocess.CalledProcessError) as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    table = summarise(samples, units, counts)
    print_table(table, sys.stdout)
    with open(WORK / "table.txt", "w") as out:
        print_table(table, out)
    (WORK / "table.json").write_text(json.dumps(table, indent=1))
    (WORK / "table.svg").write_text(chart.draw(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
