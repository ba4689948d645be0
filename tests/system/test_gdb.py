"""scripts/gdb.py on a stopped guest."""
import re

from nos import debugger
from nos.build import ROOT, kernel


def run(guest, *commands):
    """Attach, run the commands, detach; the guest goes on. Return what gdb printed."""
    arguments = [word for command in commands for word in ("-ex", command)]
    return debugger.run(guest, "-x", ROOT / "scripts/gdb.py", *arguments, "-ex", "detach", kernel())


def test_commands(boot):
    guest = boot(cpus=2, devices=debugger.SOCKET)
    guest.run("stress sleep 3 600")
    output = run(guest, "nos-tasks", "nos-log 5", "nos-locks", "nos-help")
    assert "Error" not in output and "Exception" not in output, output
    sleepers = re.findall(r"^ *(\d+) waiting +\d+ +\d+  stress +waits for (.*)$", output, re.MULTILINE)
    assert len(sleepers) == 3
    last_line = guest.run("dmesg").splitlines()[-1]
    assert last_line in output
    assert "CPU 0 holds none" in output and "CPU 1 holds none" in output
    backtrace = run(guest, f"nos-bt {sleepers[0][0]}")
    assert "#0 " in backtrace and "sleep_until+0x" in backtrace
    assert "there is no task 99999" in run(guest, "nos-bt 99999")
    assert "nos 0.1" in guest.run("version")  # and on it goes
