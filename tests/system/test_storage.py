"""Disks of every kind on every transport: what the guest writes is what the host finds, and back."""
import itertools
import re

import pytest

from nos import disk
from nos.disk import drive, holds_pattern, make_image, put_pattern

COUNT = 4096  # sectors: 2 MiB


def statistics(guest, name):
    """The counters of a disk in `disks -v`, e.g. {"in flight": 0, "at most": 32, ...}."""
    found = re.search(rf"^{name} .*\n((?:    .*\n)+)", guest.run("disks -v"), re.MULTILINE)
    assert found, f"{name} is not listed"
    return {label.strip(): int(number) for label, number in re.findall(r"([a-z ]+?) (\d+)", found[1])}


def good(guest, command, timeout=None):
    output, succeeded = guest.status(command, timeout)
    assert succeeded, f"{command}: {output}"
    return output


def bad(guest, command, message, timeout=None):
    output, succeeded = guest.status(command, timeout)
    assert not succeeded and message in output, f"{command}: {output}"


def check_both_ways(guest, name, image, seed):
    """@image holds pattern @seed from sector 8192 on already."""
    good(guest, f"disktest {name} verify 8192 {COUNT} -s {seed}")
    good(guest, f"disktest {name} write 0 {COUNT} -s {seed + 1} -b 200 -o 3")
    good(guest, f"disktest {name} verify 0 {COUNT} -s {seed + 1} -b 7")
    assert holds_pattern(image, seed + 1, 0, COUNT), f"{name}: the host finds something else"


class Images:
    """The images of one guest, each with known data."""

    def __init__(self, folder):
        self.folder = folder
        self.paths = {}

    def add(self, identity, *options, mib=16):
        path = make_image(self.folder / f"{identity}.img", mib)
        put_pattern(path, len(self.paths) * 10, 8192, COUNT)
        self.paths[identity] = (path, len(self.paths) * 10)
        return drive(identity, path, *options)

    def check(self, guest, names):
        """@names: of the disks in the guest, by image."""
        for identity, name in names.items():
            check_both_ways(guest, name, *self.paths[identity])


# ---- the matrix of virtio ----

# machine, transport, interrupts, event_idx, indirect_desc, queue size, queues, logical block
MATRIX = [
    ("pc", "legacy", "msix", "on", "on", 16, 1, 512),
    ("q35", "legacy", "intx", "off", "off", 256, 4, 4096),
    ("pc", "legacy", "msix", "off", "off", 64, 4, 512),
    ("q35", "transitional", "msix", "off", "on", 1024, 4, 512),
    ("pc", "transitional", "intx", "on", "off", 64, 1, 4096),
    ("q35", "modern", "msix", "on", "off", 128, 4, 4096),
    ("pc", "modern", "intx", "off", "on", 1024, 1, 512),
    ("microvm", "mmio-1", "line", "on", "on", 1024, 4, 512),
    ("microvm", "mmio-1", "line", "off", "off", 16, 1, 4096),
    ("microvm", "mmio-2", "line", "on", "off", 256, 4, 512),
    ("microvm", "mmio-2", "line", "off", "on", 128, 1, 4096),
]


def missing_pairs():
    """Of transport and each setting, and of the two-valued settings: what no row has together."""
    rows = [row[1:] for row in MATRIX]
    for a, b in itertools.combinations(range(7), 2):
        if 4 in (a, b):  # queue sizes: each with each transport would be thirty guests
            continue
        values = [{row[i] for row in rows} for i in (a, b)]
        for pair in itertools.product(*values):
            is_impossible = ("line" in pair) != any("mmio" in str(value) for value in pair)
            if a == 0 and b == 1 and is_impossible:
                continue
            if pair not in {(row[a], row[b]) for row in rows}:
                yield pair


def test_the_matrix_has_every_pair():
    assert not list(missing_pairs())


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: "-".join(map(str, row[1:])))
def test_virtio(boot, tmp_path, row):
    machine, transport, interrupts, event_idx, indirect, size, queues, block = row
    kind = "device" if machine == "microvm" else "pci"
    common = f"event_idx={event_idx},indirect_desc={indirect}"
    if kind == "pci":
        common += {"legacy": ",disable-modern=on,disable-legacy=off", "transitional": "",
                   "modern": ",disable-legacy=on"}[transport]
        common += ",vectors=0" if interrupts == "intx" else ""
    blocks = f"logical_block_size={block},physical_block_size=4096"
    images = Images(tmp_path)
    devices = [*images.add("blk"), *images.add("scsi0"), *images.add("scsi1"),
               "-device", f"virtio-blk-{kind},drive=blk,{common},queue-size={size},num-queues={queues},{blocks}",
               "-device", f"virtio-scsi-{kind},id=s,{common},virtqueue_size={size},num_queues={queues}",
               "-device", f"scsi-hd,bus=s.0,channel=0,scsi-id=3,lun=0,drive=scsi0,{blocks}",
               "-device", f"scsi-hd,bus=s.0,channel=0,scsi-id=200,lun=77,drive=scsi1,{blocks}",
               "-device", f"virtio-rng-{kind},{common}"]
    if transport == "mmio-1":
        devices += ["-global", "virtio-mmio.force-legacy=true"]
    guest = boot(machine=machine, cpus=4 if queues > 1 else 2, cpu="qemu64", devices=devices)
    assert f"block {block}" in guest.run("disks")
    images.check(guest, {"blk": "vda", "scsi0": "sda", "scsi1": "sdb"})
    assert "at 200:77" in guest.run("disks")
    assert int(re.search(r"virtio-rng +8 +(\d+) +0", guest.run("entropy"))[1]) >= 32
    guest.poweroff()


