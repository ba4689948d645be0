"""profile: who computes is named, who sleeps is not."""
import re

CTRL_C = "\x03"


def lines_of(report):
    """{name: percent of its own} of a report."""
    return {name: float(self) for self, name in re.findall(r"^ *([\d.]+)% +[\d.]+%  (\S+)$", report, re.M)}


def test_a_spinning_task_is_on_top(boot):
    guest = boot(cpus=2)
    guest.run("stress spin 1 600")
    report = guest.run("profile 2")
    tasks = report.partition("  task\n")[2]
    name, percent = next(iter(lines_of(tasks).items()))
    assert name == "stress" and percent > 50, report
    assert "spin_until" in lines_of(report), report
    assert re.search(r"^\d+ samples at work, [1-9]\d* idle, ", report, re.M), report


def test_folded_stacks_of_a_command(boot):
    guest = boot(cpus=2)
    stacks = guest.run("profile -f bench bytes").splitlines()
    folded = [line for line in stacks if re.match(r"[^; ]+(;[^; ]+)+ \d+$", line)]
    assert any(";bench_command;" in line and ";crc32_update" in line for line in folded), stacks
    assert len({line.rpartition(" ")[0] for line in folded}) == len(folded)  # like ones are one


def test_ctrl_c_ends_it_with_its_report(boot):
    guest = boot(cpus=2)
    guest.type("profile 3000\r")
    guest.expect("Ctrl-C ends it")
    guest.type(CTRL_C)
    assert "samples at work" in guest.wait_prompt()
    assert guest.run("echo $?").strip() == "0"
    for words in ("0", "3601", "-x", "1 2"):
        _, succeeded = guest.status("profile " + words)
        assert not succeeded, words
