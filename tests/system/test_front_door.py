"""./nos itself, as a person types it: in a terminal, in this source tree.

These tests run `make` in the tree, so they form one group: never two at a time.
"""
import os
import pathlib
import re
import socket
import stat
import subprocess
import time
import urllib.request

import pexpect
import pytest

from nos.build import ROOT
from nos.guest import BOOT_SECONDS, PROMPT

pytestmark = pytest.mark.xdist_group("tree")

LEAVE = "\x01x"  # Ctrl-A X


def nos(*arguments, **options):
    """Run ./nos to its end."""
    return subprocess.run([ROOT / "nos", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, stdin=subprocess.DEVNULL, check=False, **options)


@pytest.fixture
def terminal(tmp_path):
    """Type ./nos run in a terminal; it must have ended when the test does."""
    spawned = []

    def spawn(*arguments):
        disk = tmp_path / "disk.img"
        disk.touch()
        os.truncate(disk, 16 << 20)
        child = pexpect.spawn(str(ROOT / "nos"), ["run", "--disk", str(disk), *arguments],
                              cwd=ROOT, encoding="latin1", timeout=BOOT_SECONDS, echo=False)
        spawned.append(child)
        return child

    yield spawn
    for child in spawned:
        child.close(force=True)


@pytest.mark.parametrize("options", [
    [], ["--smp", "8", "--iso"], ["--machine", "q35"], ["--machine", "pc"], ["--machine", "microvm"],
    ["--uefi"], ["--mem", "1G", "--smp", "1"],
], ids=" ".join)
def test_run_reaches_the_prompt(terminal, options):
    run = terminal(*options)
    run.expect_exact("Ctrl-A X ends QEMU")
    run.expect(PROMPT, timeout=3 * BOOT_SECONDS)
    run.send("version\r")
    run.expect(r"nos \d+\.\d+ \(")
    run.expect(PROMPT)
    run.send(LEAVE)
    run.expect(pexpect.EOF)
    assert "QEMU: Terminated" in run.before


def fetch(url):
    """The page, as soon as the guest has its address; until then QEMU takes the connection and drops it."""
    end = time.monotonic() + BOOT_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return response.read().decode()
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_run_says_what_it_does(terminal):
    run = terminal()
    run.expect(r"accelerator (kvm|tcg: [^\r\n]+)[\r\n]")
    run.expect(r"UDP shell on 127\.0\.0\.1 port (\d+)")
    assert int(run.match[1]) >= 1024
    run.expect(r"HTTP: (http://127\.0\.0\.1:\d+/) ")
    url = run.match[1]
    run.expect(PROMPT)
    run.send("httpd 80\r")
    run.expect_exact("Ctrl-C ends")
    assert "<title>nos</title>" in fetch(url)
    run.send("\x03")
    run.expect(PROMPT)
    run.send(LEAVE)
    run.expect(pexpect.EOF)


def test_append_reaches_the_kernel(terminal):
    for how in ([], ["--iso"]):
        run = terminal("--append", 'smp=off run="version; version"', *how)
        run.expect(r"nos \d+\.\d+ \(.*\n(.*\n)*nos \d+\.\d+ \(")
        run.expect(PROMPT)
        run.send("cpu\r")
        run.expect(PROMPT)
        run.send(LEAVE)
        run.expect(pexpect.EOF)


def test_gdb_attaches(terminal):
    run = terminal("--gdb")
    run.expect_exact("./nos debug")
    run.expect_exact("Ctrl-A X ends QEMU")
    debug = pexpect.spawn(str(ROOT / "nos"), ["debug"], cwd=ROOT, encoding="latin1", timeout=BOOT_SECONDS)
    debug.expect_exact("(gdb)")
    debug.sendline("info registers rip")
    debug.expect(r"rip\s+0xfff0")  # the reset vector: nothing has run yet
    debug.expect_exact("(gdb)")
    debug.sendline("detach")
    run.expect(PROMPT)
    debug.close(force=True)
    run.send(LEAVE)
    run.expect(pexpect.EOF)


def test_who_starts_at_once_takes_other_ports():
    """A port belongs to one ./nos run from when it is chosen, not only from when QEMU binds it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        first = bound.getsockname()[1]
        script = f". scripts/qemu.sh; take_port udp {first} 8; echo $port; read line"
        started = [subprocess.Popen(["sh", "-c", script], cwd=ROOT, text=True, stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE) for _ in range(6)]
        try:
            ports = [int(process.stdout.readline()) for process in started]
        finally:
            for process in started:
                process.communicate("done\n")
            for port in range(first, first + 16):
                pathlib.Path(f"/tmp/nos-{os.getuid()}-udp-{port}.lock").unlink(missing_ok=True)
    assert len(set(ports)) == 6 and first not in ports


def test_print_only():
    done = nos("run", "-X", "--smp", "3", "--mem", "6G", "--machine", "pc", "--append", "a b='c d'")
    assert done.returncode == 0
    words = done.stdout.split()
    assert words[0] == "qemu-system-x86_64" and len(done.stdout.splitlines()) == 1
    assert "-smp 3 -m 6G" in done.stdout and "-M pc" in done.stdout
    # what is printed is what a shell would run
    shown = subprocess.run(["sh", "-c", "for word in " + done.stdout.strip() + '; do echo "$word"; done'],
                           stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    assert "dhcp=auto dns=on udpshell=9000 a b='c d'" in shown


@pytest.mark.parametrize("arguments, told", [
    (["nonsense"], "'nonsense' is not a command"),
    (["run", "--bogus"], "'--bogus' is not an option"),
    (["run", "--smp"], "--smp needs a value"),
    (["run", "--smp", "none"], "--smp takes a number of CPUs, not 'none'"),
    (["run", "--mem", "lots"], "--mem takes a size such as 512 or 6G, not 'lots'"),
    (["run", "--machine", "vax"], "--machine takes pc, q35 or microvm, not 'vax'"),
    (["run", "--machine", "microvm", "--iso"], "microvm has no CD drive"),
    (["run", "--disk", "/nowhere"], "there is no disk image '/nowhere'"),
    (["fuzz", "nothing"], "there is no fuzzer 'nothing'"),
    (["test", "nothing"], "'nothing' is no part of the tests"),
    (["clean", "--dry-run"], "./nos clean takes no arguments, not '--dry-run'"),
    (["doctor", "x"], "./nos doctor takes no arguments, not 'x'"),
    (["format", "net/tcp.c"], "./nos format takes no arguments, not 'net/tcp.c'"),
    (["help", "nonsense"], "'nonsense' is not a command"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_a_mistake_is_told(arguments, told):
    done = nos(*arguments)
    assert done.returncode != 0
    assert told in done.stdout
    assert len(done.stdout.splitlines()) <= 2


def test_help_lists_every_command():
    listed = nos("help").stdout
    for command in sorted(os.listdir(ROOT / "scripts/commands")):
        assert re.search(rf"^  {command} +\S", listed, re.MULTILINE), command
    assert nos("help", "run").stdout == nos("run", "--help").stdout


@pytest.mark.parametrize("command", ["build", "clean", "debug", "doctor", "format", "fuzz", "iso", "lint", "run", "test"])
def test_help_of_a_command_does_nothing_else(command):
    before = (ROOT / "build/nos.elf").stat().st_mtime_ns
    done = nos(command, "--help")
    assert done.returncode == 0 and f"./nos {command}" in done.stdout and len(done.stdout.splitlines()) < 30
    assert (ROOT / "build/nos.elf").stat().st_mtime_ns == before


def fake_machine(folder, scripts):
    """A PATH on which some commands are replaced by these shell scripts."""
    for name, script in scripts.items():
        path = folder / name
        path.write_text("#!/bin/sh\n" + script + "\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}")


NOTHING_INSTALLED = {"dpkg-query": "exit 1", "apt-cache": "exit 0"}


def test_missing_packages_are_only_printed_when_asked(tmp_path):
    env = fake_machine(tmp_path, {**NOTHING_INSTALLED, "apt-get": "echo installed; exit 0"})
    for arguments in (["run", "--no-install"], ["--no-install", "run"]):
        done = nos(*arguments, env=env)
        assert done.returncode == 1
        assert "apt-get install -y --no-install-recommends" in done.stdout
        for package in ("gcc", "make", "binutils", "qemu-system-x86"):
            assert f" {package}" in done.stdout
        assert "installed" not in done.stdout


def test_missing_packages_are_installed_through_sudo(tmp_path):
    env = fake_machine(tmp_path, {**NOTHING_INSTALLED, "id": "[ \"$1\" = -u ] && echo 1000 || echo user",
                                  "sudo": f"echo \"ran $*\"; echo \"$*\" >> {tmp_path}/sudo.log; exit 1"})
    done = nos("build", env=env)
    assert done.returncode == 2
    printed = done.stdout.index("sudo apt-get install")
    assert printed < done.stdout.index("ran apt-get")  # told before it is done
    log = (tmp_path / "sudo.log").read_text().splitlines()
    # the lists of packages are fetched when the first try failed
    assert "install" in log[0] and "update" in log[1] and "install" in log[2]
    assert "apt could not install" in done.stdout


def test_doctor_tells_the_truth_about_kvm():
    cpu = set(pathlib.Path("/proc/cpuinfo").read_text().split()) & {"vmx", "svm"}
    works = bool(cpu) and os.access("/dev/kvm", os.W_OK)
    accelerator = re.search(r"^accel +(kvm$|tcg: .+)", nos("doctor").stdout, re.MULTILINE)[1]
    assert (accelerator == "kvm") == works
    assert ("-accel kvm" in nos("run", "-X").stdout) == works


def test_builds_are_reproducible(tmp_path):
    """Two clones in folders of different names give the same bytes."""
    sums = []
    for name in ("one", "another-name"):
        clone = tmp_path / name
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        subprocess.run(["make", "-s", "-j2"], cwd=clone, check=True, stdout=subprocess.DEVNULL)
        sums.append((clone / "build/nos.elf").read_bytes())
    assert sums[0] == sums[1]


def test_the_iso_boots_both_ways():
    """One hybrid image: an El Torito entry for BIOS and one for EFI, and an MBR for USB sticks."""
    assert nos("iso").returncode == 0
    report = subprocess.run(["xorriso", "-indev", ROOT / "build/nos.iso", "-report_el_torito", "plain"],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout
    assert re.search(r"BIOS", report) and re.search(r"UEFI", report)
    with open(ROOT / "build/nos.iso", "rb") as image:
        assert image.read(512)[510:] == b"\x55\xaa"
