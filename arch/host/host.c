/*
 * The simulated machine: one CPU, starting and running a kernel on it, and its end.
 */
#include "arch/host/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/cpu.h"
#include "arch/host/host_internal.h"
#include "arch/irq.h"
#include "arch/percpu.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task.h"
#include "kernel/sched/task_table.h"
#include "kernel/time/timer.h"
#include "lib/errno.h"

#define LOG_LINES_SHOWN 40

/* ---- the CPU --------------------------------------------------------------------------------- */

unsigned int cpu_possible_count(void)
{
    return 1;
}

bool cpu_is_online(unsigned int cpu)
{
    return cpu == 0;
}

unsigned int cpu_online_count(void)
{
    return 1;
}

uintptr_t percpu_offset_of(unsigned int cpu)
{
    (void)cpu;
    return 0;
}

static uint64_t seed_state = 1;

void host_set_seed(uint64_t seed)
{
    seed_state = seed;
}

bool cpu_random_seed(uint64_t *word)
{
    uint64_t z = seed_state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    *word = z ^ z >> 31;
    return true;
}

void cpu_describe(unsigned int cpu, char *buffer, size_t size)
{
    snprintf(buffer, size, "simulated CPU %u", cpu);
}

void cpu_halt_forever(void)
{
    host_fail("the CPU was halted for ever");
}

void cpu_reset(void)
{
    host_fail("the CPU was reset");
}

/* ---- ports ----------------------------------------------------------------------------------- */

static uint32_t (*port_read_hook)(uint16_t port, unsigned int bits);
static void (*port_write_hook)(uint16_t port, uint32_t value, unsigned int bits);

void host_set_port_hooks(uint32_t (*read)(uint16_t port, unsigned int bits),
                         void (*write)(uint16_t port, uint32_t value, unsigned int bits))
{
    port_read_hook = read;
    port_write_hook = write;
}

uint32_t host_port_read(uint16_t port, unsigned int bits)
{
    return port_read_hook ? port_read_hook(port, bits) : UINT32_MAX;
}

void host_port_write(uint16_t port, uint32_t value, unsigned int bits)
{
    if (port_write_hook)
        port_write_hook(port, value, bits);
}

/* ---- idle ------------------------------------------------------------------------------------ */

static bool (*idle_hook)(void *arg, uint64_t next_event_ns);
static void *idle_hook_arg;

void host_set_idle_hook(bool (*hook)(void *arg, uint64_t next_event_ns), void *arg)
{
    idle_hook = hook;
    idle_hook_arg = arg;
}

void cpu_idle(void)
{
    if (!idle_hook || !idle_hook(idle_hook_arg, host_clock_next_event())) {
        if (!host_clock_jump())
            host_fail("deadlock: every task waits, and nothing will wake one");
    }
    irq_enable();
    irq_disable();
}

/* ---- a kernel -------------------------------------------------------------------------------- */

/* Per-CPU variables as the program was loaded with them. */
static void percpu_reset(void)
{
    static char *initial;
    size_t size = (size_t)(__stop_percpu - __start_percpu);

    if (!initial) {
        initial = malloc(size);
        memcpy(initial, __start_percpu, size);
    } else {
        memcpy(__start_percpu, initial, size);
    }
}

static void write_stderr(struct log_console *console, enum log_level level, const char *text,
                         size_t length)
{
    (void)console;
    (void)level;
    fwrite(text, 1, length, stderr);
}

static void start_log(void)
{
    static struct log_console console = { .name = "stderr",
                                          .write = write_stderr,
                                          .write_panic = write_stderr };
    static bool is_registered;

    if (!is_registered && getenv("NOS_LOG"))
        log_console_register(&console);
    is_registered = true;
}

void host_kernel_start(void)
{
    percpu_reset();
    host_interrupts_reset();
    host_clock_reset();
    host_chaos_reset();
    host_set_idle_hook(NULL, NULL);
    host_heap_reset();
    start_log();
    sched_early_init();
    if (sched_init() != 0)
        host_fail("the scheduler does not start");
    irq_enable();
    host_settle();
}

