"""The README is what a user follows: every command in it that can run here is run as it stands there."""
import os
import re
import shlex
import subprocess

import pexpect
import pytest

from nos.build import ROOT
from nos.guest import BOOT_SECONDS, PROMPT

pytestmark = pytest.mark.xdist_group("tree")

LEAVE = "\x01x"  # Ctrl-A X
README = (ROOT / "README.md").read_text()
# Indented lines; what follows three blanks or more is a remark.
COMMANDS = [re.split(r"\s{3,}", line.strip())[0] for line in README.splitlines() if line.startswith("    ")]
SHELL = [command[2:] for command in COMMANDS if command.startswith("$ ")]
RUNS = [command for command in COMMANDS if command.startswith("./nos run")]
IMAGES = [command for command in COMMANDS if command.startswith("qemu-system-x86_64")]
# Not run: what gets the source, what these tests run under, and what is run by hand for minutes.
OTHERS = {"git clone <this repository> nos", "cd nos", "./nos test", "./nos disk", "./nos bench"}


def test_every_command_is_known():
    assert set(COMMANDS) - {f"$ {line}" for line in SHELL} - set(RUNS) - set(IMAGES) <= OTHERS
    assert len(RUNS) >= 6 and len(IMAGES) == 2 and len(SHELL) >= 5


@pytest.fixture
def terminal():
    children = []

    def spawn(command):
        child = pexpect.spawn(command[0], command[1:], cwd=ROOT, encoding="latin1", timeout=BOOT_SECONDS, echo=False)
        children.append(child)
        return child

    yield spawn
    for child in children:
        child.close(force=True)


def leave(child):
    child.send(LEAVE)
    child.expect(pexpect.EOF)
    assert "QEMU: Terminated" in child.before


@pytest.mark.parametrize("command", RUNS)
def test_run(terminal, tmp_path, command):
    """As it stands, on a disk of its own: somebody may be using the one in build/."""
    disk = tmp_path / "disk.img"
    disk.touch()
    os.truncate(disk, 16 << 20)
    child = terminal([*shlex.split(command), "--disk", str(disk)])
    if command.endswith(" -X"):
        child.expect(r"qemu-system-x86_64 .*-kernel")
        child.expect(pexpect.EOF)
    elif "test=all" in command:
        child.expect(r"\d+ passed, 0 failed", timeout=5 * BOOT_SECONDS)
    else:
        child.expect(PROMPT, timeout=3 * BOOT_SECONDS)
        leave(child)


def test_the_session_at_the_prompt(terminal, tmp_path):
    disk = tmp_path / "disk.img"
    disk.touch()
    os.truncate(disk, 16 << 20)
    child = terminal(["./nos", "run", "--disk", str(disk)])
    child.expect(PROMPT)
    child.send("dhcp\r")
    child.expect(PROMPT)
    for line in SHELL[:-1]:
        child.send(line + "\r")
        child.expect(PROMPT)
        child.send("echo $?\r")
        child.expect(r"(\d+)\r*\n")
        assert child.match[1] == "0", line
        child.expect(PROMPT)
    assert SHELL[-1] == "poweroff"
    child.send("poweroff\r")
    child.expect(pexpect.EOF)


@pytest.fixture(scope="module")
def disks():
    subprocess.run([ROOT / "nos", "disk"], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("command", IMAGES, ids=["bios", "uefi"])
def test_images(terminal, disks, command):
    """With -snapshot, so that the images stay as they were built."""
    child = terminal([*shlex.split(command), "-snapshot", "-nic", "none"])
    child.expect(PROMPT, timeout=3 * BOOT_SECONDS)
    leave(child)


def test_parameters_are_the_kernels_own():
    """Each parameter of the table is registered by the kernel, with such values."""
    registered = set()
    for room in ("arch", "block", "drivers", "fs", "kernel", "net", "shell", "tests/boot"):
        for path in (ROOT / room).rglob("*.c"):
            registered.update(re.findall(r'^PARAMETER(?:_LATE)?\(\w+,\s*"([^"]+)"', path.read_text(), re.MULTILINE))
    table = README.split("### Kernel parameters")[1].split("\n## ")[0]
    told = {name for row in re.findall(r"^\| (`.*?) \|", table.replace("\\|", "/"), re.MULTILINE)
            for name in re.findall(r"`([\w.]+)=", row)}
    assert told and told <= registered
