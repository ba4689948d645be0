"""The disk images of ./nos disk: well-formed, the same each time, and bootable wherever they are put."""
import hashlib
import subprocess

import pytest

from nos import build

# Where a machine may keep its disk. QEMU's options; FILE is the image.
PLACES = {
    "virtio-blk": ["-device", "virtio-blk-pci,drive=boot"],
    "virtio-scsi": ["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=boot"],
    "nvme": ["-device", "nvme,serial=boot,drive=boot"],
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    return {kind: build.make_disk(kind, folder / f"{kind}.qcow2") for kind in ("mbr", "gpt")}


@pytest.mark.parametrize("kind, firmware", [("mbr", "bios"), ("gpt", "bios"), ("gpt", "uefi")])
@pytest.mark.parametrize("place", PLACES)
def test_boots(boot, images, kind, firmware, place):
    drive = ["-drive", f"if=none,id=boot,file={images[kind]},format=qcow2,snapshot=on"]
    guest = boot(boot="disk", uefi=firmware == "uefi", memory="512", devices=[*drive, *PLACES[place]])
    assert "Multiboot2" in guest.log
    guest.poweroff()


@pytest.mark.parametrize("kind, label, partitions", [("mbr", "dos", 2), ("gpt", "gpt", 3)])
def test_partitions(images, kind, label, partitions):
    raw = f"{images[kind]}.raw"
    subprocess.run(["/sbin/sfdisk", "--verify", raw], check=True)
    dump = subprocess.run(["/sbin/sfdisk", "-d", raw], check=True, capture_output=True, text=True).stdout
    assert f"label: {label}" in dump
    assert dump.count("start=") == partitions


@pytest.mark.parametrize("kind", ["mbr", "gpt"])
def test_a_second_build_is_the_same(images, tmp_path, kind):
    again = build.make_disk(kind, tmp_path / "again.qcow2")
    sums = [hashlib.sha256(open(f"{path}.raw", "rb").read()).digest() for path in (images[kind], again)]
    assert sums[0] == sums[1]
