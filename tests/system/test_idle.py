"""Waiting is real: an idle guest leaves the machine alone, and a busy one still answers."""
import time

import pytest

from nos.guest import PATIENCE


def check_idle(guest, seconds=5):
    """While nobody types QEMU takes less than 3 % of a core, as soon as what the boot has left to do is done."""
    end = time.monotonic() + 60 * PATIENCE
    share = 1.0
    while share >= 0.03:
        assert time.monotonic() < end, f"{share:.1%} of a core"
        before = guest.cpu_seconds()
        time.sleep(seconds)
        share = (guest.cpu_seconds() - before) / seconds


def test_idle_prompt_takes_under_3_percent(boot):
    guest = boot(cpus=4, config="gcc-release")
    guest.run("version")
    check_idle(guest)


@pytest.mark.parametrize("machine", ["pc", "microvm"])
def test_idle_on_other_machines(boot, machine):
    guest = boot(cpus=4, config="gcc-release", machine=machine)
    check_idle(guest)


def test_a_thousand_sleeping_tasks_cost_nothing(boot):
    guest = boot(cpus=4, config="gcc-release")
    guest.run("stress sleep 1000 600")
    check_idle(guest)


@pytest.mark.parametrize("cpus", [1, 4])
def test_spinning_tasks_do_not_stop_the_shell(boot, cpus):
    """More tasks than CPUs that never let go of theirs; on one CPU too."""
    guest = boot(cpus=cpus)
    guest.run(f"stress spin {2 * cpus} 5")
    before = guest.cpu_seconds()
    for _ in range(5):
        assert "nos 0.1" in guest.run("version")
        guest.run("sleep 100ms")
    assert guest.cpu_seconds() - before > 0.1  # they did spin
