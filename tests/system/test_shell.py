"""The shell, typed at over the serial line."""
import re
import time

import pytest

UP, LEFT, RIGHT, HOME, END, DELETE = ("\x1b[A", "\x1b[D", "\x1b[C", "\x1b[H", "\x1b[F", "\x1b[3~")
CTRL_A, CTRL_C, CTRL_E, CTRL_K, CTRL_U = "\x01", "\x03", "\x05", "\x0b", "\x15"


def test_words_quotes_and_status(boot):
    guest = boot()
    assert guest.run("echo one   two").strip() == "one two"
    assert guest.run('echo "one   two" \'$?\' a\\ b').strip() == "one   two $? a b"
    assert guest.run("echo 1; echo 2;echo 3").split() == ["1", "2", "3"]
    _, succeeded = guest.status("version")
    assert succeeded
    output, succeeded = guest.status("nonsense")
    assert not succeeded and "nonsense: there is no such command" in output
    output, succeeded = guest.status('echo "open')
    assert not succeeded and "has no end" in output


def test_redirection(boot):
    guest = boot()
    guest.run("mkdir /tmp; mount ramfs /tmp")
    guest.run("echo first > /tmp/file; echo second >> /tmp/file")
    assert guest.run("cat /tmp/file").split() == ["first", "second"]
    guest.run("version > /tmp/file")
    assert guest.run("cat /tmp/file").startswith("nos 0.1")
    output, succeeded = guest.status("echo lost > /nowhere/file")
    assert not succeeded and "cannot open /nowhere/file" in output


def test_echo_is_plain(boot):
    """No escape sequence unless an editing key was pressed: a script can drive it."""
    guest = boot()
    guest.run("echo " + "x" * 200)
    guest.run("version")
    assert "\x1b" not in guest.log


def test_editing_keys(boot):
    guest = boot()
    for keys in (f"echo ac{LEFT}b", f"cho abc{HOME}e", f"echo abd{LEFT}{DELETE}c",
                 f"abc{CTRL_A}echo {END}", f"nonsense{CTRL_U}echo abc", f"echo abcdef{LEFT * 3}{CTRL_K}",
                 "echo abx\x7fc"):
        guest.type(keys + "\r")
        assert guest.wait_prompt().rstrip().endswith("\nabc"), keys


def test_history_and_completion(boot):
    guest = boot()
    guest.run("echo first")
    guest.run("echo second")
    guest.type(UP + UP + "\r")
    assert guest.wait_prompt().rstrip().endswith("\nfirst")
    guest.type("vers\t\r")
    assert "nos 0.1" in guest.wait_prompt()


@pytest.mark.parametrize("command", ["sleep 1000", "ping 10.0.2.77", "dmesg; dmesg; random 1048576; random 1048576; random 1048576"])
def test_ctrl_c_ends_any_command(boot, command):
    guest = boot(append="ip=10.0.2.15/24,10.0.2.2",
                 devices=["-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n,romfile="])
    guest.type(command + "\r")
    time.sleep(0.5)  # the point is to hit it at work
    guest.type(CTRL_C)
    guest.wait_prompt()
    assert guest.run("echo $?").strip() not in ("", "0")


def test_pasted_text_loses_nothing(boot):
    guest = boot()
    lines = [f"echo line {number} {'x' * (number % 70 + 1)}" for number in range(300)]
    guest.type("".join(line + "\r" for line in lines) + "echo the end\r")
    guest.expect(r"[\r\n]the end[\r\n]")
    printed = set(re.findall(r"[\r\n](line \d+ x+)(?=[\r\n])", guest.log))
    assert printed == {line.removeprefix("echo ") for line in lines}


def test_help_knows_every_command(boot):
    guest = boot()
    listed = re.findall(r"^ *([a-z][a-z0-9]*) ", guest.run("help"), re.MULTILINE)
    for name in ("cls cpu dmesg uptime date ps bt watchdog memusage pci irqstat help version "
                 "panic poweroff shutdown reboot random").split():
        assert name in listed
        output, succeeded = guest.status(f"help {name}")
        assert succeeded and name in output
    output, succeeded = guest.status("help nonsense")
    assert not succeeded and "nonsense" in output


def test_commands_without_arguments_take_none(boot):
    """Not even poweroff: who types more than that wants something else."""
    guest = boot()
    names = re.findall(r"^(\w+)  +\S", guest.run("help"), re.MULTILINE)
    assert {"cpu", "ps", "locks", "poweroff"} <= set(names)
    for name in names:
        output, succeeded = guest.status(f"{name} superfluous")
        assert not succeeded and output == f"usage: {name}\n", output


def test_log_stays_in_dmesg(boot):
    guest = boot()
    assert "boot: nos 0.1" in guest.run("dmesg")
    filtered = guest.run("dmesg started").strip().splitlines()
    assert filtered and all("started" in line for line in filtered)


def test_run_parameter(start):
    """run="..." types for the user, and the prompt comes after it."""
    guest = start(append='run="echo one; nonsense; echo two"')
    guest.expect(r"[\r\n]two[\r\n]")  # there is a prompt before what is typed, too
    guest.wait_prompt()
    assert re.search(r"[\r\n]one[\r\n](.*[\r\n])*two[\r\n]", guest.log)
    assert "there is no such command" in guest.log
