"""Disks that fail: the error reaches the command, the kernel and the other disks carry on."""
import time

import pytest

from nos.disk import Nbdkit, holds_pattern, make_image
from test_storage import bad, good, statistics

DEVICES = {
    "vda": ["-device", "virtio-blk-pci,drive=bad"],
    "sda": ["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=bad"],
    "nvme0n1": ["-device", "nvme,serial=1,drive=bad"],
}


def good_disk(folder):
    """The other disk, which must not suffer: vda, or vdb beside a bad vda."""
    image = make_image(folder / "good.img")
    return image, ["-drive", f"if=none,id=good,format=raw,file={image}", "-device", "virtio-blk-pci,drive=good,addr=0x10"]


def check_good_disk(guest, bad_name, image):
    name = "vdb" if bad_name == "vda" else "vda"
    good(guest, f"disktest {name} write 0 2048 -s 77")
    good(guest, f"disktest {name} verify 0 2048 -s 77")
    assert holds_pattern(image, 77, 0, 2048)


def failing_drive(image, *errors):
    """A drive whose accesses fail by blkdebug's rules, given as dictionaries."""
    rules = [f"file.inject-error.{i}.{key}={value}" for i, rule in enumerate(errors) for key, value in rule.items()]
    return ["-drive", ",".join(["if=none,id=bad,format=raw,werror=report,rerror=report,cache=none", "file.driver=blkdebug",
                                "file.image.driver=file", f"file.image.filename={image}", *rules])]


@pytest.mark.parametrize("name", DEVICES)
def test_errors(boot, tmp_path, name):
    """Errors of one sector, and errors once; the latter SCSI calls an aborted command: it is repeated."""
    def once(command):
        if name == "sda":
            good(guest, command)
        else:
            bad(guest, command, "input/output error")

    image = make_image(tmp_path / "bad.img")
    other, other_options = good_disk(tmp_path)
    drive = failing_drive(image,
                          {"event": "none", "iotype": "read", "sector": 2048, "errno": 5, "once": "on"},
                          {"event": "none", "iotype": "write", "sector": 4096, "errno": 5},
                          {"event": "none", "iotype": "flush", "errno": 5, "once": "on"})
    guest = boot(cpus=2, devices=[*drive, *DEVICES[name], *other_options])
    once(f"disktest {name} read 0 4096")
    good(guest, f"disktest {name} read 0 4096")
    bad(guest, f"disktest {name} write 2048 4096", "input/output error")
    once(f"disktest {name} write 0 2048 -s 5")  # all written, but not flushed
    good(guest, f"disktest {name} write 0 2048 -s 6")
    assert holds_pattern(image, 6, 0, 2048)
    counters = statistics(guest, name)
    assert counters["in flight"] == 0 and counters["errors"] >= 1
    check_good_disk(guest, name, other)
    guest.poweroff()


# SCSI repeats an aborted command, which is what QEMU makes of EIO: more of them have to fail
@pytest.mark.parametrize("name, rate", [("vda", "50%"), ("sda", "85%"), ("nvme0n1", "50%")])
def test_many_requests_fail(boot, tmp_path, name, rate):
    image = make_image(tmp_path / "bad.img")
    other, other_options = good_disk(tmp_path)
    with Nbdkit(tmp_path, image, "--filter=error", "error=EIO", f"error-rate={rate}") as server:
        drive = ["-drive", f"if=none,id=bad,format=raw,file={server.url},werror=report,rerror=report"]
        guest = boot(cpus=2, devices=[*drive, *DEVICES[name], *other_options])
        succeeded, failed = 0, 0
        for number in range(200):  # which of them fail is nbdkit's chance: go on until both were seen
            if number >= 20 and succeeded and failed:
                break
            mode = "read" if number % 2 else "write"
            output, is_good = guest.status(f"disktest {name} {mode} {number * 64} 64 -j 1")
            succeeded, failed = succeeded + is_good, failed + (not is_good)
            assert is_good or "input/output error" in output
        assert succeeded and failed
        assert statistics(guest, name)["in flight"] == 0
        check_good_disk(guest, name, other)
        guest.poweroff()


@pytest.mark.parametrize("name", DEVICES)
def test_a_disk_that_vanishes(boot, tmp_path, name):
    image = make_image(tmp_path / "bad.img")
    other, other_options = good_disk(tmp_path)
    with Nbdkit(tmp_path, image) as server:
        drive = ["-drive", f"if=none,id=bad,format=raw,file={server.url},werror=report,rerror=report"]
        guest = boot(cpus=2, devices=[*drive, *DEVICES[name], *other_options])
        good(guest, f"disktest {name} write 0 256")
        server.kill()
        for mode in ("read", "write", "verify"):
            bad(guest, f"disktest {name} {mode} 0 256", "input/output error")
        bad(guest, f"diskread {name} 0", "input/output error")
        check_good_disk(guest, name, other)
        guest.poweroff()


@pytest.mark.parametrize("name", DEVICES)
def test_a_slow_disk_ends_by_the_deadline(boot, tmp_path, name):
    """A write takes 2.5 s, and 1 s is allowed: the disk is reset, and works on."""
    image = make_image(tmp_path / "bad.img")
    other, other_options = good_disk(tmp_path)
    with Nbdkit(tmp_path, image, "--filter=delay", "wdelay=2500ms") as server:
        drive = ["-drive", f"if=none,id=bad,format=raw,file={server.url},werror=report,rerror=report"]
        guest = boot(cpus=2, append="block.timeout=1", devices=[*drive, *DEVICES[name], *other_options])
        bad(guest, f"disktest {name} write 0 8 -j 1", "timed out")
        counters = statistics(guest, name)
        assert counters["timeouts"] == 1 and counters["in flight"] == 0
        assert "resetting it" in guest.run("dmesg reset")
        good(guest, f"disktest {name} read 0 4096")
        check_good_disk(guest, name, other)
        guest.poweroff()


@pytest.mark.parametrize("name", DEVICES)
def test_a_stopped_backend(boot, tmp_path, name):
    """
    Nothing is answered any more. The deadline resets the disk; QEMU carries a reset out only when
    its backend has let go of the requests, and stands still till then: so it goes on after a while.
    """
    image = make_image(tmp_path / "bad.img")
    other, other_options = good_disk(tmp_path)
    with Nbdkit(tmp_path, image) as server:
        drive = ["-drive", f"if=none,id=bad,format=raw,file={server.url},werror=report,rerror=report"]
        guest = boot(cpus=2, append="block.timeout=1", devices=[*drive, *DEVICES[name], *other_options])
        good(guest, f"disktest {name} read 0 256")
        server.stop()
        guest.type(f"disktest {name} read 0 256 -b 8\r")
        guest.expect("-b 8")
        time.sleep(4)  # well past the deadline; QEMU may stand still by now, and can tell nothing
        server.go_on()
        assert "timed out" in guest.wait_prompt()
        good(guest, f"disktest {name} write 0 256 -s 3")
        good(guest, f"disktest {name} verify 0 256 -s 3")
        check_good_disk(guest, name, other)
        guest.poweroff()


@pytest.mark.parametrize("value", ["0", "x", "", "3601", "-1"])
def test_block_timeout_refuses_nonsense(boot, value):
    guest = boot(append=f"block.timeout={value}")
    assert "block.timeout" in guest.log
