/*
 * panic: break the kernel in one of several ways, to see what it says.
 */
#include "kernel/panic.h"
#include "arch/cpu.h"
#include "arch/irq.h"
#include "kernel/init.h"
#include "kernel/irq/ipi.h"
#include "kernel/sched/preempt.h"
#include "kernel/sync/spinlock.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "shell/command.h"

/* Read at run time, so that neither a compiler nor a checker sees the fault coming. */
static volatile int zero;
static int *volatile null_pointer;
static void (*volatile null_function)(void);

static void panic_direct(void)
{
    panic("asked for by the panic command");
}

static void panic_pagefault(void)
{
    volatile uint8_t *nowhere = (volatile uint8_t *)0xffffdead00000000ull;

    *nowhere = 1;
}

static void panic_divzero(void)
{
    volatile int some = 100; /* 1 / x would be compiled into a comparison */
    volatile int quotient = some / zero;

    (void)quotient;
}

static void panic_ud(void)
{
    __builtin_trap();
}

static void panic_null(void)
{
    null_function();
    compiler_barrier(); /* so that it is a call and not a jump: the backtrace shall name us */
}

/* Not a tail call, and a frame that is used: the compiler would make a loop of it otherwise. */
static __noinline unsigned int recurse(unsigned int depth)
{
    volatile uint8_t frame[256] = { 0 };

    frame[depth % sizeof(frame)] = (uint8_t)depth;
    if (depth == UINT32_MAX) /* never: the stack is smaller */
        return 0;
    return recurse(depth + 1) + frame[(depth + 1) % sizeof(frame)];
}

static void panic_stack(void)
{
    volatile unsigned int sum = recurse(0);

    (void)sum;
}

static void panic_nullread(void)
{
    (void)*(volatile int *)null_pointer;
}

static void panic_writecode(void)
{
    *(volatile char *)(uintptr_t)&panic_direct = 0;
}

static void panic_execdata(void)
{
    static char data[16];
    void (*volatile function)(void) = (void (*)(void))(uintptr_t)data;

    function();
    compiler_barrier();
}

/* Writes past the end of an array on its own stack, over the canary. */
static __noinline void panic_smash(void)
{
    volatile char small[16];
    volatile char *volatile past = small;

    for (int i = 0; i < 40; i++)
        past[i] = 0x55;
}

static DEFINE_SPINLOCK(panic_lock, "panic command", LOCK_RANK_NONE);

/* Waits for a lock that its own CPU holds. */
static void panic_deadlock(void) __no_thread_safety_analysis
{
    spin_lock(&panic_lock);
    spin_lock(&panic_lock);
    compiler_barrier(); /* no jump in place of the call */
}

static void panic_here(void *arg)
{
    (void)arg;
    panic("every CPU at once");
}

/* All CPUs at the same moment, the others in interrupt handlers: one reports, all stop. */
static void panic_everywhere(void)
{
    ipi_call_others(panic_here, NULL);
    panic_here(NULL);
}

/* The cause cannot be read: the report of the panic panics. */
static void panic_again(void)
{
    const char *volatile nowhere = (const char *)0xffffdead00000000;

    panic("%s", nowhere);
}

/* For the watchdog to find. */
static void panic_stuck(void)
{
    irq_disable();
    for (;;)
        cpu_relax();
}

static int __init needed_by_the_boot(void)
{
    return 0;
}
INIT_HOOK(needed_by_the_boot, INIT_APP);

/* Runs code that was given back after the boot. */
static void panic_boot(void)
{
    const struct init_hook *volatile hook = &needed_by_the_boot_hook;

    hook->run();
    compiler_barrier(); /* no jump in place of the call */
}

static const struct {
    const char *name;
    void (*run)(void);
} ways[] = {
    { "direct", panic_direct },
    { "pagefault", panic_pagefault },
    { "divzero", panic_divzero },
    { "ud", panic_ud },
    { "stack", panic_stack },
    { "null", panic_null },
    { "nullread", panic_nullread },
    { "writecode", panic_writecode },
    { "execdata", panic_execdata },
    { "smash", panic_smash },
    { "everywhere", panic_everywhere },
    { "again", panic_again },
    { "deadlock", panic_deadlock },
    { "stuck", panic_stuck },
    { "boot", panic_boot },
};

static int panic_command(struct shell *shell, int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "direct";

    if (argc > 2)
        return -EINVAL;
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        if (strcmp(ways[i].name, name) == 0) {
            ways[i].run();
            shell_error(shell, "%s did not stop the kernel", name);
            return -EIO;
        }
    }
    shell_error(shell, "%s is no way to panic", name);
    return -EINVAL;
}
SHELL_COMMAND(panic,
              "panic [direct|pagefault|divzero|ud|stack|null|nullread|writecode|execdata|smash|"
              "everywhere|again|deadlock|stuck|boot]",
              "break the kernel, to see what it says\n"
              "stuck: a CPU spins with interrupts off until the watchdog finds it.\n"
              "boot: code is called that only the boot had.",
              panic_command, CMD_NORMAL);
