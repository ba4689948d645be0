#!/usr/bin/python3
"""./nos bench - nos beside Linux, in one run under the same QEMU.

    ./nos bench [--rounds N] [--minutes N] [--quick] [--name NAME] [--docs] [GROUP...]
    ./nos bench --docs --from DIR          the docs again, out of an earlier run
    ./nos bench --compare DIR DIR          do two runs agree?
    ./nos bench --profile [GROUP...]       where the instructions of each row go, in both guests

In each of N rounds (5 unless told otherwise) both guests boot for each group, stand at their prompts,
and do each step one after the other, in some groups for several turns. The table has the medians: of
the values, and of the ratios of the turns; a ratio above 1 is in favour of nos. All is done twice, by
-cpu max and by -cpu qemu64 with Linux's mitigations off, and where Linux is faster counts (both, where
it is as fast within a tenth). A first pass counts guest instructions: by -icount what computes (there a
nanosecond of the guest's clock is one instruction), by a plugin of QEMU what waits for a disk or a peer.
Everything that was said, the samples, the table and a chart are left in build/bench/NAME. What fails
says "failed", and the rest goes on. Two runs agree when each row does: by instructions where those are
counted, by the clock elsewhere; rows apart by the clock alone are named too.
"""
import argparse
import json
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import chart
import report
from guests import Linux, Nos
from machine import ROOT, WORK, BenchError
from measure import Measurement
from rows import COUNTED_BY_PLUGIN, GROUPS

DOCUMENT, CHART = ROOT / "docs" / "PERFORMANCE.md", ROOT / "docs" / "bench.svg"
BEGIN, END = "<!-- by ./nos bench --docs -->", "<!-- end -->"


def parse():
    groups = "\n".join(f"    {name:12} {group.what}" for name, group in GROUPS.items())
    parser = argparse.ArgumentParser(prog="./nos bench", description=__doc__ + "\ngroups:\n" + groups,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="which groups; all of them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=25, help="begin no round that would end later")
    parser.add_argument("--quick", action="store_true", help="one round, few operations: does it work?")
    parser.add_argument("--no-counts", action="store_true", help="do not count instructions")
    parser.add_argument("--name", default=time.strftime("%Y-%m-%d-%H%M%S", time.gmtime()),
                        help="of the folder in build/bench; date and time")
    parser.add_argument("--profile", action="store_true",
                        help=f"of the groups {', '.join(COUNTED_BY_PLUGIN)}; no times, no table")
    parser.add_argument("--docs", action="store_true", help="write the table and the chart into docs/")
    parser.add_argument("--from", dest="source", type=pathlib.Path, metavar="DIR",
                        help="measure nothing; take what an earlier run left there")
    parser.add_argument("--compare", nargs=2, type=pathlib.Path, metavar="DIR")
    arguments = parser.parse_args()
    unknown = set(arguments.groups) - set(GROUPS)
    if unknown:
        parser.error(f"no group {', '.join(sorted(unknown))}; there are {' '.join(GROUPS)}")
    if arguments.profile and set(arguments.groups) - set(COUNTED_BY_PLUGIN):
        parser.error(f"there are profiles of {', '.join(COUNTED_BY_PLUGIN)}")
    arguments.groups = arguments.groups or list(COUNTED_BY_PLUGIN if arguments.profile else GROUPS)
    if arguments.quick:
        arguments.rounds = 1
    return arguments


def load(folder):
    return json.loads((folder / "results.json").read_text())


def measure(arguments):
    """The folder that everything is left in."""
    folder = WORK / arguments.name
    guests = [Linux(), Nos()]
    for guest in guests:
        guest.prepare()
    measurement = Measurement(guests, arguments, folder)
    try:
        if arguments.profile:
            measurement.profile()
        else:
            measurement.measure()
    except KeyboardInterrupt:
        print("bench: stopped; this is what there is", file=sys.stderr)
        measurement.save()
    return folder


def write_reports(folder, results):
    report.print_table(results, sys.stdout)
    with open(folder / "table.txt", "w") as out:
        report.print_table(results, out)
    (folder / "table.md").write_text(report.markdown(results))
    (folder / "chart.svg").write_text(chart.draw(report.lines(results), report.heading(results)))
    print(f"in {folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder}")


def write_docs(results):
    text = DOCUMENT.read_text()
    DOCUMENT.write_text(report.replace_between(text, BEGIN, END, report.markdown(results)))
    CHART.write_text(chart.draw(report.lines(results), report.heading(results)))
    print(f"written: {DOCUMENT.relative_to(ROOT)}, {CHART.relative_to(ROOT)}")


def be_interrupted(*_):
    """A run that is told to end cleans up, and reports what there is, as after Ctrl-C."""
    raise KeyboardInterrupt


def main():
    arguments = parse()
    signal.signal(signal.SIGTERM, be_interrupted)
    try:
        if arguments.compare:
            return 0 if report.compare(*map(load, arguments.compare), sys.stdout) else 1
        folder = arguments.source or measure(arguments)
        results = load(folder)
        if arguments.profile:
            return 1 if results["failures"] else 0
        write_reports(folder, results)
        if arguments.docs:
            write_docs(results)
    except (BenchError, subprocess.CalledProcessError, OSError, ValueError) as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    return 1 if results["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
