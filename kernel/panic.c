/*
 * The end: stop every other CPU, say what happened, then do as panic= says.
 *
 * The first CPU to panic is the one that reports; another that panics meanwhile stops like the
 * rest. From then on nothing takes a lock: whoever held one has been stopped with it. If reporting
 * itself goes wrong, the same CPU comes here again: it says so in one line and goes on to the end,
 * and the third time goes there without a word.
 */
#include "kernel/panic.h"

#include "arch/cpu.h"
#include "arch/crash.h"
#include "arch/exit.h"
#include "arch/irq.h"
#include "arch/percpu.h"
#include "arch/smp.h"
#include "kernel/backtrace.h"
#include "kernel/log.h"
#include "kernel/panic_internal.h"
#include "kernel/parameter.h"
#include "kernel/power/power.h"
#include "kernel/sched/task.h"
#include "kernel/sync/lock_debug.h"
#include "kernel/time/clock.h"
#include "kernel/version.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"

#define STOP_NS        (500 * NS_PER_MS) /* for all CPUs to answer the NMI */
#define LOG_TAIL_LINES 24
#define HELD_MAX       16
#define NOBODY         UINT32_MAX

enum panic_action {
    PANIC_HALT,
    PANIC_REBOOT,
    PANIC_EXIT
};
static const char *const action_names[] = { "halt", "reboot", "exit" };

/* What a stopped CPU leaves for the report. Written by that CPU, then is_stopped with release. */
struct stopped_cpu {
    atomic_bool is_stopped;
    struct task *task;
    size_t count;
    uintptr_t addresses[BACKTRACE_MAX];
};

static enum panic_action action;
static atomic_u32 reporting_cpu = ATOMIC_INIT(NOBODY);
static unsigned int depth; /* the reporting CPU's only */
static atomic_bool stop_all;
static DEFINE_PER_CPU(struct stopped_cpu, stopped_cpu);
static uint64_t log_tail_cursor;

#define say(...) log_error("panic", __VA_ARGS__)

static __noreturn void stop_here(const struct crash_registers *registers)
{
    struct stopped_cpu *me = this_cpu_ptr(stopped_cpu);

    /* One that panicked too has stopped by itself; the NMI that comes then changes nothing. */
    if (!atomic_load_relaxed(&me->is_stopped)) {
        me->task = cpu_task();
        me->count = crash_backtrace(registers, me->task, me->addresses, BACKTRACE_MAX);
        atomic_store_release(&me->is_stopped, true);
    }
    cpu_halt_forever();
}

bool panic_stop_if_asked(const struct cpu_registers *registers)
{
    struct crash_registers kept;

    if (!atomic_load_acquire(&stop_all))
        return false;
    if (atomic_load(&reporting_cpu) == cpu_current())
        return true;
    crash_registers_keep(&kept, registers);
    stop_here(&kept);
}

static bool others_are_stopped(void)
{
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        if (cpu != cpu_current() &&
            !atomic_load_acquire(&per_cpu_ptr(stopped_cpu, cpu)->is_stopped))
            return false;
    }
    return true;
}

/* By turns of the loop as well as by the clock, which may be what is broken. */
static void stop_others(void)
{
    uint64_t deadline = deadline_after_ns(STOP_NS);
    unsigned int cpu;

    atomic_store_release(&stop_all, true);
    for_each_online_cpu(cpu) {
        if (cpu != cpu_current())
            smp_send_nmi(cpu);
    }
    for (uint64_t turns = 0; turns < 1000000000 && !others_are_stopped(); turns++) {
        if (clock_now_ns() > deadline)
            break;
        cpu_relax();
    }
}

static void say_registers(const struct crash_registers *registers)
{
    char text[128];

    for (unsigned int line = 0; crash_registers_line(registers, line, text, sizeof(text)); line++)
        say("%s", text);
}

static void say_held_locks(unsigned int cpu)
{
    struct held_lock_description held[HELD_MAX];
    size_t count = lock_debug_held(cpu, held, HELD_MAX);
    char text[96];

    for (size_t i = 0; i < count; i++) {
        backtrace_describe(held[i].acquired_at, 1, text, sizeof(text));
        say("  holds %s, taken at %s", held[i].name, text);
    }
}

static void say_mutexes(const struct task *task)
{
    for (unsigned int i = 0; task && i < MIN_T(unsigned int, task->held_count, TASK_HELD_MAX); i++)
        say("  holds %s", task->held[i].name);
}

