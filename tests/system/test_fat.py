"""FAT as mtools and mkfs.fat make it, read in the guest."""
import hashlib
import subprocess

import pytest

from nos.disk import drive, make_image
from nos.network import body, tool

SIZES = {"FAT12": (2, 12), "FAT16": (20, 16), "FAT32": (80, 32)}


def mtools(command, image, *arguments, data=None):
    subprocess.run([command, "-i", image, *map(str, arguments)], input=data, check=True)


def make_fat(folder, mib, width):
    """A volume with a tree; {path: SHA-256}."""
    image = make_image(folder / "fat.img", mib)
    tool("mkfs.fat", "-F", width, "-n", "A LABEL", image)
    files = {"README.TXT": body(100)[0], "a long name in small letters.data": body(300000, width)[0],
             "sub/deeper/müller €.txt": body(5000, 2)[0], "sub/empty": b""}
    files.update({f"many/file number {number}": b"%d\n" % number for number in range(60)})
    for directory in ("sub", "sub/deeper", "many"):
        mtools("mmd", image, f"::{directory}")
    for path, data in files.items():
        mtools("mcopy", image, "-", f"::{path}", data=data)
    mtools("mdel", image, "::many/file number 30")
    del files["many/file number 30"]
    return image, files


def boot_with(boot, image):
    return boot(devices=[*drive("fat", image), "-device", "virtio-blk-pci,drive=fat"])


@pytest.mark.parametrize("kind", SIZES)
def test_read(boot, tmp_path, kind):
    image, files = make_fat(tmp_path, *SIZES[kind])
    guest = boot_with(boot, image)
    guest.run("mkdir /mnt")
    assert guest.status("mount fat vda /mnt") == ("", True)
    assert "(read-only)" in guest.run("mounts")
    for path, data in files.items():
        if not path.startswith("many/") or path.endswith("9"):
            typed = path.encode().decode("latin1")  # the serial line is bytes
            assert hashlib.sha256(data).hexdigest() in guest.run(f'sha256 "/mnt/{typed}"'), path
    listed = guest.run("ls /mnt/many")
    assert listed.count("file number") == 59 and "number 30" not in listed
    assert guest.run('cat "/mnt/MANY/FILE NUMBER 7"') == "7\n"  # in any case
    for command in ("write /mnt/new x", "mkdir /mnt/new", "del /mnt/README.TXT", "mv /mnt/README.TXT /mnt/x"):
        output, succeeded = guest.status(command)
        assert not succeeded and "read-only" in output, (command, output)
    assert guest.status("umount /mnt") == ("", True)


def test_what_is_no_fat(boot, tmp_path):
    guest = boot_with(boot, make_image(tmp_path / "empty.img", 4))
    guest.run("mkdir /mnt")
    for command, complaint in (("mount fat vda /mnt", "there is no fat on vda"),
                               ("mount fat vdb /mnt", 'there is no disk "vdb"'),
                               ("mount fat /mnt", "usage"), ("format fat vda", "cannot be formatted here"),
                               ("fsck fat vda", "cannot be checked here")):
        output, succeeded = guest.status(command)
        assert not succeeded and complaint in output, (command, output)


def test_damaged(boot, tmp_path):
    """Whole tables of rubbish: errors, and the machine goes on."""
    image, _ = make_fat(tmp_path, *SIZES["FAT16"])
    data = bytearray(image.read_bytes())
    reserved = int.from_bytes(data[14:16], "little") * 512
    size = int.from_bytes(data[22:24], "little") * 512
    for at in range(reserved + 4, reserved + size, 2):
        data[at:at + 2] = (at // 2 * 7 % 30000 + 2).to_bytes(2, "little")
    image.write_bytes(data)
    guest = boot_with(boot, image)
    guest.run("mkdir /mnt")
    assert guest.status("mount fat vda /mnt") == ("", True)  # the root directory has a place of its own
    output, succeeded = guest.status('sha256 "/mnt/a long name in small letters.data"')
    assert not succeeded and "structure needs checking" in output, output
    assert "vda is damaged" in guest.run("dmesg fat")
    guest.run("ls /mnt/sub")
    assert guest.status("umount /mnt") == ("", True)
