"""Disk images for guests, the data that the guest's disktest command writes, and disks that fail.

A word of a sector is (seed + 64 * sector + word) * FACTOR: see block/disktest_command.c.
"""
import os
import pathlib
import signal
import subprocess
import time

SECTOR = 512
FACTOR = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


def pattern(seed, start, count):
    """What `disktest DISK write START COUNT -s SEED` puts on the disk."""
    first = (seed + start * 64) & MASK
    return b"".join(((first + word) * FACTOR & MASK).to_bytes(8, "little") for word in range(count * 64))


def make_image(path, mib=16):
    """A sparse image full of zeros."""
    with open(path, "wb") as file:
        file.truncate(mib << 20)
    return path


def put_pattern(path, seed, start, count):
    with open(path, "r+b") as file:
        file.seek(start * SECTOR)
        file.write(pattern(seed, start, count))


def holds_pattern(path, seed, start, count):
    with open(path, "rb") as file:
        file.seek(start * SECTOR)
        return file.read(count * SECTOR) == pattern(seed, start, count)


def drive(identity, path, *options):
    """QEMU options of a raw image, with errors told to the guest rather than stopping it."""
    return ["-drive", ",".join([f"if=none,id={identity},format=raw,file={path}", "werror=report,rerror=report",
                                *options])]


class Nbdkit:
    """A disk image behind nbdkit, to be slowed, broken, stopped or killed. A context manager."""

    def __init__(self, folder, image, *options):
        folder = pathlib.Path(folder)
        self.socket = folder / "nbd.sock"
        pid_file = folder / "nbd.pid"
        filters = [word for word in options if word.startswith("--filter")]
        parameters = [word for word in options if not word.startswith("--filter")]
        self.process = subprocess.Popen(
            ["nbdkit", "-f", "-U", self.socket, "-P", pid_file, *filters, "file", image, *parameters],
            stdin=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while not pid_file.exists():  # nbdkit writes it when it listens
            assert self.process.poll() is None and time.monotonic() < end, "nbdkit does not start"
            time.sleep(0.02)

    @property
    def url(self):
        return f"nbd+unix:///?socket={self.socket}"

    def stop(self):
        os.kill(self.process.pid, signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        while any(task.read_text().rpartition(")")[2].split()[0] != "T" for task in tasks.glob("*/stat")):
            time.sleep(0.01)  # one thread takes the signal when it runs, and the others work on until then

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