static void say_task(unsigned int cpu, const struct task *task)
{
    if (task)
        say("CPU %u, task %u (%s):", cpu, task->pid, task->name);
    else
        say("CPU %u, no task:", cpu);
}

static void say_own_cpu(const struct crash_registers *registers)
{
    uintptr_t addresses[BACKTRACE_MAX];
    size_t count = crash_backtrace(registers, cpu_task(), addresses, BACKTRACE_MAX);

    say_task(cpu_current(), cpu_task());
    say_registers(registers);
    backtrace_log("panic", addresses, count);
    say_held_locks(cpu_current());
    say_mutexes(cpu_task());
}

static void say_other_cpu(unsigned int cpu)
{
    const struct stopped_cpu *other = per_cpu_ptr(stopped_cpu, cpu);

    if (!atomic_load_acquire(&other->is_stopped)) {
        say("CPU %u does not answer", cpu);
        return;
    }
    say_task(cpu, other->task);
    backtrace_log("panic", other->addresses, other->count);
    say_held_locks(cpu);
    say_mutexes(other->task);
}

/* Those before the panic, which a shell session may have kept from the screen. */
static void say_last_log_lines(void)
{
    char line[LOG_LINE_MAX];
    uint64_t cursor = log_tail_cursor;
    unsigned int count = 0;

    say("last lines of the log:");
    while (count++ < LOG_TAIL_LINES && log_read(&cursor, line, sizeof(line)) > 0 &&
           !strstr(line, "PANIC"))
        say("  %s", line);
}

static __noreturn void finish(void)
{
    emulator_report_panic();
    if (action == PANIC_EXIT)
        emulator_exit(EMULATOR_EXIT_PANIC);
    if (action == PANIC_REBOOT)
        power_reset_now();
    cpu_halt_forever();
}

static void report(const struct crash_registers *registers, const char *cause)
{
    unsigned int cpu;

    say("PANIC on CPU %u: %s", cpu_current(), cause);
    say("%s", kernel_version);
    say_own_cpu(registers);
    for_each_online_cpu(cpu) {
        if (cpu != cpu_current())
            say_other_cpu(cpu);
    }
    say_last_log_lines();
    say("%s", action == PANIC_HALT     ? "halted"
              : action == PANIC_REBOOT ? "rebooting"
                                       : "leaving the emulator");
}

/* Return: true to report; false when this CPU was reporting already. Any other CPU stops here. */
static bool claim_report(const struct crash_registers *registers)
{
    uint32_t owner = NOBODY;

    if (atomic_cmpxchg(&reporting_cpu, &owner, cpu_current()))
        return true;
    if (owner != cpu_current())
        stop_here(registers);
    return false;
}

static __noreturn void panic_with(const struct crash_registers *registers, const char *format,
                                  va_list arguments)
{
    static char cause[LOG_LINE_MAX / 2]; /* the reporting CPU's */

    irq_disable();
    bool is_first = claim_report(registers);
    depth++;
    if (is_first) {
        stop_others();
        log_tail_cursor = log_tail(LOG_TAIL_LINES);
        log_panic_mode();
        vsnprintf(cause, sizeof(cause), format, arguments);
        report(registers, cause);
    } else if (depth == 2) {
        char text[LOG_LINE_MAX / 2];

        vsnprintf(text, sizeof(text), format, arguments);
        say("PANIC while reporting a panic: %s", text);
    }
    if (depth > 3)
        cpu_halt_forever();
    finish();
}

void panic(const char *format, ...)
{
    struct crash_registers registers;
    va_list arguments;

    crash_registers_here(&registers);
    va_start(arguments, format);
    panic_with(&registers, format, arguments);
}

void panic_exception(const struct cpu_registers *registers, const char *format, ...)
{
    struct crash_registers kept;
    va_list arguments;

    crash_registers_keep(&kept, registers);
    va_start(arguments, format);
    panic_with(&kept, format, arguments);
}

/* Called by compiled code that finds its stack frame's canary changed. */
void __noreturn __stack_chk_fail(void); // NOLINT: the compiler chose the name
void __stack_chk_fail(void)             // NOLINT
{
    panic("stack smashed: a function wrote past its local arrays");
}

static int panic_parameter(const char *value)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(action_names); i++) {
        if (strcmp(value, action_names[i]) == 0) {
            action = (enum panic_action)i;
            return 0;
        }
    }
    return -EINVAL;
}
PARAMETER(panic, "panic", "reboot|halt|exit", "what to do after a panic", panic_parameter);
