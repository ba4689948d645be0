"""microvm with parts of the PC left out, each with a disk and a network that work.

The fallbacks that these need are those of Firecracker and Cloud Hypervisor too: no PIT to calibrate
by, no PIC to mask, no RTC to ask, no ACPI to say where the devices are.
"""
import pytest

from nos import disk

MISSING = ["pit=off", "pic=off", "rtc=off", "acpi=off", "acpi=off,pit=off,pic=off,rtc=off"]


def devices(image):
    """A disk and a NIC behind QEMU's own network, which answers pings of 10.0.2.2."""
    return [*disk.drive("d", image), "-device", "virtio-blk-device,drive=d",
            "-netdev", "user,id=n,restrict=on", "-device", "virtio-net-device,netdev=n"]


@pytest.mark.parametrize("missing", MISSING)
def test_disk_and_network_without(boot, tmp_path, missing):
    image = disk.make_image(tmp_path / "disk.img")
    disk.put_pattern(image, 7, 100, 64)
    guest = boot(machine=f"microvm,{missing}", cpus=2, append="ip=10.0.2.15/24,10.0.2.2", devices=devices(image))
    for line in ("disktest vda verify 100 64 -s 7", "disktest vda write 1000 64 -s 9", "ping 10.0.2.2 -c 2"):
        output, is_good = guest.status(line)
        assert is_good, f"{line}: {output}"
    guest.poweroff()
    assert disk.holds_pattern(image, 9, 1000, 64)
