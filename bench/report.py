"""What the samples say: a table for the screen and one for the docs, and two runs beside each other."""
import statistics

import counting
from rows import GROWTH, GROWTH_TARGET, HIGHER_IS_BETTER, ROWS, quick_size

GUESTS = ("Linux", "nos")
CLOSE = 1.1  # times a median: no difference that one run can tell
AGREEMENT = 0.20  # two runs agree when the ratios of a row differ by no more


def summary(values):
    """(median, least, most); None of none."""
    return (statistics.median(values), min(values), max(values)) if values else None


def best_cases(samples, unit):
    """The kinds of CPU that suit Linux best: the one with the best median, and those that come close.
    What nos does is compared with what Linux does there."""
    medians = {key.split()[1]: statistics.median(values.values()) for key, values in samples.items()
               if key.startswith("Linux ")}
    if unit in HIGHER_IS_BETTER:
        return [cpu for cpu, median in medians.items() if median * CLOSE >= max(medians.values())]
    return [cpu for cpu, median in medians.items() if median <= CLOSE * min(medians.values())]


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
    """One row of the table. Its ratio is the median of the ratios of the turns, in each of which one
    guest measured right after the other."""

    def __init__(self, results, row):
        self.row = row
        self.unit = results["units"].get(row.name, "")
        samples = results["samples"].get(row.name, {})
        counts = results["counts"].get(row.name, {})
        cases = best_cases(samples, self.unit)
        turns = {guest: {(cpu, turn): value for cpu in cases
                         for turn, value in samples.get(f"{guest} {cpu}", {}).items()} for guest in GUESTS}
        self.values = {guest: summary(turns[guest].values()) for guest in GUESTS}
        self.counts = {guest: instructions(counts.get(guest), row) for guest in GUESTS}
        ratios = [ratio_of(turns["Linux"][turn], turns["nos"][turn], self.unit)
                  for turn in turns["Linux"].keys() & turns["nos"].keys()]
        self.ratio = statistics.median(ratios) if ratios else None
        self.counted_ratio = ratio_of(self.counts["Linux"], self.counts["nos"], "ns")

    def verdict(self):
        if self.row.name == "smallest_memory" and self.values["nos"]:
            return "" if self.values["nos"][0] <= 16 else "missed"
        return verdict(self.ratio, self.counted_ratio, self.is_missed)

    def is_missed(self, ratio):
        return self.row.target is not None and ratio < self.row.target


class GrowthLine:
    """One row of growth: what an operation costs at the sizes measured, in either guest. The factor is
    the median of those of the turns."""

    def __init__(self, results, growth):
        self.growth = growth
        self.sizes = [quick_size(size) for size in growth.sizes] if results["quick"] else list(growth.sizes)
        self.values, self.factors, self.counts, self.counted_factors = {}, {}, {}, {}
        for guest in GUESTS:
            turns = [self.of_size(results["samples"], guest, size) for size in self.sizes]
            self.values[guest] = [statistics.median(values.values()) if values else None for values in turns]
            factors = [turns[-1][turn] / turns[0][turn] for turn in turns[0].keys() & turns[-1].keys()
                       if turns[0][turn]]
            self.factors[guest] = statistics.median(factors) if factors else None
            counts = [self.count(results, guest, size) for size in self.sizes]
            self.counts[guest] = counts
            self.counted_factors[guest] = counts[-1] / counts[0] if counts[0] and counts[-1] else None

    def of_size(self, samples, guest, size):
        """{turn: ns}; growth is measured on one kind of CPU."""
        found = samples.get(f"{self.growth.name}_{size}", {})
        return next((values for key, values in found.items() if key.startswith(guest + " ")), {})

    def count(self, results, guest, size):
        counts = results["counts"].get(f"{self.growth.name}_{size}", {})
        return instructions(counts.get(guest), self.growth)

    def verdict(self):
        return verdict(self.factors["nos"], self.counted_factors["nos"], lambda factor: factor >= GROWTH_TARGET)


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
    return (f"commit {results['commit']}, {results['date']}, {results.get('rounds done', 0)} rounds, "
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
                      f"{number(line.counted_factors[guest])}" if any(line.counts[guest]) else ""
            print(f"    {guest:6} ns {growth_text(line.values[guest])}, factor "
                  f"{number(line.factors[guest])}{counted}", file=out)
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
                      number(line.factors[guest]) +
                      (f" ({number(line.counted_factors[guest])})" if any(counts) else "")]
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


def figures(results):
    """{title: (by the clock, by instructions)}: each row's ratio, and how much nos grows."""
    found = {line.row.title: (line.ratio, line.counted_ratio) for line in lines(results)}
    found.update({"growth: " + line.growth.title: (line.factors["nos"], line.counted_factors["nos"])
                  for line in growth_lines(results)})
    return found


def disagreement(first, second):
    """What to say of the figures of a row in two runs, and whether it is more than a host's noise."""
    by_clock, counted = (apart(one, other) for one, other in zip(first, second))
    if by_clock is None:
        return "failed in one of them", True
    if counted is not None and counted > AGREEMENT:
        return "more than 20 %", True
    if by_clock > AGREEMENT:
        return ("more than 20 %", True) if counted is None else ("more than 20 % by the clock only", False)
    return "", False


def compare(first, second, out):
    """Print the ratios of both; True when all agree: by instructions where counted, elsewhere by the
    clock."""
    first, second = figures(first), figures(second)
    remarks = {title: disagreement(first[title], second[title]) for title in first if title in second}
    print(f"{'':64}{'by the clock':>26}{'by instructions':>26}", file=out)
    for title, (remark, _) in remarks.items():
        cells = "".join(f"{number(one):>9}{number(other):>9}{percent(apart(one, other)):>8}"
                        for one, other in zip(first[title], second[title]))
        print(f"{title:64}{cells}  {remark}".rstrip(), file=out)
    disagreeing = sum(is_bad for _, is_bad in remarks.values())
    noisy = sum(bool(remark) for remark, _ in remarks.values()) - disagreeing
    print(f"{len(remarks)} rows: {disagreeing} disagree, {noisy} more by the clock only", file=out)
    return disagreeing == 0
