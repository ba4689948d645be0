"""Files on disks: kept over reboots and power cuts, exchanged with the host, on failing disks."""
import os
import pathlib
import random
import re
import subprocess
import zlib

import pytest

from nos import disk_log

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "build" / "nanofs"


@pytest.fixture(scope="session", autouse=True)
def tool_is_built():
    subprocess.run(["make", "-s", "-C", ROOT, "build/nanofs"], check=True)


def nanofs(*arguments, check=True, data=None):
    return subprocess.run([TOOL, *map(str, arguments)], check=check, input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def make_disk(path, size="64M", formatted=True):
    subprocess.run(["truncate", "-s", size, path], check=True)
    if formatted:
        nanofs("mkfs", path)
    return path


def virtio(disk, options=""):
    return ["-drive", f"if=none,id=d{disk.stem},format=raw,file={disk}{options}",
            "-device", f"virtio-blk-pci,drive=d{disk.stem}"]


def mounted(boot, disk, options="", **more):
    guest = boot(devices=virtio(disk, options), **more)
    assert guest.status("mkdir /m")[1]
    assert guest.run("mount nanofs vda /m") == ""
    return guest


def test_files_survive_reboots(boot, tmp_path):
    disk = make_disk(tmp_path / "a.img", formatted=False)
    guest = boot(devices=virtio(disk), cpus=4)
    guest.run("mkdir /m")
    assert "there is no nanofs on vda" in guest.run("mount nanofs vda /m")
    assert guest.status("format nanofs vda")[1]
    assert guest.run("mount nanofs vda /m") == ""
    guest.run("write /m/hello one two")
    guest.run("append /m/hello three")
    guest.run("mkdir /m/d")
    guest.run("help > /m/d/help")
    digest = guest.run("sha256 /m/d/help").split()[0]
    guest.run("cp /m/d/help /m/d/copy")
    guest.run("mv /m/d/copy /m/moved")
    guest.run("truncate /m/sparse 4G")
    guest.run("touch /m/gone")
    guest.run("del /m/gone")
    guest.poweroff()
    assert nanofs("fsck", disk).stdout.endswith(b": clean\n")
    guest = mounted(boot, disk)
    assert guest.run("cat /m/hello") == "one two\nthree\n"
    assert guest.run("sha256 /m/moved").split()[0] == digest
    assert re.findall(r"\S+$", guest.run("ls /m"), re.M) == ["d/", "hello", "moved", "sparse"]
    assert "4294967296 bytes" in guest.run("stat /m/sparse")
    assert guest.run("umount /m") == ""
    assert "clean" in guest.run("fsck nanofs vda")
    guest.poweroff()


def test_images_go_both_ways(boot, tmp_path):
    """Made and filled on the host, used by the kernel, read on the host."""
    disk = make_disk(tmp_path / "a.img")
    data = random.Random(1).randbytes(3_000_000)
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "data").write_bytes(data)
    (tmp_path / "tree" / ("n" * 255)).write_bytes(b"long name\n")
    nanofs("put", disk, tmp_path / "tree", "/")
    guest = mounted(boot, disk)
    digest = subprocess.run(["sha256sum", tmp_path / "tree" / "sub" / "data"], check=True,
                            stdout=subprocess.PIPE).stdout.split()[0].decode()
    assert guest.run("sha256 /m/tree/sub/data").split()[0] == digest
    assert guest.run("cat /m/tree/" + "n" * 255) == "long name\n"
    guest.run("cp /m/tree/sub/data /m/copy")
    guest.run("del /m/tree/sub")
    guest.run("write /m/guest from the guest")
    guest.poweroff()
    nanofs("get", disk, "/", tmp_path / "out")
    assert (tmp_path / "out" / "copy").read_bytes() == data
    assert (tmp_path / "out" / "guest").read_bytes() == b"from the guest\n"
    assert not (tmp_path / "out" / "tree" / "sub").exists()
    assert nanofs("fsck", disk).stdout.endswith(b": clean\n")


