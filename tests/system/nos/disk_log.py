"""Disks whose writes are recorded by QEMU's blklogwrites, and what a power cut leaves of them.

The record has the format of dm-log-writes: a header sector, then for each request one sector that
describes it, followed by its data.
"""
import dataclasses
import struct

SECTOR = 512
FLUSH, FUA, DISCARD = 1, 2, 4


@dataclasses.dataclass
class Entry:
    offset: int
    data: bytes
    is_flush: bool


def options(disk, log):
    """QEMU options for @disk (a Path) as the guest's vda, its writes recorded in @log."""
    with open(log, "wb") as file:
        file.truncate(256 << 20)
    return ["-blockdev", f"driver=file,filename={disk},node-name=f0",
            "-blockdev", f"driver=file,filename={log},node-name=l0",
            "-blockdev", "driver=blklogwrites,node-name=lw,file=f0,log=l0,log-sector-size=512,"
                         "log-super-update-interval=1",
            "-device", "virtio-blk-pci,drive=lw"]


def count(log):
    """How many requests are in the record."""
    with open(log, "rb") as file:
        return struct.unpack("<QQQI", file.read(28))[2]


def read(log):
    """The record as a list of entries."""
    entries = []
    with open(log, "rb") as file:
        magic, _, number, sector_size = struct.unpack("<QQQI", file.read(28))
        assert magic == 0x6A736677736872 and sector_size == SECTOR
        position = SECTOR
        for _ in range(number):
            file.seek(position)
            sector, sectors, flags, _ = struct.unpack("<4Q", file.read(32))
            file.seek(position + SECTOR)
            data = b"" if flags & DISCARD else file.read(sectors * SECTOR)
            entries.append(Entry(sector * SECTOR, data, bool(flags & FLUSH)))
            position += SECTOR + len(data)
    return entries


def cut(image, entries, at, random=None):
    """Apply to the bytearray @image what entries[:at] leave: all of it, or with @random everything
    up to the last flush and any subset of what came after."""
    flushed = max((i for i in range(at) if entries[i].is_flush), default=-1) if random else at
    for i, entry in enumerate(entries[:at]):
        if i <= flushed or random.random() < 0.5:
            image[entry.offset:entry.offset + len(entry.data)] = entry.data
