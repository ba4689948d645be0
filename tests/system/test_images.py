"""The disk images of ./nos disk: well-formed, the same each time, and bootable wherever they are put."""
import gzip
import subprocess
import tarfile

import pytest

from nos import build

# Where a machine may keep its disk: QEMU's options, and what nos calls it.
PLACES = {
    "virtio-blk": (["-device", "virtio-blk-pci,drive=boot"], "vda"),
    "virtio-scsi": (["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=boot"], "sda"),
    "nvme": (["-device", "nvme,serial=boot,drive=boot"], "nvme0n1p"),
}
NO_AHCI = "q35,sata=off"
GIB = 1 << 30


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    return {kind: build.make_disk(kind, folder / f"{kind}.qcow2") for kind in ("mbr", "gpt")}


def overlay(image, path):
    """A writable image over @image, which stays as it is."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image, "-F", "qcow2", path], check=True)
    return path


def on_disk(image, place, **options):
    """Options of a guest that boots from @image in that place."""
    drive = ["-drive", f"if=none,id=boot,file={image},format=qcow2"]
    return dict(boot="disk", memory="512", devices=[*drive, *PLACES[place][0]], **options)


def keep_data(guest, partition):
    output, is_good = guest.status(f"format nanofs {partition}")
    assert is_good, output
    for line in ("mkdir /data", f"mount nanofs {partition} /data", "write /data/note kept", "sync"):
        assert guest.status(line)[1], line


def find_data(guest, partition):
    for line in ("mkdir /data", f"mount nanofs {partition} /data"):
        assert guest.status(line)[1], line
    assert guest.run("cat /data/note").strip() == "kept"


@pytest.mark.parametrize("place", PLACES)
def test_mbr_boots_and_keeps_data_over_a_reboot(boot, images, tmp_path, place):
    partition = PLACES[place][1] + "2"
    image = overlay(images["mbr"], tmp_path / "disk.qcow2")
    guest = boot(**on_disk(image, place, machine="pc", reboot=True))
    assert "Multiboot2" in guest.log
    keep_data(guest, partition)
    guest.type("reboot\r")
    guest.wait_prompt()
    assert guest.log.count("nos 0.1 (") == 2
    find_data(guest, partition)
    guest.poweroff()


@pytest.mark.parametrize("place", PLACES)
def test_gpt_boots_by_bios_and_by_uefi_with_the_same_data(boot, images, tmp_path, place):
    partition = PLACES[place][1] + "3"
    image = overlay(images["gpt"], tmp_path / "disk.qcow2")
    guest = boot(**on_disk(image, place, machine=NO_AHCI))
    assert "Multiboot2" in guest.log
    keep_data(guest, partition)
    guest.poweroff()
    guest = boot(**on_disk(image, place, machine=NO_AHCI, uefi=True))
    assert "framebuffer" in guest.log  # it is UEFI that started it
    find_data(guest, partition)
    guest.poweroff()


def test_an_image_without_its_data_partition_boots(boot, tmp_path):
    """root= names a partition that is gone: one line says so, and the prompt comes."""
    image = build.make_disk("mbr", tmp_path / "bare.qcow2", "root=vda2")
    raw = f"{image}.raw"
    subprocess.run(["/sbin/sfdisk", "-q", "--delete", raw, "2"], check=True)
    drive = ["-drive", f"if=none,id=boot,file={raw},format=raw"]
    guest = boot(boot="disk", devices=[*drive, *PLACES["virtio-blk"][0]])
    assert len([line for line in guest.run("dmesg vda2").splitlines() if "WARNING" in line or "ERROR" in line]) == 1
    guest.run("mkdir /data")
    output, is_good = guest.status("mount nanofs vda2 /data")
    assert not is_good and "vda2" in output
    guest.poweroff()


@pytest.mark.parametrize("kind, label, partitions", [("mbr", "dos", 2), ("gpt", "gpt", 3)])
def test_partitions(images, kind, label, partitions):
    raw = f"{images[kind]}.raw"
    verified = subprocess.run(["/sbin/sfdisk", "--verify", raw], capture_output=True, text=True, check=True)
    assert "No errors detected" in verified.stdout and not verified.stderr
    dump = subprocess.run(["/sbin/sfdisk", "-d", raw], check=True, capture_output=True, text=True).stdout
    assert f"label: {label}" in dump
    assert dump.count("start=") == partitions


@pytest.mark.parametrize("kind", ["mbr", "gpt"])
def test_a_second_build_is_the_same(images, tmp_path, kind):
    again = build.make_disk(kind, tmp_path / "again.qcow2")
    subprocess.run(["qemu-img", "compare", "-q", images[kind], again], check=True)
    archives = [build.make_gce(f"{path}.raw", tmp_path / f"{number}.tar.gz")
                for number, path in enumerate((images[kind], again))]
    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_google_cloud_takes_the_archive(images, tmp_path):
    """Its importer wants disk.raw, of whole GiB, in a gzipped tar of the old GNU format."""
    archive = build.make_gce(f"{images['mbr']}.raw", tmp_path / "nos.tar.gz")
    with tarfile.open(archive, "r:gz") as tar:
        members = tar.getmembers()
        assert [(member.name, member.size % GIB, member.isfile()) for member in members] == [("disk.raw", 0, True)]
        assert members[0].size > 0
    subprocess.run(["tar", "-C", tmp_path, "-xzSf", archive], check=True)
    with open(tmp_path / "disk.raw", "rb") as disk:
        assert disk.read(512)[510:] == b"\x55\xaa"
    subprocess.run(["qemu-img", "compare", "-q", "-f", "raw", "-F", "qcow2", tmp_path / "disk.raw",
                    images["mbr"]], check=True)
    with gzip.open(archive) as tar:
        header = tar.read(512)
    assert header[257:265] == b"ustar  \0"  # GNU's magic, old form


def test_an_image_of_odd_size_is_refused(tmp_path):
    odd = tmp_path / "odd.raw"
    odd.write_bytes(b"x" * 1000)
    done = subprocess.run([build.ROOT / "scripts/make_gce", odd, tmp_path / "x.tar.gz"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 2 and "whole number of GiB" in done.stderr
    assert not (tmp_path / "x.tar.gz").exists()
