"""Waiting is real: an idle guest leaves the machine alone, and a busy one still answers."""
import time

import pytest


def cpu_share(guest, seconds=5):
    """How much of one core QEMU takes while nobody types."""
    before = guest.cpu_seconds()
    time.sleep(seconds)
    return (guest.cpu_seconds() - before) / seconds


def test_idle_prompt_takes_under_3_percent(boot):
    guest = boot(cpus=4, config="gcc-release")
    guest.run("version")
    time.sleep(1)  # what the boot has left to do
    share = cpu_share(guest)
    assert share < 0.03, f"{share:.1%} of a core"


@pytest.mark.parametrize("machine", ["pc", "microvm"])
def test_idle_on_other_machines(boot, machine):
    guest = boot(cpus=4, config="gcc-release", machine=machine)
    time.sleep(1)
    assert cpu_share(guest) < 0.03
