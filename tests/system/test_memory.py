"""Memory of every size, from the smallest that boots to above 4 GiB."""
import re
import subprocess

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


@pytest.mark.parametrize("machine", ["pc", "microvm"])
@pytest.mark.parametrize("config", ["gcc-release", "gcc-debug"])
def test_4_mib(boot, machine, config):
    """The ROM of the network card has left its own data where the kernel's variables are."""
    nic = ["-device", "virtio-net-pci"] if machine == "pc" else []
    guest = boot(memory="4", machine=machine, config=config, devices=nic)
    total, used = usage(guest)
    assert used < total < 4 * MIB
    guest.poweroff()


def test_8_mib_by_grub(boot):
    """GRUB loads what it finds in the file, so symbols must not be there."""
    guest = boot(memory="8", machine="pc", boot="iso", config="gcc-release")
    guest.poweroff()


@pytest.mark.parametrize("machine", ["pc", "q35", "microvm"])
def test_too_little_memory(start, machine):
    """The image does not fit: said before any of it is used, on the serial line and on the screen."""
    guest = start(memory="3", machine=machine)
    said = guest.expect(r"nos: only (\d+) KiB of memory; needs (\d+) KiB\r\n")
    has, needs = map(int, said.groups())
    assert 2048 < has <= 3072 < needs < 4096
    if machine != "microvm":
        assert f"nos: only {has} KiB of memory; needs {needs} KiB" in guest.screen()


def test_too_little_memory_for_grub(start):
    """It is GRUB who stops there, and it has to say so on the serial line too."""
    guest = start(memory="4", machine="pc", boot="iso", config="gcc-release")
    guest.expect("nos: GRUB cannot load the kernel")


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


def test_100000_files_in_64_mib(boot, tmp_path):
    """Caches give back what they have when memory runs low; nobody else has to do without."""
    disk = tmp_path / "a.img"
    subprocess.run(["truncate", "-s", "256M", disk], check=True)
    guest = boot(memory="64", cpus=1, config="gcc-release",
                 devices=["-drive", f"if=none,id=a,format=raw,file={disk},cache=unsafe",
                          "-device", "virtio-blk-pci,drive=a"])
    assert guest.status("format nanofs vda")[1]
    assert guest.status("mkdir /m")[1]
    assert guest.run("mount nanofs vda /m") == ""
    output = guest.run("bench growth_files /m", timeout=120)
    assert guest.run("echo $?").strip() == "0", guest.run("dmesg")
    assert "growth_stat_100000 " in output and "growth_make_100000 " in output
    assert not re.search("memory|read-only", guest.run("dmesg nanofs"))
    total, used = usage(guest)
    assert used < total - MIB
    assert guest.run("umount /m", timeout=60) == ""
    assert "clean" in guest.run("fsck nanofs vda", timeout=60)
