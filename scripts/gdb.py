"""Commands for gdb that read a stopped kernel; loaded by ./nos debug, listed by nos-help.

They only read memory, so they work on a live guest, on one that has panicked or hangs, and on a
dump. A CPU of the guest is a thread of gdb's.
"""
import gdb

STATES = ("ready", "running", "waiting", "dead")
LEVELS = ("ERROR ", "WARNING ", "", "debug ")


def static(file, name):
    """A variable that is static in a source file."""
    return gdb.parse_and_eval(f"'{file}'::{name}")


def text(value, limit=64):
    """A C string, or the start of one that is broken."""
    try:
        return value.string(errors="replace", length=limit if value.type.code == gdb.TYPE_CODE_ARRAY else -1).split("\0")[0]
    except gdb.error:
        return "?"


def container(node, type_name, member):
    """The structure that a node is embedded in (container_of)."""
    kind = gdb.lookup_type(type_name)
    offset = next(field.bitpos // 8 for field in kind.fields() if field.name == member)
    return gdb.Value(int(node) - offset).cast(kind.pointer()).dereference()


def tree_nodes(node):
    """The nodes of a red-black tree, in order."""
    if int(node):
        yield from tree_nodes(node["left"])
        yield node
        yield from tree_nodes(node["right"])


def tasks():
    for node in tree_nodes(static("task_table.c", "table")["root"]):
        yield container(node, "struct task", "pid_node")


def cpus():
    """Visit every CPU: (its number, how far its per-CPU variables are from the section)."""
    before = gdb.selected_thread()
    for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num):
        thread.switch()
        base = int(gdb.parse_and_eval("(unsigned long)$gs_base"))
        if base:
            yield thread.num - 1, int(gdb.parse_and_eval(f"*(unsigned long *){base:#x}"))
    before.switch()


def per_cpu(variable, offset):
    """A CPU's copy of a per-CPU variable."""
    return gdb.Value(int(variable.address) + offset).cast(variable.type.pointer()).dereference()


def symbol(address):
    """name+0xoffset, as the kernel prints it."""
    line = gdb.execute(f"info symbol {address:#x}", to_string=True).split(" in section")[0]
    name, _, offset = line.partition(" + ")
    return f"{name}+{int(offset or 0):#x}" if "No symbol" not in line else "?"


class NosTasks(gdb.Command):
    """nos-tasks: every task, with its state, CPU and what it waits for."""

    def __init__(self):
        super().__init__("nos-tasks", gdb.COMMAND_STATUS)

    def invoke(self, _argument, _from_tty):
        print(f"{'pid':>6} {'state':8} {'cpu':>3} {'switches':>9}  name")
        for task in tasks():
            wait = f"  waits for {text(task['wait_name'])}" if int(task["wait_name"]) else ""
            print(f"{int(task['pid']):6} {STATES[int(task['state'])]:8} {int(task['cpu']):3} "
                  f"{int(task['switches']):9}  {text(task['name'])}{wait}")


class NosBacktrace(gdb.Command):
    """nos-bt PID: the backtrace of a task that is not running (for one that runs: thread N, bt)."""

    def __init__(self):
        super().__init__("nos-bt", gdb.COMMAND_STACK)

    def invoke(self, argument, _from_tty):
        task = next((task for task in tasks() if str(int(task["pid"])) == argument.strip()), None)
        if task is None:
            raise gdb.GdbError(f"there is no task {argument.strip() or '(give a pid)'}; nos-tasks lists them")
        if task["is_on_cpu"]:
            raise gdb.GdbError(f"it runs on CPU {int(task['cpu'])}: thread {int(task['cpu']) + 1}, then bt")
        frame = gdb.Value(int(task["context"]["stack_pointer"])).cast(
            gdb.lookup_type("struct context_frame").pointer())
        self.walk(int(frame["return_address"]), int(frame["rbp"]), task)

    @staticmethod
    def walk(address, frame_pointer, task):
        low = int(task["stack_base"])
        pointer = gdb.lookup_type("unsigned long").pointer()
        for number in range(64):
            print(f"#{number} {address:016x} {symbol(address)}")
            if not low <= frame_pointer < low + (1 << 16) or frame_pointer % 8:
                break
            frame = gdb.Value(frame_pointer).cast(pointer)
            frame_pointer, address = int(frame[0]), int(frame[1])
            if not address:
                break


class NosLocks(gdb.Command):
    """nos-locks: the spinlocks that each CPU holds, and where it took them (debug builds)."""

    def __init__(self):
        super().__init__("nos-locks", gdb.COMMAND_STATUS)

    def invoke(self, _argument, _from_tty):
        try:
            variable = static("lock_debug.c", "held_spinlocks")
        except gdb.error:
            raise gdb.GdbError("this kernel keeps no such lists: make DEBUG=1") from None
        for cpu, offset in cpus():
            held = per_cpu(variable, offset)
            for index in range(int(held["count"])):
                lock = held["locks"][index].dereference()
                print(f"CPU {cpu} holds {text(lock['name'])}, taken at {symbol(int(lock['acquired_at']))}")
            if not int(held["count"]):
                print(f"CPU {cpu} holds none")


class LogRing:
    """A ring of kernel/log_ring.h, as it is now."""

    def __init__(self, name):
        self.ring = static("log.c", name)
        state = int(self.ring["state"])
        self.end, level = state & (1 << 56) - 1, state >> 56
        self.page_shift = int(self.ring["page_shift"])
        self.size = int(self.ring["first_pages"]) << level << self.page_shift
        self.base = int(self.ring["base"][level])
        self.first = max(self.base, self.end - self.size)

    def address(self, position):
        """Of what has that position."""
        index = (position - self.base) % self.size
        page, offset = index >> self.page_shift, index % (1 << self.page_shift)
        memory = int(self.ring["boot_memory"])
        start = memory + page * 4096 if memory else int(self.ring["pages"][page])
        return start + (offset << 12 - self.page_shift)


class NosLog(gdb.Command):
    """nos-log [N]: the last N lines of the kernel's log (40), also those the console did not show."""

    def __init__(self):
        super().__init__("nos-log", gdb.COMMAND_DATA)

    def invoke(self, argument, _from_tty):
        records, text = LogRing("log_records"), LogRing("log_text")
        kind = gdb.lookup_type("struct record").pointer()
        wanted = int(argument) if argument.strip() else 40
        for number in range(max(records.first, records.end - wanted), records.end):
            record = gdb.Value(records.address(number)).cast(kind).dereference()
            start, length = int(record["position"]), int(record["length"])
            if start < text.first:
                continue
            line = b"".join(gdb.selected_inferior().read_memory(text.address(start + i), 1).tobytes()
                            for i in range(length))
            us = int(record["time_ns"]) // 1000
            print(f"[{us // 1000000:5}.{us % 1000000:06} {int(record['cpu'])}] "
                  f"{LEVELS[int(record['level'])]}{line.decode(errors='replace')}")


class NosHelp(gdb.Command):
    """nos-help: list the commands of this script."""

    def __init__(self):
        super().__init__("nos-help", gdb.COMMAND_SUPPORT)

    def invoke(self, _argument, _from_tty):
        for command in (NosTasks, NosBacktrace, NosLocks, NosLog):
            print(command.__doc__)


for command_class in (NosTasks, NosBacktrace, NosLocks, NosLog, NosHelp):
    command_class()
