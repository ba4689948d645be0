"""Partition tables: those that sfdisk makes are read as sfdisk reads them; hostile ones give a line each."""
import binascii
import os
import re
import struct
import subprocess

import pytest

from nos.disk import SECTOR, drive, make_image

ENVIRONMENT = {**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin", "LC_ALL": "C"}
LINUX, ESP = "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
BLOCK = 4096

# What sfdisk is told.
TABLES = {
    "dos": "label: dos\nstart=2048,size=4096,type=83,bootable\nstart=8192,size=2048,type=82\nstart=20480,type=c",
    "dos-one-sector": "label: dos\nstart=1,size=1,type=83\nstart=32767,size=1,type=83",
    "dos-extended": "label: dos\nstart=2048,size=2048,type=83\nstart=4096,size=20480,type=5\n"
                    "start=6144,size=2048,type=83\nstart=10240,size=2048,type=82\nstart=16384,size=1024,type=b",
    "dos-extended-lba-first": "label: dos\nstart=2048,size=28672,type=f\nsize=2048,type=83\nsize=100,type=83\n"
                              "size=200,type=83\nsize=300,type=83\nsize=400,type=83\nsize=500,type=83",
    "dos-out-of-order": "label: dos\nstart=20480,size=2048,type=83\nstart=2048,size=2048,type=83",
    "dos-gaps": "label: dos\n4:start=4096,size=2048,type=83\n2:start=2048,size=1024,type=83",
    "dos-empty": "label: dos\n",
    "gpt": f"label: gpt\nstart=2048,size=4096,type={ESP},name=boot\nsize=4096,type={LINUX},name=\"two words\"\n"
           f"type={LINUX}",
    "gpt-first-lba": f"label: gpt\nfirst-lba: 34\nstart=34,size=1,type={LINUX}\nstart=100,size=77,type={LINUX}",
    "gpt-gaps": f"label: gpt\n128:start=4096,size=8,type={LINUX},name=last\n5:start=2048,size=2048,type={LINUX}",
    "gpt-short-table": f"label: gpt\ntable-length: 4\nstart=2048,size=2048,type={LINUX}",
    "gpt-empty": "label: gpt\n",
}


def sfdisk(*arguments, script=None):
    return subprocess.run(["sfdisk", *map(str, arguments)], input=script, env=ENVIRONMENT, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).stdout


def make_table(path, name):
    make_image(path)
    sfdisk("-q", path, script=TABLES[name] + "\n")
    return path


def dumped(path):
    """What `sfdisk -d` says: number -> (first sector, sectors). Extended partitions hold others: left out."""
    rows = re.findall(r"img(\d+) : start= *(\d+), size= *(\d+), type=(\S+?)(?:,|$)", sfdisk("-d", path), re.MULTILINE)
    return {int(number): (int(start), int(size)) for number, start, size, kind in rows
            if kind.lower() not in ("5", "f", "85")}


def shown(guest, name):
    """The same from the guest's `partitions`."""
    rows = re.findall(rf"^{name}(\d+) +(\d+) +(\d+) ", guest.run("partitions"), re.MULTILINE)
    return {int(number): (int(first), int(last) - int(first) + 1) for number, first, last in rows}


def attach(paths, options=""):
    return [word for i, path in enumerate(paths) for word in
            (*drive(f"d{i}", path), "-device", f"virtio-blk-pci,drive=d{i},addr={i + 4:#x}{options}")]


def test_tables_of_512_byte_blocks(boot, tmp_path):
    paths = [make_table(tmp_path / f"{name}.img", name) for name in TABLES]
    guest = boot(devices=attach(paths))
    for i, path in enumerate(paths):
        assert shown(guest, f"vd{chr(ord('a') + i)}") == dumped(path), path.name
    assert "two words" in guest.run("partitions") and "EFI" in guest.run("partitions")


def widen(source, target):
    """The same table on a disk of 4096-byte blocks: every sector becomes a block, arrays stay together."""
    data = source.read_bytes()
    sectors = len(data) // SECTOR
    is_gpt = data[SECTOR:SECTOR + 8] == b"EFI PART"
    arrays = [range(2, 34), range(sectors - 33, sectors - 1)] if is_gpt else []
    with open(target, "wb") as file:
        file.truncate(sectors * BLOCK)
        for sector in range(sectors):
            content = data[sector * SECTOR:(sector + 1) * SECTOR]
            if any(content):
                array = next((array for array in arrays if sector in array), None)
                place = sector * BLOCK if array is None else array[0] * BLOCK + (sector - array[0]) * SECTOR
                file.seek(place)
                file.write(content)
    return target


def test_tables_of_4096_byte_blocks(boot, tmp_path):
    sources = [make_table(tmp_path / f"{name}.img", name) for name in TABLES]
    paths = [widen(source, tmp_path / f"wide-{source.name}") for source in sources]
    guest = boot(devices=attach(paths, ",logical_block_size=4096,physical_block_size=4096"))
    for i, source in enumerate(sources):
        wanted = {number: (start * 8, size * 8) for number, (start, size) in dumped(source).items()}
        assert shown(guest, f"vd{chr(ord('a') + i)}") == wanted, source.name


# ---- hostile tables ----


def patch(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def mbr_entry(number, kind, start, size):
    return 446 + number * 16, struct.pack("<B3sB3sII", 0, b"\0\0\0", kind, b"\0\0\0", start, size)


def gpt_header(path, at):
    data = bytearray(path.read_bytes()[at * SECTOR:at * SECTOR + 92])
    return data


def seal_gpt(path, at, change):
    """Change bytes of the header at a sector, and make its checksum right again."""
    header = gpt_header(path, at)
    change(header)
    header[16:20] = bytes(4)
    header[16:20] = struct.pack("<I", binascii.crc32(header))
    patch(path, at * SECTOR, header)


def logical_loop(path):
    start = 4096  # the extended partition; its first record points to itself
    patch(path, start * SECTOR + mbr_entry(1, 5, 0, 2048)[0], mbr_entry(1, 5, 0, 2048)[1])


def logical_past_the_end(path):
    patch(path, 4096 * SECTOR + mbr_entry(1, 5, 0xFFFFFF00, 2048)[0], mbr_entry(1, 5, 0xFFFFFF00, 2048)[1])


def logical_without_signature(path):
    patch(path, 4096 * SECTOR + 510, b"\0\0")


def overlap(path):
    patch(path, *mbr_entry(1, 0x83, 3000, 5000))


def past_the_end(path):
    patch(path, *mbr_entry(1, 0x83, 8192, 0xFFFFFFFF))


def both_headers_broken(path):
    last = path.stat().st_size // SECTOR - 1
    patch(path, SECTOR + 40, b"\xff")
    patch(path, last * SECTOR + 40, b"\xff")


def first_header_broken(path):
    patch(path, SECTOR + 40, b"\xff")


def entries_broken(path):
    patch(path, 2 * SECTOR + 32, b"\xff")


def entries_without_end(path):
    for at in (1, path.stat().st_size // SECTOR - 1):
        seal_gpt(path, at, lambda header: header.__setitem__(slice(80, 84), struct.pack("<I", 0xFFFFFFFF)))


HOSTILE = {
    "loop": ("dos-extended", logical_loop, "leads back or out", {1}),
    "out": ("dos-extended", logical_past_the_end, "leads back or out", {1, 5}),
    "signature": ("dos-extended", logical_without_signature, "no signature", {1}),
    "overlap": ("dos", overlap, "overlaps partition", {1, 3}),
    "end": ("dos", past_the_end, "left out", {1, 3}),
    "gpt-1": ("gpt", first_header_broken, "using the second GPT", {1, 2, 3}),
    "gpt-entries": ("gpt", entries_broken, "using the second GPT", {1, 2, 3}),
    "gpt-both": ("gpt", both_headers_broken, "GPT header", set()),
    "gpt-huge": ("gpt", entries_without_end, "GPT", set()),
}


def test_hostile_tables(boot, tmp_path):
    """Each gives a line with the disk's name, what is sound is used, and the prompt comes."""
    paths = []
    for name, (table, spoil, _, _) in HOSTILE.items():
        paths.append(make_table(tmp_path / f"{name}.img", table))
        spoil(paths[-1])
    guest = boot(devices=attach(paths))
    for i, (name, (_, _, message, left)) in enumerate(HOSTILE.items()):
        disk = f"vd{chr(ord('a') + i)}"
        lines = [line for line in guest.log.splitlines() if f"partition: {disk}" in line]
        assert any(message in line for line in lines), f"{name}: {lines}"
        assert set(shown(guest, disk)) >= left and (left or not shown(guest, disk)), name


@pytest.mark.parametrize("content", [b"\xff", b"\0", b"\x55\xaa"])
def test_a_disk_of_one_byte_value(boot, tmp_path, content):
    path = tmp_path / "a.img"
    path.write_bytes((content * (1 << 20))[:1 << 20])
    guest = boot(devices=attach([path]))
    assert shown(guest, "vda") == {} or content == b"\xff"
    assert "vda" in guest.run("disks")
