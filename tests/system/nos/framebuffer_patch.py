"""Changes the framebuffer that GRUB describes before the kernel's first instruction, as a firmware
with a strange mode would.

The functions here run inside gdb, which stops the guest at its Multiboot2 entry point, where %ebx
points to the tags.
"""
from nos import build, debugger

LOADER_MAGIC = 0x36D76289
TAG_END, TAG_FRAMEBUFFER = 0, 8
PITCH, WIDTH, HEIGHT = 16, 20, 24  # offsets in the tag

def run(guest, width, height, pitch):
    """Let a guest that was started STOPPED go on with such a framebuffer."""
    from elftools.elf.elffile import ELFFile

    with open(build.kernel(guest.machine.config), "rb") as file:
        entry = ELFFile(file).header.e_entry
    debugger.run_python(guest, __name__, f"patch.inside_gdb({entry}, {width}, {height}, {pitch})")


# ---- from here on inside gdb ----


def find_tag(inferior, info, wanted):
    """The address of the first tag of that type."""
    place = info + 8
    while True:
        kind, size = (int.from_bytes(bytes(inferior.read_memory(place + offset, 4)), "little") for offset in (0, 4))
        if kind == wanted:
            return place
        assert kind != TAG_END, f"no tag {wanted}"
        place += (size + 7) & ~7


def inside_gdb(entry, width, height, pitch):
    import gdb

    gdb.execute(f"hbreak *{entry:#x} if ($rax & 0xffffffff) == {LOADER_MAGIC:#x}")
    gdb.execute("continue")
    inferior = gdb.selected_inferior()
    tag = find_tag(inferior, int(gdb.parse_and_eval("$rbx")) & 0xFFFFFFFF, TAG_FRAMEBUFFER)
    for offset, value in ((PITCH, pitch), (WIDTH, width), (HEIGHT, height)):
        inferior.write_memory(tag + offset, value.to_bytes(4, "little"))
    print("PATCHED")
    gdb.execute("delete")
    gdb.execute("detach")
