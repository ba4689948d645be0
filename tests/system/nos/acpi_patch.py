"""Breaks the guest's ACPI tables before the kernel's first instruction, as broken firmware would.

The functions here run inside gdb, which stops the guest at its PVH entry point, where %ebx points
to the start information and that to the RSDP. `run(guest, what)` in the test starts that gdb.
"""
import struct

from nos import build, debugger

PVH_NOTE_TYPE = 18
HEADER = 36  # bytes of an ACPI table's header
SPARE_ROM = 0xD0000  # in the option-ROM area, where no ROM is: outside what the memory map calls RAM


def entry_point(config):
    """The physical address of the PVH entry, from the ELF note."""
    from elftools.elf.elffile import ELFFile

    with open(build.kernel(config), "rb") as file:
        for segment in ELFFile(file).iter_segments("PT_NOTE"):
            data = segment.data()
            name_size, value_size, kind = struct.unpack_from("<III", data)
            if kind == PVH_NOTE_TYPE:
                return int.from_bytes(data[12 + (name_size + 3) // 4 * 4:][:value_size], "little")
    raise ValueError("no PVH note")


def run(guest, what):
    """Let a guest that was started STOPPED go on with broken tables."""
    debugger.run_python(guest, __name__, f"patch.inside_gdb({entry_point(guest.machine.config)}, {what!r})")


# ---- from here on inside gdb ----


class Memory:
    """Physical memory, through the debugger."""

    def __init__(self, inferior):
        self.inferior = inferior

    def read(self, address, size):
        return bytes(self.inferior.read_memory(address, size))

    def write(self, address, data):
        self.inferior.write_memory(address, bytes(data))

    def number(self, address, size):
        return int.from_bytes(self.read(address, size), "little")


def with_checksum(table):
    """The same table with byte 9 such that all bytes add up to 0."""
    table = bytearray(table)
    table[9] = 0
    table[9] = -sum(table) & 0xFF
    return bytes(table)


def root_tables(memory, rsdp):
    """(address, size of an entry) of the RSDT and, where there is one, of the XSDT."""
    yield memory.number(rsdp + 16, 4), 4
    if memory.number(rsdp + 15, 1) >= 2 and memory.number(rsdp + 24, 8):
        yield memory.number(rsdp + 24, 8), 8


def find_entries(memory, rsdp, signature):
    """(where the pointer is, its size, the table's address, the root table) for a signature."""
    for root, size in root_tables(memory, rsdp):
        for place in range(root + HEADER, root + memory.number(root + 4, 4), size):
            address = memory.number(place, size)
            if memory.read(address, 4) == signature:
                yield place, size, address, root


def read_table(memory, address):
    return memory.read(address, memory.number(address + 4, 4))


def break_checksum(memory, _rsdp, address):
    memory.write(address + 9, [memory.number(address + 9, 1) ^ 0x55])


def truncate_table(memory, _rsdp, address):
    """Cut the last entry in two, with a good checksum."""
    table = bytearray(read_table(memory, address))
    table[4:8] = struct.pack("<I", len(table) - 3)
    memory.write(address, with_checksum(table[:-3]))


def shorten_table(memory, _rsdp, address):
    """A length that does not even cover the header."""
    memory.write(address + 4, struct.pack("<I", 20))


def lengthen_table(memory, _rsdp, address):
    """A length of nearly 4 GiB."""
    memory.write(address + 4, struct.pack("<I", 0xFFFFFF00))


def madt_of_200_cpus(memory, rsdp, address):
    """The same MADT with 200 enabled local APICs, of which only the first exist."""
    table = read_table(memory, address)
    entries, offset = b"", 44
    while offset < len(table):
        length = table[offset + 1]
        if table[offset] != 0:  # all but the local APICs
            entries += table[offset:offset + length]
        offset += length
    apics = b"".join(struct.pack("<BBBBI", 0, 8, number, number, 1) for number in range(200))
    bigger = bytearray(table[:44] + apics + entries)
    bigger[4:8] = struct.pack("<I", len(bigger))
    memory.write(SPARE_ROM, with_checksum(bigger))
    assert memory.read(SPARE_ROM, 4) == b"APIC"
    for place, size, _, root in find_entries(memory, rsdp, b"APIC"):
        memory.write(place, SPARE_ROM.to_bytes(size, "little"))
        memory.write(root, with_checksum(read_table(memory, root)))


PATCHES = {"checksum": break_checksum, "truncated": truncate_table, "short": shorten_table,
           "long": lengthen_table, "200 cpus": madt_of_200_cpus}


def inside_gdb(entry, what):
    import gdb

    gdb.execute(f"hbreak *{entry:#x}")
    gdb.execute("continue")
    memory = Memory(gdb.selected_inferior())
    start_info = int(gdb.parse_and_eval("$rbx")) & 0xFFFFFFFF
    rsdp = memory.number(start_info + 32, 8)
    _, _, address, _ = next(find_entries(memory, rsdp, b"APIC"))
    PATCHES[what](memory, rsdp, address)
    gdb.execute("delete")
    print("PATCHED")
    gdb.execute("detach")
