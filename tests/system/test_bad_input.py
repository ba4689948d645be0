"""What comes from outside and is wrong costs a line that says so, and on it goes."""
import pytest

from nos import acpi_patch, debugger


@pytest.mark.parametrize("append, told", [
    ("nonsense=1", "unknown: nonsense=1"),
    ("smp=maybe", "bad value: smp=maybe"),
    ("log=loud", "expected log=error|warning|info|debug"),
    ("panic=never", "bad value: panic=never"),
    ('run="open', "quote without its end"),
    ("x" * 4096, "unknown: xxxx"),
    ("a=b " * 1024, "unknown: a=b"),
], ids=["unknown", "smp", "log", "panic", "quote", "one word of 4 KiB", "1024 words"])
def test_parameters(boot, append, told):
    """Named in the log and on the console, and ignored."""
    guest = boot(append=append)
    assert told in guest.log
    assert told in guest.run("dmesg parameter")
    guest.poweroff()


@pytest.mark.parametrize("what", acpi_patch.PATCHES)
def test_acpi_tables(start, what):
    guest = start(cpus=2, devices=debugger.STOPPED)
    acpi_patch.run(guest, what)
    guest.wait_prompt()
    assert "WARNING" in guest.log or "ERROR" in guest.log
    assert "MADT" in guest.log or "CPU" in guest.log
    assert "nos 0.1" in guest.run("version")


def test_a_typed_line_of_10000_characters(boot):
    guest = boot()
    output, succeeded = guest.status("y" * 10_000)
    assert not succeeded and "there is no such command" in output
    guest.type("z" * 20_000 + "\r")
    guest.wait_prompt()
    assert "too long" in guest.log
    assert "nos 0.1" in guest.run("version")


def test_control_bytes(boot):
    guest = boot()
    for byte in [*range(1, 32), *range(127, 256)]:
        if byte not in (3, 4, 10, 13):  # Ctrl-C and Ctrl-D do what they are for, the others end the line
            guest.type(chr(byte))
    guest.type("\x1b[999;999;999~\x1b[\x1bO\x1b")
    guest.type("\x03echo again\r")
    guest.expect(r"[\r\n]again[\r\n]+\$ $")


@pytest.mark.parametrize("line, told", [
    ("bt 99999", "99999"), ("bt nonsense", "nonsense"), ("bt", "usage"), ("panic nonsense", "nonsense"),
    ("version extra", "usage"), ("dmesg a b c", "usage"), ("date extra", "usage"),
])
def test_commands(boot, line, told):
    guest = boot()
    output, succeeded = guest.status(line)
    assert told in output and not succeeded
    assert len(output.strip().splitlines()) <= 3