@pytest.mark.parametrize("option", ["packed=on", "iommu_platform=on,disable-legacy=on", "config-wce=off", "write-cache=off",
                                    "discard=off", "seg-max-adjust=off", "event_idx=off,packed=on"])
def test_other_features_of_virtio_blk(boot, tmp_path, option):
    images = Images(tmp_path)
    guest = boot(devices=[*images.add("a"), "-device", f"virtio-blk-pci,drive=a,{option}"])
    images.check(guest, {"a": "vda"})


# ---- NVMe ----

NVME = {
    "4 queues": dict(cpus=4, options=""),
    "1 queue": dict(cpus=4, options=",max_ioqpairs=1"),
    "1 vector": dict(cpus=4, options=",msix_qsize=1"),
    "8 KiB at once": dict(cpus=2, options=",mdts=1"),
    "INTx": dict(cpus=2, options="", append="pci.msix=off"),
    "pc": dict(cpus=1, options="", machine="pc"),
}


@pytest.mark.parametrize("variant", NVME)
def test_nvme(boot, tmp_path, variant):
    settings = dict(NVME[variant])
    options = settings.pop("options")
    images = Images(tmp_path)
    devices = [*images.add("a", "discard=unmap"), *images.add("b"), *images.add("c"), *images.add("d"),
               "-device", f"nvme,serial=1,drive=a{options}",
               "-device", f"nvme,serial=2,id=n1{options}",
               "-device", "nvme-ns,bus=n1,drive=b,nsid=2,logical_block_size=4096,physical_block_size=4096",
               "-device", "nvme-ns,bus=n1,drive=c,nsid=9",
               "-device", f"nvme,serial=3,drive=d{options}"]
    guest = boot(devices=devices, **settings)
    images.check(guest, {"a": "nvme0n1", "b": "nvme1n2", "c": "nvme1n9", "d": "nvme2n1"})
    good(guest, "disktest nvme0n1 write 0 2048 -b 8 -f")
    good(guest, "disktest nvme0n1 discard 0 1024")
    assert statistics(guest, "nvme0n1")["discards"] > 0
    good(guest, "disktest nvme0n1 verify 1024 1024")
    guest.poweroff()


# ---- how many, how large, how deep ----


def test_sixteen_disks(boot, tmp_path):
    images = Images(tmp_path)
    devices = [word for i in range(16) for word in
               (*images.add(f"d{i}", mib=8), "-device", f"virtio-blk-pci,drive=d{i},addr={i + 4:#x}")]
    guest = boot(cpus=2, devices=devices)
    for i in range(16):
        name = f"vd{chr(ord('a') + i)}"
        good(guest, f"disktest {name} verify 8192 2048 -s {i * 10}")
        good(guest, f"disktest {name} write 0 256 -s {i}")
    for i in range(16):
        assert holds_pattern(images.paths[f"d{i}"][0], i, 0, 256)


SLOW = ["-blockdev", "driver=null-co,node-name=slow,size=67108864,latency-ns=30000000,read-zeroes=on"]


@pytest.mark.parametrize("device", ["virtio-blk-pci,drive=slow", "virtio-blk-pci,drive=slow,num-queues=1,queue-size=16",
                                    "virtio-blk-pci,drive=slow,num-queues=1,queue-size=16,indirect_desc=off",
                                    "nvme,serial=1,drive=slow", "scsi-hd,drive=slow"])
def test_32_readers_keep_32_requests_in_the_ring(boot, device):
    """Each takes 30 ms, so that all that may be in flight are. A small ring takes what fits."""
    adapter = ["-device", "virtio-scsi-pci"] if "scsi" in device else []
    guest = boot(cpus=2, devices=[*SLOW, *adapter, "-device", device])
    name = {"v": "vda", "n": "nvme0n1", "s": "sda"}[device[0]]
    good(guest, f"disktest {name} read 0 1024 -b 8 -j 32")
    counters = statistics(guest, name)
    if "queue-size=16" in device:
        # A request counts until its owner is told, when its place in the ring is free already:
        # one more for each CPU that is telling.
        assert counters["ring full"] > 0 and 4 <= counters["at most"] <= 16 + 2
    else:
        assert counters["at most"] == 32 and counters["ring full"] == 0
    assert counters["in flight"] == 0 and counters["errors"] == 0


