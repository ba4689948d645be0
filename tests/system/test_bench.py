"""bench: every row runs and gives a number that can be one. How large they are is no test's business."""
import re

from nos.disk import drive, make_image

ROW = re.compile(r"^([a-z][a-z0-9_]*) ([0-9.]+) (ns|MB/s|requests/s)$", re.M)

KERNEL_ROWS = {
    "switch_same_cpu", "switch_across_cpus", "task_create_join", "mutex_uncontended", "spinlock_uncontended",
    "mutex_contended_4", "sleep_1ms_late_median", "sleep_1ms_late_p99", "kmalloc_kfree_64", "kmalloc_kfree_1024",
    "page_alloc_free", *(f"{routine}_{size}" for routine in ("memcpy", "memset", "checksum", "crc32")
                         for size in (64, 1460, 1 << 20))}
FILE_ROWS = {"files_create", "files_stat", "files_read", "files_remove"}
DISK_ROWS = {f"disk_read_{kind}_{count}" for kind in ("128k", "4k_random") for count in (1, 32)}


def rows_of(guest, command):
    """{row: value}, all of them above nothing and below an hour or a petabyte a second."""
    output, succeeded = guest.status(command, timeout=300)
    assert succeeded, output
    rows = {name: float(value) for name, value, _ in ROW.findall(output)}
    assert rows and all(0 < value < 3.6e12 for value in rows.values()), output
    return rows


def test_every_row_of_kernel_files_and_disk(boot, tmp_path):
    image = make_image(tmp_path / "disk.img", 64)
    guest = boot(cpus=2, devices=[*drive("d", image), "-device", "virtio-blk-pci,drive=d"])
    kernel = rows_of(guest, "bench all")
    assert kernel.keys() == KERNEL_ROWS
    assert kernel["sleep_1ms_late_median"] <= kernel["sleep_1ms_late_p99"]
    assert rows_of(guest, "bench files / 200").keys() == FILE_ROWS
    assert rows_of(guest, "bench disk vda").keys() == DISK_ROWS


def test_what_cannot_be_measured(boot):
    guest = boot()
    for command, message in (("bench nonsense", "no benchmark named nonsense"), ("bench disk vdz", "vdz"),
                             ("bench files /nowhere 10", "nowhere"), ("bench tcp", "usage: bench tcp HOST")):
        output, succeeded = guest.status(command)
        assert not succeeded and message in output, output
    assert "switch" in guest.run("bench")