def test_root_on_a_partition(boot, tmp_path):
    disk = tmp_path / "a.img"
    subprocess.run(["truncate", "-s", "64M", disk], check=True)
    subprocess.run(["/sbin/sfdisk", "-q", disk], input=b"label: dos\nstart=2048,type=83\n", check=True)
    partition = f"{disk}@1M"
    nanofs("mkfs", partition)
    nanofs("put", partition, "-", "/greeting", data=b"from the partition\n")
    guest = boot(devices=virtio(disk), append="root=vda1")
    assert guest.run("cat /greeting") == "from the partition\n"
    assert re.search(r"vda1 +nanofs +/$", guest.run("mounts"), re.M)
    guest.run("write /answer kept")
    guest.poweroff()
    assert nanofs("cat", partition, "/answer").stdout == b"kept\n"
    guest = boot(devices=virtio(disk), append="root=vdz9")
    assert "there is no such disk" in guest.run("dmesg root=")
    assert "ramfs" in guest.run("mounts")
    guest.poweroff()


def test_refusals_say_why(boot, tmp_path):
    disk = make_disk(tmp_path / "a.img")
    foreign = tmp_path / "b.img"
    foreign.write_bytes(b"\xeb\x3c\x90MSDOS5.0" * 100000)
    short = tmp_path / "c.img"
    short.write_bytes(disk.read_bytes()[:32 << 20])
    newer = tmp_path / "d.img"
    image = bytearray(disk.read_bytes())
    for offset in (0, len(image) - 4096):
        image[offset + 8:offset + 12] = (2).to_bytes(4, "little")
        image[offset + 4092:offset + 4096] = zlib.crc32(image[offset:offset + 4092]).to_bytes(4, "little")
    newer.write_bytes(image)
    guest = boot(devices=sum((virtio(path) for path in (disk, foreign, short, newer)), []))
    guest.run("mkdir /m")

    def refused(line, message):
        output, is_good = guest.status(line)
        assert not is_good and message in output, f"{line}: {output}"
        assert output.count("\n") == 1

    refused("mount nanofs vdb /m", "there is no nanofs on vdb")
    refused("mount nanofs vdc /m", "smaller than the nanofs on it")
    refused("mount nanofs vdd /m", "of a version this kernel does not know")
    refused("mount nanofs vdx /m", "there is no disk")
    refused("mount nanofs vda /nowhere", "no such file or directory")
    refused("mount ramfs /", "something is mounted there already")
    guest.run("mount nanofs vda /m")
    guest.run("mkdir /n")
    refused("mount nanofs vda /n", "in use")
    refused("format nanofs vda", "in use")
    refused("fsck nanofs vda", "in use")
    refused("del /m", "mounted")
    refused("umount /", "the root stays mounted")
    refused("umount /n", "nothing is mounted there")
    refused("cat /m/nothing", "no such file or directory")
    refused("cat /m", "is a directory")
    guest.run("touch /m/file")
    refused("ls /m/file/x", "not a directory")
    refused("mkdir /m/file", "exists")
    refused("mkdir /m/" + "n" * 256, "too long")
    refused("cat /" + "a/" * 2500, "too long")
    refused("mv /m /n", "busy")
    refused("write /m/file/x text", "not a directory")
    refused("write /m/file/ text", "not a directory")
    refused("cp /m/file /m/../m/file", "same file")
    guest.run("mkdir " + "n" * 256)
    assert guest.run("status").startswith("36 ENAMETOOLONG")
    guest.run("cat " + "a/" * 2500)
    assert guest.run("status").startswith("36 ENAMETOOLONG")
    assert guest.run("ls /../../m/../m/./file").endswith("file\n")
    guest.poweroff()
    assert nanofs("fsck", disk).stdout.endswith(b": clean\n")


def test_a_move_to_another_file_system_is_all_or_nothing(boot, tmp_path):
    guest = mounted(boot, make_disk(tmp_path / "a.img", "8M"))
    guest.run("write /m/kept as it was; truncate /large 30M")
    output, is_good = guest.status("mv /large /m/kept")
    assert not is_good and "no space" in output
    assert guest.run("cat /m/kept") == "as it was\n"
    assert guest.run("ls /m").count("\n") == 1, "something of the copy is left"
    assert "31457280" in guest.run("ls /large")
    assert guest.status("write /small new; mv /small /m/kept")[1]
    assert guest.run("cat /m/kept") == "new\n"
    assert not guest.status("ls /small")[1]


