"""Memory of every size, from the smallest that boots to above 4 GiB."""
import re

import pytest

MIB = 1 << 20


def usage(guest):
    """(total, used) of `memusage`, in bytes."""
    rows = re.findall(r"^(total|used) +\d+ +(\d+)$", guest.run("memusage"), re.MULTILINE)
    kib = {name: int(size) for name, size in rows}
    return kib["total"] << 10, kib["used"] << 10


@pytest.mark.parametrize("machine", ["pc", "q35", "microvm"])
def test_16_mib(boot, machine):
    guest = boot(memory="16", machine=machine, config="gcc-release")
    total, _ = usage(guest)
    assert total <= 16 * MIB
    guest.poweroff()


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_6_gib_are_used(boot, machine):
    guest = boot(memory="6G", machine=machine)
    total, _ = usage(guest)
    assert 6 * 1024 * MIB - 16 * MIB < total <= 6 * 1024 * MIB
    guest.poweroff()


def test_at_most_6_mib_at_the_prompt(boot):
    """Everything that is not free for use, the kernel's image and its page tables included."""
    guest = boot(memory="64", cpus=1, config="gcc-release")
    total, used = usage(guest)
    assert used + (64 * MIB - total) <= 6 * MIB, f"{used >> 10} of {total >> 10} KiB are in use"