def test_any_buffer(boot, tmp_path):
    """1 MiB at once, across pages, at every kind of address."""
    images = Images(tmp_path)
    guest = boot(cpus=2, devices=[*images.add("a"), *images.add("b"), *images.add("c"),
                                  "-device", "virtio-blk-pci,drive=a", "-device", "nvme,serial=1,drive=b",
                                  "-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=c"])
    names = {"a": "vda", "b": "nvme0n1", "c": "sda"}
    for seed, offset in enumerate([0, 1, 4, 511, 512, 2049, 4092, 4095]):
        for identity, name in names.items():
            good(guest, f"disktest {name} write 1 6144 -b 2048 -j 2 -o {offset} -s {seed}")
            good(guest, f"disktest {name} verify 1 6144 -b 2047 -j 2 -o {4095 - offset} -s {seed}")
    for identity in names:
        assert holds_pattern(images.paths[identity][0], 7, 1, 6144)


@pytest.mark.parametrize("block", [512, 4096])
def test_discard(boot, tmp_path, block):
    """What is discarded reads as zeros on the host, what lies beside it is as it was."""
    images = Images(tmp_path)
    blocks = f",logical_block_size={block},physical_block_size=4096"
    devices = [*images.add("a", "discard=unmap"), *images.add("b", "discard=unmap"), *images.add("c", "discard=unmap"),
               "-device", "virtio-blk-pci,drive=a" + blocks, "-device", "nvme,serial=1,id=n",
               "-device", "nvme-ns,bus=n,drive=b,discard_granularity=4096" + blocks, "-device", "virtio-scsi-pci",
               "-device", "scsi-hd,drive=c,discard_granularity=4096" + blocks]
    guest = boot(cpus=2, devices=devices)
    for identity, name in {"a": "vda", "b": "nvme0n1", "c": "sda"}.items():
        good(guest, f"disktest {name} discard {8192 + 1024} 2048 -b 512")
        assert statistics(guest, name)["discards"] == 4
        path, seed = images.paths[identity]
        assert holds_pattern(path, seed, 8192, 1024) and holds_pattern(path, seed, 8192 + 3072, 1024)
        with open(path, "rb") as file:
            file.seek((8192 + 1024) * disk.SECTOR)
            assert not any(file.read(2048 * disk.SECTOR))


def test_read_only(boot, tmp_path):
    images = Images(tmp_path)
    guest = boot(devices=[*images.add("a", "readonly=on"), *images.add("b", "readonly=on"),
                          "-device", "virtio-blk-pci,drive=a", "-device", "virtio-scsi-pci",
                          "-device", "scsi-hd,drive=b"])
    listing = guest.run("disks")
    for identity, name in {"a": "vda", "b": "sda"}.items():
        path, seed = images.paths[identity]
        assert re.search(rf"{name} .*read-only", listing)
        good(guest, f"disktest {name} verify 8192 {COUNT} -s {seed}")
        bad(guest, f"disktest {name} write 8192 8 -s 1", "read-only")
        bad(guest, f"diskwrite {name} 0 00", "read-only")
        assert holds_pattern(path, seed, 8192, COUNT)


def test_ramdisk(boot):
    guest = boot(cpus=2)
    assert good(guest, "ramdisk 8M").strip() == "ram0" and good(guest, "ramdisk 1M").strip() == "ram1"
    good(guest, "disktest ram0 write 0 16384 -s 9")
    good(guest, "disktest ram0 discard 4096 64")
    bad(guest, "disktest ram0 verify 0 16384 -s 9", "sector 4096 is not what was written")
    good(guest, "ramdisk remove ram0")
    bad(guest, "disktest ram0 read 0 1", "no disk named ram0")
    bad(guest, "ramdisk remove ram0", "no RAM disk named ram0")
    for nonsense in ("ramdisk", "ramdisk 0", "ramdisk 700", "ramdisk x"):
        assert not guest.status(nonsense)[1]
    assert "ram1" in guest.run("disks")


# ---- bad input ----


@pytest.mark.parametrize("command, message", [
    ("diskread vdz 0", "no disk named vdz"), ("diskread vda 32768", "sectors 0 to 32767 only"),
    ("diskread vda -1", "not a sector number"), ("diskwrite vda 99999999999999999999 00", "not a sector number"),
    ("diskwrite vda 0 abc", "even number of digits"), ("diskwrite vda 0 xy", "not hex"),
    ("disktest vda write 32768 1", "sectors 0 to 32767 only"), ("disktest vda write 1 32768", "sectors 0 to"),
    ("disktest vda erase 0 1", "usage"), ("disktest vda write 0 1 -b 0", "usage"), ("disks -x", "usage"),
])
def test_bad_input(boot, tmp_path, command, message):
    images = Images(tmp_path)
    guest = boot(devices=[*images.add("a"), "-device", "virtio-blk-pci,drive=a"])
    output, succeeded = guest.status(command)
    assert not succeeded and message in output
    path, seed = images.paths["a"]
    assert holds_pattern(path, seed, 8192, COUNT)
    with open(path, "rb") as file:
        assert not any(file.read(8192 * disk.SECTOR))
