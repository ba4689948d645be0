"""What ./nos bench measures: the groups (each a boot of its own), the rows, and what they ought to be."""
from typing import NamedTuple, Optional


class Group(NamedTuple):
    smp: int
    rounds: int          # boots at most, whatever --rounds says
    turns: int           # of both guests in one boot, on the kind of CPU that suits Linux; and boots
                         # of each under the plugin that counts
    cases: tuple         # names of CASES
    deadline: int        # seconds for one boot with one turn
    what: str


class Row(NamedTuple):
    name: str            # as `bench` prints it
    title: str
    group: str
    target: Optional[float]  # the least ratio in favour of nos; None: no target
    operation: int = 0       # bytes of one operation, where the unit is MB/s and -icount counts
    operations: int = 1      # of a whole run, where the plugin counts


class Growth(NamedTuple):
    name: str            # rows are NAME_SIZE
    title: str
    sizes: tuple
    group: str
    operations: int = 1


CASES = {"max": "", "qemu64": "mitigations=off init_on_alloc=0"}
BOTH = tuple(CASES)
USUAL_CPU = "qemu64"     # suits Linux best in all that takes turns; instructions are counted there

GROUPS = {
    "boot": Group(1, 99, 0, BOTH, 60, "start to prompt on 1 CPU, memory in use"),
    "boot4": Group(4, 99, 0, BOTH, 90, "start to prompt on 4 CPUs"),
    "contend": Group(4, 99, 3, BOTH, 60, "a mutex wanted by 4 tasks on 4 CPUs"),
    "kernel": Group(2, 99, 2, BOTH, 150, "tasks, locks, heap, bytes; files in memory"),
    "storage": Group(2, 99, 3, BOTH, 240, "disk, files on disk"),
    "net": Group(2, 99, 3, BOTH, 240, "TCP, UDP, ping, a download"),
    "growth": Group(1, 5, 1, ("qemu64",), 200, "few and many tasks, timers, connections, files in memory"),
    "directories": Group(1, 3, 1, ("qemu64",), 240, "few and many files in a directory on disk"),
    "cpus": Group(8, 3, 1, ("qemu64",), 120, "work shared over 1 to 8 CPUs"),
    "memory": Group(1, 1, 0, ("qemu64",), 60, "the smallest -m that boots"),
}

FILES = (("files_create", "create and write 4 KiB", 1.5), ("files_stat", "stat", 1.5),
         ("files_read", "read", 1.5), ("files_remove", "delete", 1.5),
         ("files_create_synced", "create and write, each synced", 1.5),
         ("files_remove_synced", "delete, each synced", 1.5))