def test_damage_is_named_and_contained(boot, tmp_path):
    disk = make_disk(tmp_path / "a.img")
    needle = b"The needle in the haystack. " * 40
    nanofs("put", disk, "-", "/bad", data=needle)
    nanofs("put", disk, "-", "/good", data=b"intact\n")
    image = bytearray(disk.read_bytes())
    at = image.index(needle)
    image[at + 100] ^= 1
    disk.write_bytes(image)
    guest = mounted(boot, disk)
    output, is_good = guest.status("cat /m/bad")
    assert not is_good and "input/output error" in output
    assert f"/m/bad: bad checksum at offset 0, block {at // 4096}" in guest.run("dmesg nanofs")
    assert guest.run("cat /m/good") == "intact\n"
    guest.run("umount /m")
    output, is_good = guest.status("fsck nanofs vda")
    assert not is_good and f"(/bad): bad checksum at offset 0, block {at // 4096}" in output
    guest.poweroff()


def failing(disk, event, extra=""):
    name = disk.stem
    return ["-drive", f"if=none,id=d{name},format=raw,werror=report,rerror=report,file.driver=blkdebug,"
                      f"file.image.driver=file,file.image.filename={disk},"
                      f"file.inject-error.0.event={event},file.inject-error.0.errno=5{extra}",
            "-device", f"virtio-blk-pci,drive=d{name}"]


@pytest.mark.parametrize("event", ["write_aio", "flush_to_disk"])
def test_failed_writes_make_it_read_only(boot, tmp_path, event):
    disk, other = make_disk(tmp_path / "a.img"), make_disk(tmp_path / "b.img")
    guest = boot(devices=[*failing(disk, event), *virtio(other)])
    guest.run("mkdir /m /n")
    assert guest.run("mount nanofs vda /m") == ""
    assert guest.run("mount nanofs vdb /n") == ""
    guest.run("write /m/file text")
    output, is_good = guest.status("sync")
    assert not is_good and "input/output error" in output
    assert "read-only from now on" in guest.run("dmesg nanofs")
    assert "read-only" in guest.run("mounts")
    output, is_good = guest.status("write /m/more text")
    assert not is_good and "read-only" in output
    assert guest.status("write /n/file text")[1]  # the other disk carries on
    assert guest.status("umount /m") is not None
    guest.poweroff()
    assert nanofs("fsck", disk).stdout.endswith(b": clean\n")
    assert nanofs("cat", other, "/file").stdout == b"text\n"


def test_one_failed_data_write_is_written_elsewhere(boot, tmp_path):
    disk = make_disk(tmp_path / "a.img")
    guest = boot(devices=failing(disk, "write_aio", ",file.inject-error.0.once=on"))
    guest.run("mkdir /m")
    guest.run("mount nanofs vda /m")
    guest.run("write /m/file text")
    assert guest.status("sync")[1]
    assert "writing blocks" in guest.run("dmesg nanofs")
    guest.poweroff()
    assert nanofs("cat", disk, "/file").stdout == b"text\n"
    assert nanofs("fsck", disk).stdout.endswith(b": clean\n")


def test_read_errors_reach_the_command(boot, tmp_path):
    disk = make_disk(tmp_path / "a.img")
    nanofs("put", disk, "-", "/bad", data=b"needle " * 1000)
    nanofs("put", disk, "-", "/good", data=b"good\n")
    sector = disk.read_bytes().index(b"needle " * 10) // 512
    guest = boot(devices=failing(disk, "read_aio", f",file.inject-error.0.sector={sector}"))
    guest.run("mkdir /m")
    assert guest.run("mount nanofs vda /m") == ""
    output, is_good = guest.status("cat /m/bad")
    assert not is_good and "input/output error" in output
    assert guest.run("cat /m/good") == "good\n"
    assert guest.status("write /m/new text")[1] and guest.status("sync")[1]
    guest.poweroff()


# ---- power cuts --------------------------------------------------------------------------------


