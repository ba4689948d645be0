"""Memory of every size, from the smallest that boots to above 4 GiB."""
import re

import pytest

from nos import build

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


@pytest.mark.parametrize("memory,limit", [("8", 2), ("512", 2), ("6G", 4)])
def test_memory_at_the_prompt(boot, memory, limit):
    """Everything that is not free for use, the kernel's image and its page tables included."""
    guest = boot(memory=memory, cpus=1, config="gcc-release")
    guest.wait_boot_over()
    total, used = usage(guest)
    assert used <= limit * MIB, f"{used >> 10} of {total >> 10} KiB are in use"
    guest.poweroff()


def test_what_only_the_boot_needed_is_gone(boot):
    """The CPU finds nothing at those addresses any more, and what follows them is there."""
    guest = boot(cpus=2)
    guest.wait_boot_over()
    symbols = build.symbol_addresses()
    starts = [name for name in symbols if re.fullmatch("kernel_init_[a-z]+_start", name)]
    assert len(starts) == 4
    for name in starts:
        start, end = symbols[name], symbols[name.replace("_start", "_end")]
        assert start < end, name
        for page in (start, (start + end) // 2, end - 4096):
            assert "Cannot access" in guest.qmp.monitor(f"x /1xb {page:#x}"), f"{name}: {page:#x}"
        assert "Cannot access" not in guest.qmp.monitor(f"x /1xb {end:#x}"), f"{name}: {end:#x}"
    guest.poweroff()
