"""scripts/gdb.py on a stopped guest."""
import re
import subprocess

from nos.build import ROOT, kernel

GDB_SOCKET = ["-chardev", "socket,id=gdb,path=gdb.sock,server=on,wait=off", "-gdb", "chardev:gdb"]


def gdb(guest, *commands):
    """Attach, run the commands, detach; the guest goes on. Return what gdb printed."""
    arguments = [word for command in commands for word in ("-ex", command)]
    return subprocess.run(
        ["gdb", "-q", "-nx", "-batch", "-x", ROOT / "scripts/gdb.py", "-ex", "target remote gdb.sock",
         *arguments, "-ex", "detach", kernel()],
        cwd=guest.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        timeout=60).stdout


def test_commands(boot):
    guest = boot(cpus=2, devices=GDB_SOCKET)
    guest.run("stress sleep 3 600")
    output = gdb(guest, "nos-tasks", "nos-log 5", "nos-locks", "nos-help")
    assert "Error" not in output and "Exception" not in output, output
    sleepers = re.findall(r"^ *(\d+) waiting +\d+ +\d+  stress +waits for (.*)$", output, re.MULTILINE)
    assert len(sleepers) == 3
    last_line = guest.run("dmesg").splitlines()[-1]
    assert last_line in output
    assert "CPU 0 holds none" in output and "CPU 1 holds none" in output
    backtrace = gdb(guest, f"nos-bt {sleepers[0][0]}")
    assert "#0 " in backtrace and "sleep_until+0x" in backtrace
    assert "there is no task 99999" in gdb(guest, "nos-bt 99999")
    assert "nos 0.1" in guest.run("version")  # and on it goes