class Workload:
    """Random commands, and the trees that may be found after each: path to contents."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.tree = {}
        # per command: the tree before and after, the path that may be seen half done, and how many
        # requests were recorded when it began and, if it was a sync, when it had ended
        self.steps = []

    def choose(self):
        """The next command line, the tree after it, and the path it changes."""
        chance, tree = self.random.random(), dict(self.tree)
        paths = sorted(tree)
        name = f"/m/f{self.random.randrange(12)}"
        text = "".join(self.random.choices("abcdefghij ", k=self.random.choice([5, 200, 900]))).strip() or "x"
        text = " ".join(text.split())
        if not paths or chance < 0.25:
            tree[name] = text.encode() + b"\n"
            return f"write {name} {text}", tree, name
        other = self.random.choice(paths)
        if chance < 0.4:
            tree[other] += text.encode() + b"\n"
            return f"append {other} {text}", tree, other
        if chance < 0.55 and other != name:
            tree[name] = tree.pop(other)
            return f"mv {other} {name}", tree, None
        if chance < 0.65:
            del tree[other]
            return f"del {other}", tree, None
        if chance < 0.75:
            size = self.random.randrange(len(tree[other]) * 2 + 5000)
            tree[other] = tree[other][:size].ljust(size, b"\0")
            return f"truncate {other} {size}", tree, None
        if chance < 0.85 and other != name:
            tree[name] = tree[other]
            return f"cp {other} {name}", tree, name
        return "sync", tree, None

    def run(self, guest, log, count):
        for _ in range(count):
            line, after, partial = self.choose()
            began = disk_log.count(log)
            output, is_good = guest.status(line)
            assert is_good, f"{line}: {output}"
            self.steps.append((self.tree, after, partial, began, disk_log.count(log) if line == "sync" else None))
            self.tree = after

    def allows(self, found, cut):
        """Is @found a tree that a cut after @cut requests may leave?"""
        first = max((i for i, step in enumerate(self.steps) if step[4] is not None and step[4] <= cut), default=0)
        for before, after, partial, began, _ in self.steps[first:]:
            if began > cut:
                break
            if found in (before, after):
                return True
            if partial and is_partial(found, before, after, partial):
                return True
        return False


def is_partial(found, before, after, path):
    """All else as it was; @path is missing, or has some of its new contents."""
    others = {name: data for name, data in found.items() if name != path}
    return others == {name: data for name, data in before.items() if name != path} and \
        after[path].startswith(found.get(path, b""))


def tree_of(image, folder):
    nanofs("get", image, "/", folder)
    return {f"/m/{path.name}": path.read_bytes() for path in folder.iterdir()}


def test_power_cuts(boot, tmp_path):
    """NOS_CRASH_POINTS=2000 makes it a long run."""
    points = int(os.environ.get("NOS_CRASH_POINTS", "200"))
    disk, log = make_disk(tmp_path / "a.img", "16M"), tmp_path / "log.img"
    start = disk.read_bytes()
    guest = boot(devices=disk_log.options(disk, log), cpus=2)
    guest.run("mkdir /m")
    assert guest.run("mount nanofs vda /m") == ""
    workload = Workload(seed=1)
    workload.run(guest, log, 60 if points <= 200 else 400)
    guest.run("sync")
    guest.poweroff()
    entries = disk_log.read(log)
    assert sum(entry.is_flush for entry in entries) > 4
    full = bytearray(start)
    disk_log.cut(full, entries, len(entries))
    assert full == disk.read_bytes(), "the record is not complete"
    chance = random.Random(2)
    for point in range(points):
        at = chance.randrange(len(entries) + 1)
        image = bytearray(start)
        disk_log.cut(image, entries, at, chance if point % 2 else None)
        cut = tmp_path / "cut.img"
        cut.write_bytes(image)
        folder = tmp_path / f"out{point}"
        found = tree_of(cut, folder)
        assert workload.allows(found, at), f"cut after {at} of {len(entries)} requests: {sorted(found)}"
        checked = nanofs("fsck", cut, check=False).stdout
        assert checked.endswith(b": clean\n"), f"cut after {at}: {checked}"
        subprocess.run(["rm", "-r", folder], check=True)