void host_settle(void)
{
    struct sched_statistics statistics;

    for (;;) {
        sched_statistics(0, &statistics);
        if (statistics.ready == 0)
            return;
        task_yield();
    }
}

void host_advance_ns(uint64_t ns)
{
    uint64_t deadline = clock_read_ns() + ns;

    if (!sched_is_running()) {
        host_clock_add(ns);
        return;
    }
    while (clock_read_ns() < deadline)
        if (wait_woken("host_advance_ns", NULL, deadline, WAIT_UNCANCELLABLE) != -ETIMEDOUT)
            host_fail("host_advance_ns: an endless wait ended");
    host_settle();
}

struct census {
    unsigned int tasks;
    size_t timers;
    size_t allocations;
    unsigned long serial;
};

static struct census take_census(void)
{
    host_settle();
    size_t cached = 2 * (size_t)task_cache_settle(); /* a structure and a stack each */
    return (struct census){ task_count(), timer_armed_count(), host_allocation_count() - cached,
                            host_heap_serial() };
}

int host_run(int (*function)(void *arg), void *arg)
{
    struct census before = take_census();
    int result = function(arg);
    struct census after = take_census();

    if (after.allocations > before.allocations) {
        fprintf(stderr, "allocated since and not freed:\n");
        host_heap_print_since(before.serial);
    }
    if (after.tasks > before.tasks || after.timers > before.timers ||
        after.allocations > before.allocations)
        host_fail("leak: %d tasks, %ld timers, %ld allocations", (int)(after.tasks - before.tasks),
                  (long)(after.timers - before.timers),
                  (long)(after.allocations - before.allocations));
    return result;
}

/* ---- the end --------------------------------------------------------------------------------- */

static jmp_buf expected_panic;
static const char *expected_text;

static bool print_task(struct task *task, void *arg)
{
    const char *wait_name = task->wait_name;

    (void)arg;
    fprintf(stderr, "  %6u %-20s %s%s%s\n", task->pid, task->name, task_state_name(task->state),
            wait_name ? ", waits for " : "", wait_name ? wait_name : "");
    return true;
}

static void print_log_tail(void)
{
    static char lines[LOG_LINES_SHOWN][LOG_LINE_MAX];
    uint64_t cursor = 0;
    size_t count = 0;

    while (log_read(&cursor, lines[count % LOG_LINES_SHOWN], LOG_LINE_MAX) > 0)
        count++;
    for (size_t i = count > LOG_LINES_SHOWN ? count - LOG_LINES_SHOWN : 0; i < count; i++)
        fprintf(stderr, "  %s\n", lines[i % LOG_LINES_SHOWN]);
}

static void __noreturn fail_va(const char *what, const char *text)
{
    static bool is_failing;

    fprintf(stderr, "%s: %s\n", what, text);
    if (is_failing)
        abort();
    is_failing = true;
    fprintf(stderr, "the log's last lines:\n");
    print_log_tail();
    fprintf(stderr, "tasks at %llu ns:\n", (unsigned long long)clock_read_ns());
    task_for_each(print_task, NULL);
    abort();
}

void host_fail(const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    host_cpu.irq_enabled = false;
    fail_va("host", text);
}

static void __noreturn panic_va(const char *format, va_list args)
{
    char text[512];

    vsnprintf(text, sizeof(text), format, args);
    host_cpu.irq_enabled = false;
    if (expected_text && strstr(text, expected_text))
        longjmp(expected_panic, 1);
    fail_va("panic", text);
}

void panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    panic_va(format, args);
}

void panic_exception(const struct cpu_registers *registers, const char *format, ...)
{
    va_list args;

    (void)registers;
    va_start(args, format);
    panic_va(format, args);
}

void host_expect_panic(void (*function)(void *arg), void *arg, const char *text)
{
    expected_text = text;
    if (setjmp(expected_panic) == 0) {
        function(arg);
        expected_text = NULL;
        host_fail("no panic with \"%s\" came", text);
    }
    host_context_back_on_main_stack();
    expected_text = NULL;
}
