"""What is typed at the prompts of the two guests: how a group is prepared, and the steps of one turn.

In nos a row comes from `bench NAME`. In Linux `module NAME` and `program NAME` (linux/init) run the
same thing inside the kernel or as a program. {quick}, {files} and {synced} are filled in.
"""
from typing import NamedTuple

from network import GUEST, HOST

URL = f"http://{HOST}/file"


class Step(NamedTuple):
    """The same thing in either guest; its output has the rows."""
    nos: str = ""
    linux: str = ""
    prefix: str = ""     # put before the names of its rows


class Script(NamedTuple):
    steps: tuple = ()
    prepare: Step = Step()


def in_kernel(name):
    return Step(f"bench {{quick}}{name}", f"module {name}")


def as_program(words, linux_words=None, prefix=""):
    return Step(f"bench {{quick}}{words}", f"program {linux_words or words}", prefix)


def file_system(nos_disk, linux_disk):
    """On /mnt; that of Linux was made by mke2fs."""
    return Step(f"format nanofs {nos_disk}; mkdir /mnt; mount nanofs {nos_disk} /mnt",
                f"mount -t ext4 {linux_disk} /mnt")


NET_FILES = file_system("vda", "/dev/vda")

SCRIPTS = {
    "boot": Script(),
    "boot4": Script(),
    "memory": Script(),
    "kernel": Script((*map(in_kernel, ("switch", "create", "lock", "sleep", "heap", "bytes")),
                      as_program("files / {files}", "files /tmp {files}", "ram_"),
                      as_program("files / {files} sync", "files /tmp {files} sync", "ram_"))),
    "contend": Script((in_kernel("contend"),)),
    "storage": Script((as_program("disk vda", "disk /dev/vda"), as_program("disk vda write", "disk /dev/vda write"),
                       as_program("files /mnt {files}"), as_program("files /mnt {synced} sync")),
                      file_system("vdb", "/dev/vdb")),
    "net": Script((*(as_program(f"{name} {HOST}") for name in ("tcp", "requests", "udp", "ping")),
                   Step(f"bench wget {URL} /mnt/file; rm /mnt/file", f"program wget {URL} /mnt/file; rm /mnt/file")),
                  Step(NET_FILES.nos, f"ifconfig eth0 {GUEST} netmask 255.255.255.0 up; sleep 1; {NET_FILES.linux}")),
    "growth": Script((in_kernel("growth_tasks"), in_kernel("growth_timers"), as_program("growth_connections"),
                      as_program("growth_files /", "growth_files /tmp", "ram_")),
                     Step("", "ifconfig lo up; echo 30000 > /proc/sys/kernel/threads-max")),
    "directories": Script((as_program("growth_files /mnt"),), file_system("vda", "/dev/vda")),
    "cpus": Script((in_kernel("growth_cpus"),)),
}
