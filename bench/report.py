"""What the samples say: a table for the screen and one for the docs, and two runs beside each other."""
import statistics

import counting
from rows import GROWTH, GROWTH_TARGET, HIGHER_IS_BETTER, ROWS, quick_size

GUESTS = ("Linux", "nos")
AGREEMENT = 0.20  # two runs agree when the ratios of a row differ by no more


def best_median(samples, guest, unit):
    """(median, least, most) of the kind of CPU that suits the guest best."""
    cases = [values for key, values in samples.items() if key.split()[0] == guest]
    if not cases:
        return None
    pick = max if unit in HIGHER_IS_BETTER else min
    values = pick(cases, key=statistics.median)
    return statistics.median(values), min(values), max(values)


def instructions(entry, row):
    """Of one operation, out of what a counting run said: all of them by the plugin; by -icount ns are
    instructions, and MB/s bytes by 1000 of them."""
    if not entry:
        return None
    value, unit = entry
    if unit == counting.UNIT:
        return value / row.operations
    if unit == "ns":
        return value
    return row.operation * 1000 / value if unit == "MB/s" and row.operation and value else None


def ratio_of(linux, nos, unit):
    """Above 1 is in favour of nos."""
    if not linux or not nos:
        return None
    return nos / linux if unit in HIGHER_IS_BETTER else linux / nos


def verdict(timed, counted, is_missed):
    """What to say of a row that has a figure by the clock, one by instructions, or both."""
    missed = [how for how, figure in (("the clock", timed), ("instructions", counted))
              if figure is not None and is_missed(figure)]
    both = timed is not None and counted is not None
    if not missed:
        return ""
    return f"missed by {missed[0]}" if both and len(missed) == 1 else "missed"


class Line:
    """One row of the table."""

    def __init__(self, results, row):
        self.row = row
        self.unit = results["units"].get(row.name, "")
        samples = results["samples"].get(row.name, {})
        counts = results["counts"].get(row.name, {})
        self.values = {guest: best_median(samples, guest, self.unit) for guest in GUESTS}
        self.counts = {guest: instructions(counts.get(guest), row) for guest in GUESTS}
        self.ratio = ratio_of(*(self.values[guest] and self.values[guest][0] for guest in GUESTS),
                              self.unit)
        self.counted_ratio = ratio_of(self.counts["Linux"], self.counts["nos"], "ns")

    def verdict(self):
        if self.row.name == "smallest_memory" and self.values["nos"]:
            return "" if self.values["nos"][0] <= 16 else "missed"
        return verdict(self.ratio, self.counted_ratio, self.is_missed)

    def is_missed(self, ratio):
        return self.row.target is not None and ratio < self.row.target



class GrowthLine:
    """One row of growth: what an operation costs at the sizes measured, in either guest."""

    def __init__(self, results, growth):
        self.growth = growth
        wanted = growth.sizes
        self.sizes = [quick_size(size) for size in wanted] if results["quick"] else list(wanted)
        self.values = {guest: [self.value(results, guest, size) for size in self.sizes]
                       for guest in GUESTS}
        self.counts = {guest: [self.count(results, guest, size) for size in self.sizes]
                       for guest in GUESTS}

    def value(self, results, guest, size):
        found = best_median(results["samples"].get(f"{self.growth.name}_{size}", {}), guest, "ns")
        return found and found[0]

    def count(self, results, guest, size):
        counts = results["counts"].get(f"{self.growth.name}_{size}", {})
        return instructions(counts.get(guest), self.growth)

    @staticmethod
    def factor(values):
        return values[-1] / values[0] if values[0] and values[-1] else None

    def verdict(self):
        return verdict(self.factor(self.values["nos"]), self.factor(self.counts["nos"]),
                       lambda factor: factor >= GROWTH_TARGET)


def lines(results):
    return [Line(results, row) for row in ROWS if row.group in results["groups"]]


def growth_lines(results):
    return [GrowthLine(results, growth) for growth in GROWTH if growth.group in results["groups"]]


def number(value, missing="-"):
    if value is None:
        return missing
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def median_text(values):
    return number(values and values[0], "failed")


def range_text(values):
    return f"{number(values[1])}-{number(values[2])}" if values else "-"


def growth_text(values):
    return " ".join(number(value, "failed") for value in values)


def heading(results):
    """What was measured, where, and how busy that machine was with other things when it began."""
    return (f"commit {results['commit']}, {results['date']}, medians of {results.get('rounds done', 0)}, "
            f"{results['host']} (load {results['load']}), {results['qemu'].split(' (')[0]}, TCG")


# ---- for the screen ----

