"""Guest instructions of each row, on all CPUs of a guest that runs as it does when times are taken.

A plugin of QEMU (plugin/count.c) counts from one mark to the next; both guests' benchmarks execute a
mark where they read the clock and another where they report. With a profile it tells at which
addresses they were, and the symbols of either kernel make functions of them.
"""
import bisect
import collections
import subprocess

from machine import ROOT, WORK, BenchError
from rows import GROWTH, ROWS, quick_size

UNIT = "instructions"
USER_TOP = 1 << 47
TOP = 16  # functions shown of a row


def build():
    """The plugin, built anew when one of its sources is younger."""
    source, plugin = ROOT / "bench" / "plugin" / "count.c", WORK / "count.so"
    youngest = max(path.stat().st_mtime for path in (source, ROOT / "bench" / "linux" / "mark.h"))
    if not plugin.exists() or plugin.stat().st_mtime < youngest:
        WORK.mkdir(parents=True, exist_ok=True)
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-fvisibility=hidden",
                        "-o", str(plugin), str(source)], check=True)
    return plugin


def arguments(out, has_profile=False):
    """Of QEMU."""
    profile = ",profile=on" if has_profile else ""
    return ("-plugin", f"{build()},out={out}{profile}")


def read(out):
    """[(instructions, {address: instructions})] of each report, in the guest's order."""
    reports, blocks = [], collections.Counter()
    for line in out.read_text().splitlines():
        words = line.split()
        if len(words) == 2:
            blocks[int(words[0], 16)] += int(words[1])
        else:
            reports.append((int(words[0]), blocks))
            blocks = collections.Counter()
    return reports


def by_row(rows, out):
    """{row: (instructions, blocks)} of the rows that a guest told, those that measured none left out."""
    reports = read(out)
    if len(reports) != len(rows):
        raise BenchError(f"{len(reports)} reports were counted and {len(rows)} rows told")
    return {name: report for name, report in zip(rows, reports) if report[0]}


def operations(is_quick):
    """{row: how many operations a run measures}; a download is as long as its file, quick or not."""
    part = 20 if is_quick else 1
    found = {row.name: row.operations // (1 if row.name == "wget_to_disk" else part) for row in ROWS}
    found.update({f"{growth.name}_{quick_size(size) if is_quick else size}": growth.operations // part
                  for growth in GROWTH for size in growth.sizes})
    return found


# ---- profiles ----

class Symbols:
    """Names of code, from the lines of nm or of /proc/kallsyms."""

    def __init__(self, text):
        found = set()
        for line in text.splitlines():
            words = line.split()
            if len(words) >= 3 and words[1] in "tTwW":
                found.add((int(words[0], 16), words[2]))
        self.found = sorted(found)
        self.addresses = [address for address, _ in self.found]

    def name(self, address):
        place = bisect.bisect_right(self.addresses, address) - 1
        return self.found[place][1] if place >= 0 else f"{address:#x}"

    @classmethod
    def of_program(cls, path):
        return cls(subprocess.run(["nm", str(path)], check=True, capture_output=True, text=True).stdout)


class LinuxSymbols:
    """Those of the kernel and of the program `rows`; other programs are one."""

    def __init__(self, kernel, program):
        self.kernel, self.program = kernel, program

    def name(self, address):
        return self.kernel.name(address) if address >= USER_TOP else \
            "user: " + self.program.name(address)


def functions(blocks, symbols):
    """[(function, instructions)], most first."""
    sums = collections.Counter()
    for address, count in blocks.items():
        sums[symbols.name(address)] += count
    return sums.most_common()


def profile_text(title, total, blocks, symbols, count):
    """One row of one guest: where its instructions went."""
    lines = [f"{title}: {total / count:,.0f} instructions of each of {count:,} operations"]
    shown = functions(blocks, symbols)[:TOP]
    sampled = sum(blocks.values()) or 1
    lines += [f"    {100 * part / sampled:5.1f} %  {part / count:10,.1f}  {function}"
              for function, part in shown]
    return "\n".join(lines) + "\n"
