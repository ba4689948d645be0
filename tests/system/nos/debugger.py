"""gdb on a guest: start it with SOCKET (or STOPPED, before its first instruction), then run()."""
import subprocess

from nos import build

SOCKET = ["-chardev", "socket,id=gdb,path=gdb.sock,server=on,wait=off", "-gdb", "chardev:gdb"]
STOPPED = ["-S", *SOCKET]
SECONDS = 120


def run(guest, *arguments):
    """gdb with these arguments after it is attached. Return what it printed."""
    guest.qmp.command("query-status")  # answered when the socket is there
    return subprocess.run(
        ["gdb", "-q", "-nx", "-batch", "-ex", "set architecture i386:x86-64", "-ex", "target remote gdb.sock",
         *arguments],
        cwd=guest.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        timeout=SECONDS).stdout


def run_python(guest, module, call):
    """@call, which prints PATCHED in the end, of a module of this package, inside gdb."""
    path = str(build.ROOT / "tests/system")
    output = run(guest, "-ex", f"python import sys; sys.path.insert(0, {path!r}); import {module} as patch; {call}")
    assert "PATCHED" in output, output
