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


def test_a_thousand_sleeping_tasks_cost_nothing(boot):
    guest = boot(cpus=4, config="gcc-release")
    guest.run("stress sleep 1000 60")
    time.sleep(1)
    share = cpu_share(guest)
    assert share < 0.03, f"{share:.1%} of a core"


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