ROWS = [
    Row("boot_1cpu", "QEMU start to prompt, 1 CPU", "boot", 10),
    Row("boot_4cpus", "QEMU start to prompt, 4 CPUs", "boot4", 10),
    Row("memory_at_prompt", "memory in use at the prompt", "boot", 10),
    Row("smallest_memory", "smallest -m that boots", "memory", None),
    Row("tcp_receive_1", "TCP receive 256 MB, 1 connection", "net", 1.5, operations=4096),
    Row("tcp_receive_8", "TCP receive 256 MB, 8 connections", "net", 1.5, operations=4096),
    Row("tcp_send_1", "TCP send 256 MB, 1 connection", "net", 1.5, operations=4096),
    Row("tcp_send_8", "TCP send 256 MB, 8 connections", "net", 1.5, operations=4096),
    Row("tcp_round_trip_median", "TCP round trip of 1 byte, median", "net", 1.5, operations=5000),
    Row("tcp_round_trip_p99", "TCP round trip of 1 byte, p99", "net", 1.5),
    Row("tcp_connect_close", "TCP connect and close", "net", 1.5, operations=2000),
    Row("udp_echo_64", "UDP echo, 64 B, 16 under way", "net", 2, operations=50000),
    Row("ping_answered", "ping of the guest, 16 under way", "net", 2, operations=50000),
    Row("wget_to_disk", "wget of 64 MB from nginx into the file system", "net", 1.5, operations=1024),
    *(Row(f"disk_{direction}_128k_{depth}", f"disk, {direction} 128 KiB sequential, {depth} in flight",
          "storage", 1.2, operations=4096) for direction in ("read", "write") for depth in (1, 32)),
    *(Row(f"disk_read_4k_random_{depth}", f"disk, read 4 KiB random, {depth} in flight", "storage", 1.5,
          operations=10000) for depth in (1, 32)),
    *(Row(name, f"nanofs and ext4: {title}", "storage", target,
          operations=1000 if name.endswith("synced") else 10000) for name, title, target in FILES),
    *(Row("ram_" + name, f"ramfs and tmpfs: {title}", "kernel", target) for name, title, target in FILES),
    Row("switch_same_cpu", "task switch by semaphore, same CPU", "kernel", 3),
    Row("switch_across_cpus", "task switch by semaphore, across CPUs", "kernel", 3),
    Row("task_create_join", "task create and join", "kernel", 10),
    Row("kmalloc_kfree_64", "kmalloc and kfree, 64 B, batch of 256", "kernel", 3),
    Row("kmalloc_kfree_1024", "kmalloc and kfree, 1 KiB, batch of 256", "kernel", 3),
    Row("page_alloc_free", "page alloc and free, batch of 256", "kernel", 3),
    Row("mutex_uncontended", "mutex, uncontended", "kernel", 1.2),
    Row("spinlock_uncontended", "spinlock, uncontended", "kernel", 1.2),
    Row("mutex_contended_4", "mutex, 4 tasks on 4 CPUs", "contend", 1.2),
    Row("sleep_1ms_late_median", "sleep of 1 ms, late by, median", "kernel", 1),
    Row("sleep_1ms_late_p99", "sleep of 1 ms, late by, p99", "kernel", 1),
    *(Row(f"{routine}_{size}", f"{title}, {label}", "kernel", 1, size)
      for routine, title in (("memcpy", "memcpy"), ("memset", "memset"), ("checksum", "checksum"),
                             ("crc32", "CRC-32"))
      for size, label in ((64, "64 B"), (1460, "1460 B"), (1 << 20, "1 MiB"))),
]

GROWTH = [
    Growth("growth_switch", "task switch among N tasks", (10, 10000), "growth"),
    Growth("growth_create", "task create and join among N tasks", (10, 10000), "growth"),
    Growth("growth_timer", "timer stopped and armed among N", (10, 100000), "growth"),
    Growth("growth_expiry", "timer armed and expired, N at once", (10, 100000), "growth"),
    Growth("growth_trip", "TCP round trip over the loopback among N connections", (1, 10000), "growth"),
    Growth("growth_connect", "TCP connect and abort among N connections", (1, 10000), "growth"),
    Growth("ram_growth_stat", "stat in a directory of N, ramfs and tmpfs", (100, 100000), "growth"),
    Growth("ram_growth_make", "create and delete in a directory of N, ramfs and tmpfs", (100, 100000), "growth"),
    Growth("growth_stat", "stat in a directory of N, nanofs and ext4", (100, 100000), "directories", 20000),
    Growth("growth_make", "create and delete in a directory of N, nanofs and ext4", (100, 100000), "directories",
           5000),
    Growth("growth_cpus", "work shared over N CPUs, per piece", (1, 2, 4, 8), "cpus"),
]
GROWTH_TARGET = 2  # the cost per operation rises by less

HIGHER_IS_BETTER = {"MB/s", "requests/s", "packets/s"}
COUNTED = ("kernel", "growth")  # whose instructions are worth counting by -icount: they compute
COUNTED_BY_PLUGIN = ("net", "storage", "directories")  # they wait for devices and peers


def turns_of(group, cpu):
    """In one boot; where Linux is slower one does."""
    return GROUPS[group].turns if cpu == USUAL_CPU else 1


def quick_size(size):
    """What -q makes of the large end of a growth row."""
    return size // 20 if size >= 10000 else size
