"""Panics: cause, registers, a backtrace of every CPU that gdb agrees with, and what panic= says."""
import re
import signal
import time

import pytest

from nos import build
from nos.guest import ANSWER_SECONDS

# panic's argument -> the cause it must name
WAYS = {
    "direct": r"asked for by the panic command",
    "pagefault": r"page fault: write of address 0xffffdead00000000",
    "divzero": r"divide error",
    "ud": r"invalid opcode",
    "stack": r"stack overflow: guard page",
    "null": r"null call: execution at address (0x)?0",
    "nullread": r"null pointer: read of address (0x)?0",
    "writecode": r"W\^X violation: write of address 0x[0-9a-f]+, which is read-only",
    "smash": r"stack smashed",
    "everywhere": r"every CPU at once",
    "deadlock": r"deadlock|panic command",
    "stuck": r"CPU \d+.*(stuck|lockup)",
    "boot": r"page fault: execute of address 0x[0-9a-f]+, which was given back after the boot",
}
# a function that must be in the backtrace of the CPU that went wrong
CULPRITS = {"direct": "panic_direct", "pagefault": "panic_pagefault", "divzero": "panic_divzero",
            "ud": "panic_ud", "stack": "recurse", "null": "panic_null",
            "nullread": "panic_nullread", "writecode": "panic_writecode", "smash": "panic_smash",
            "everywhere": "panic_here", "deadlock": "panic_deadlock",
            "stuck": "panic_stuck", "boot": "panic_boot"}
EXIT_PANIC = 37  # (EMULATOR_EXIT_PANIC << 1) | 1
EXIT_PASSED = 33

LINE = re.compile(r"panic: +#(\d+) ([0-9a-f]{16}) (\S+)")


def frames(log):
    """(number, address, name+offset) of every backtrace line."""
    return [(int(number), int(address, 16), name) for number, address, name in LINE.findall(log)]


def agrees_with_gdb(shown, config):
    """gdb's own names for the same addresses. A return address belongs to the call before it."""
    names = build.gdb_symbol([address - (number > 0) for number, address, _ in shown], config)
    for (number, address, name), gdb_name in zip(shown, names):
        if gdb_name is None:
            assert name == "?", f"{address:#x}: gdb knows nothing, the kernel says {name}"
            continue
        function, _, offset = gdb_name.partition(" + ")
        function = re.sub(r"\[(\w+)\]", r".\1", function)  # gdb writes f.cold as f[cold]
        assert name == f"{function}+{int(offset or 0) + (number > 0):#x}", f"{address:#x}: gdb says {gdb_name}"


@pytest.mark.parametrize("config", ["gcc-debug", "gcc-release"])
@pytest.mark.parametrize("way", WAYS)
def test_panic_shows_everything(boot, way, config):
    guest = boot(cpus=4, append="panic=exit", config=config)
    guest.wait_boot_over()
    before = len(guest.log)
    guest.type(f"panic {way}\r")
    assert guest.wait_exit() == EXIT_PANIC
    log = guest.log[before:]
    assert re.search(rf"PANIC on CPU \d: .*({WAYS[way]})", log)
    for register in "rip rsp rbp rax r15 rflags cr2 cr3".split():
        assert re.search(rf"\b{register}[ =:]+[0-9a-f]{{4,16}}", log, re.IGNORECASE), register
    for cpu in range(4):
        assert re.search(rf"CPU {cpu}, task \d+ \(.+\):", log), f"nothing about CPU {cpu}"
    shown = frames(log)
    assert len(shown) >= 4 and len(re.findall("#0 ", log)) == 4
    assert any(re.match(rf"{CULPRITS[way]}(\.cold)?\+", name) for _, _, name in shown)
    assert "last lines of the log" in log
    agrees_with_gdb(shown, config)


@pytest.mark.parametrize("machine", ["q35", "pc"])
def test_a_lone_cpu_that_is_stuck(boot, machine):
    """Nobody else can see it: the alarm that its heartbeat puts off goes off."""
    guest = boot(cpus=1, append="panic=exit", machine=machine)
    before = len(guest.log)
    guest.type("panic stuck\r")
    assert guest.wait_exit() == EXIT_PANIC
    log = guest.log[before:]
    assert re.search(r"PANIC on CPU 0: hardlockup: CPU 0 is stuck with interrupts off", log)
    assert any(name.startswith("panic_stuck+") for _, _, name in frames(log))
    agrees_with_gdb(frames(log), None)


def test_interrupt_lines_without_an_hpet(start):
    """The kernel's own test of a line is of the one that the alarm has where there is an HPET."""
    guest = start(cpus=2, machine="q35,hpet=off", append="test=arch_interrupts")
    assert guest.wait_exit() == EXIT_PASSED, guest.log
    assert re.search(r"interrupt_line_works: ok", guest.log)
    assert " 0 failed" in guest.log


def test_a_pause_is_no_lockup(boot):
    """Of a guest that was stopped for longer than any deadline: its beats are late and nothing is wrong."""
    guest = boot(cpus=1)
    guest.run("sleep 2.5")  # a beat, which sets the alarm
    guest.process.send_signal(signal.SIGSTOP)
    time.sleep(10)
    guest.process.send_signal(signal.SIGCONT)
    guest.run("sleep 2.5")
    assert not re.search("ERROR|PANIC", guest.log)
    guest.poweroff()


def test_panic_within_a_panic_ends(boot):
    guest = boot(cpus=4, append="panic=exit")
    guest.type("panic again\r")
    assert guest.wait_exit() == EXIT_PANIC
    assert re.search(r"PANIC while reporting a panic: page fault: read of address 0xffffdead", guest.log)


def test_panic_halts_by_default(boot):
    guest = boot(cpus=2)
    guest.type("panic direct\r")
    guest.expect("panic: halted")
    assert guest.process.poll() is None
    guest.qmp.command("query-status")
    before = guest.cpu_seconds()
    registers = guest.qmp.monitor("info registers -a")
    assert registers.count("HLT=1") == 2, registers
    assert guest.cpu_seconds() - before < 1


def test_panic_reboots(boot):
    guest = boot(append="panic=reboot", reboot=True)
    guest.type("panic ud\r")
    guest.expect("panic: rebooting")
    guest.wait_prompt()
    guest.poweroff()


def test_panic_is_told_to_the_hypervisor(boot):
    guest = boot(append="panic=halt", devices=["-device", "pvpanic", "-action", "panic=none"])
    guest.qmp.command("query-status")  # events come only after the first command
    guest.type("panic direct\r")
    guest.expect("panic: halted")
    deadline = time.monotonic() + ANSWER_SECONDS
    while not guest.qmp.events and time.monotonic() < deadline:
        guest.qmp.command("query-status")
        time.sleep(0.05)
    assert "GUEST_PANICKED" in [event["event"] for event in guest.qmp.events]


def test_backtrace_of_another_cpu_and_of_a_sleeper(boot):
    """bt works on a task that runs elsewhere and on one that waits."""
    guest = boot(cpus=2)
    seen = 0
    for line in guest.run("ps").splitlines()[1:]:
        pid = re.match(r" *(\d+)", line)
        if not pid:
            continue
        output, succeeded = guest.status(f"bt {pid[1]}")
        assert succeeded, output
        shown = [(int(number), int(address, 16), name) for number, address, name in
                 re.findall(r"#(\d+) ([0-9a-f]{16}) (\S+)", output)]
        assert shown, f"no frames of task {pid[1]}: {output}"
        agrees_with_gdb(shown, None)
        seen += 1
    assert seen >= 3