def print_table(results, out):
    print(heading(results), file=out)
    print(f"{'row':48}{'unit':>11}{'Linux':>11}{'nos':>11}{'ratio':>7}{'target':>7} "
          f"{'Linux instr':>12}{'nos instr':>11}{'ratio':>7}         Linux range / nos range", file=out)
    for line in lines(results):
        print(f"{line.row.title:48}{line.unit:>11}{median_text(line.values['Linux']):>11}"
              f"{median_text(line.values['nos']):>11}{number(line.ratio):>7}{number(line.row.target):>7} "
              f"{number(line.counts['Linux']):>12}{number(line.counts['nos']):>11}"
              f"{number(line.counted_ratio):>7} {line.verdict():7} "
              f"{range_text(line.values['Linux'])} / {range_text(line.values['nos'])}", file=out)
    for line in growth_lines(results):
        sizes = " ".join(f"{size:,}" for size in line.sizes)
        print(f"{line.growth.title}: N {sizes} {line.verdict()}", file=out)
        for guest in GUESTS:
            counted = f"; instructions {growth_text(line.counts[guest])}, factor " \
                      f"{number(line.factor(line.counts[guest]))}" if any(line.counts[guest]) else ""
            print(f"    {guest:6} ns {growth_text(line.values[guest])}, factor "
                  f"{number(line.factor(line.values[guest]))}{counted}", file=out)
    print("seconds: " + ", ".join(f"{what} {taken:.0f}" for what, taken in results["seconds"].items()),
          file=out)
    for failure in results["failures"]:
        print(f"failed: {failure}", file=out)


# ---- for the docs ----

def markdown(results):
    """The tables of docs/PERFORMANCE.md."""
    text = [f"Measured: {heading(results)}.", "",
            "| row | unit | Linux | nos | ratio | Linux, instructions | nos | ratio | target | |",
            "|---|---|---|---|---|---|---|---|---|---|"]
    for line in lines(results):
        verdict = f"**{line.verdict()}**" if line.verdict() else ""
        text.append("| " + " | ".join([
            line.row.title, line.unit, median_text(line.values["Linux"]), median_text(line.values["nos"]),
            number(line.ratio), number(line.counts["Linux"]), number(line.counts["nos"]),
            number(line.counted_ratio), number(line.row.target), verdict]) + " |")
    text += ["", "Growth: nanoseconds per operation among few and among many, and the factor between; in "
             "brackets the same in instructions. It ought to stay under 2.", "",
             "| operation | N | Linux | factor | nos | factor | |", "|---|---|---|---|---|---|---|"]
    for line in growth_lines(results):
        verdict = f"**{line.verdict()}**" if line.verdict() else ""
        cells = []
        for guest in GUESTS:
            values, counts = line.values[guest], line.counts[guest]
            cells += [", ".join(number(value, "failed") for value in values) +
                      (f" ({', '.join(number(count) for count in counts)})" if any(counts) else ""),
                      number(line.factor(values)) +
                      (f" ({number(line.factor(counts))})" if any(counts) else "")]
        text.append(f"| {line.growth.title} | {', '.join(f'{size:,}' for size in line.sizes)} | "
                    + " | ".join(cells) + f" | {verdict} |")
    return "\n".join(text) + "\n"


def replace_between(text, begin, end, new):
    """@text with everything between the two marks replaced."""
    head, mark, rest = text.partition(begin)
    old, end_mark, tail = rest.partition(end)
    if not mark or not end_mark:
        raise ValueError(f"no {begin} and {end}")
    return head + begin + "\n" + new + end_mark + tail


# ---- two runs ----

def apart(first, second):
    """By how much of the smaller two ratios differ; None when there are not two."""
    return max(first, second) / min(first, second) - 1 if first and second else None


def percent(share):
    return f"{100 * share:.0f} %" if share is not None else "-"


def compare(first, second, out):
    """Print the ratios of both; True when all agree, by instructions where those were counted."""
    others = {line.row.name: line for line in lines(second)}
    agree = True
    print(f"{'row':48}{'first':>9}{'second':>9}{'apart':>8}"
          f"{'first':>12}{'second':>9}{'apart':>8} by instructions", file=out)
    for line in lines(first):
        other = others.get(line.row.name)
        if not other:
            continue
        by_clock = apart(line.ratio, other.ratio)
        counted = apart(line.counted_ratio, other.counted_ratio)
        decides = by_clock if counted is None else counted
        remark = "failed in one of them" if by_clock is None else \
            "more than 20 %" if decides > AGREEMENT else ""
        agree = agree and not remark
        print(f"{line.row.title:48}{number(line.ratio):>9}{number(other.ratio):>9}{percent(by_clock):>8}"
              f"{number(line.counted_ratio):>12}{number(other.counted_ratio):>9}{percent(counted):>8}  "
              f"{remark}".rstrip(), file=out)
    return agree
