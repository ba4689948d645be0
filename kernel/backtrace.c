/*
 * Backtraces. One request to another CPU is under way at a time: the asker names the CPU, sends an
 * NMI, and spins for the answer with a deadline. Asker and answerer settle by one
 * compare-and-exchange whether an answer is given, so that one that comes too late writes nothing.
 */
#include "kernel/backtrace.h"

#include "arch/context.h"
#include "arch/cpu.h"
#include "arch/crash.h"
#include "arch/irq.h"
#include "arch/percpu.h"
#include "arch/smp.h"
#include "kernel/log.h"
#include "kernel/panic_internal.h"
#include "kernel/sched/task.h"
#include "kernel/symbols.h"
#include "kernel/time/clock.h"
#include "kernel/watchdog.h"
#include "lib/atomic.h"
#include "lib/printf.h"
#include "lib/string.h"

/* An emulated CPU may wait this long for a host CPU to run on. */
#define ANSWER_NS (100 * NS_PER_MS)

static struct {
    atomic_bool is_taken;  /* by the one who asks */
    atomic_uint asked_cpu; /* CPU number + 1; 0: nobody. Who takes it to 0 decides */
    atomic_bool is_answered;
    struct cpu_snapshot snapshot; /* written by the CPU that answers */
} request;

/* NMIs on their way to this CPU whose request has been taken back: nobody waits for an answer. */
static DEFINE_PER_CPU(atomic_uint, withdrawn_nmis);

size_t backtrace_here(uintptr_t *addresses, size_t count)
{
    struct crash_registers registers;

    crash_registers_here(&registers);
    return crash_backtrace(&registers, cpu_task(), addresses, count);
}

/* On the CPU that was asked. Return: was it this one? */
static bool answer_request(const struct cpu_registers *registers)
{
    static struct crash_registers kept; /* one request at a time */
    unsigned int me = cpu_current() + 1;

    if (!atomic_cmpxchg(&request.asked_cpu, &me, 0))
        return false;
    crash_registers_keep(&kept, registers);
    request.snapshot.task = cpu_task();
    request.snapshot.interrupts_were_on = crash_interrupts_were_on(&kept);
    request.snapshot.count =
        crash_backtrace(&kept, cpu_task(), request.snapshot.addresses, BACKTRACE_MAX);
    atomic_store_release(&request.is_answered, true);
    return true;
}

static bool is_withdrawn(void)
{
    atomic_uint *withdrawn = this_cpu_ptr(withdrawn_nmis);

    if (atomic_load(withdrawn) == 0)
        return false;
    /* Two NMIs that were pending together have come as one. */
    atomic_store(withdrawn, 0);
    return true;
}

void nmi_handler(const struct cpu_registers *registers)
{
    if (panic_stop_if_asked(registers) || answer_request(registers) || watchdog_nmi(registers) ||
        is_withdrawn())
        return;

    struct crash_registers kept;
    uintptr_t addresses[BACKTRACE_MAX];

    log_error("nmi", "from outside, on CPU %u, which was here:", cpu_current());
    crash_registers_keep(&kept, registers);
    backtrace_log("nmi", addresses, crash_backtrace(&kept, cpu_task(), addresses, BACKTRACE_MAX));
}

static bool take_request(void)
{
    uint64_t deadline = deadline_after_ns(ANSWER_NS);

    while (atomic_exchange(&request.is_taken, true)) {
        if (clock_now_ns() > deadline)
            return false;
        cpu_relax();
    }
    return true;
}

/* Takes the request back if the CPU has not begun to answer; if it has, waits for it to end. */
static bool wait_for_answer(unsigned int cpu)
{
    uint64_t deadline = deadline_after_ns(ANSWER_NS);
    unsigned int asked = cpu + 1;

    while (!atomic_load_acquire(&request.is_answered)) {
        if (clock_now_ns() > deadline && atomic_cmpxchg(&request.asked_cpu, &asked, 0)) {
            atomic_fetch_add(per_cpu_ptr(withdrawn_nmis, cpu), 1);
            return false;
        }
        asked = cpu + 1;
        cpu_relax();
    }
    return true;
}

bool cpu_snapshot(unsigned int cpu, struct cpu_snapshot *snapshot)
{
    if (!cpu_is_online(cpu))
        return false;
    if (cpu == cpu_current()) {
        snapshot->task = cpu_task();
        snapshot->interrupts_were_on = irq_is_enabled();
        snapshot->count = backtrace_here(snapshot->addresses, BACKTRACE_MAX);
        return true;
    }
    if (!take_request())
        return false;
    atomic_store_relaxed(&request.is_answered, false);
    atomic_store_release(&request.asked_cpu, cpu + 1);
    smp_send_nmi(cpu);
    bool is_answered = wait_for_answer(cpu);
    if (is_answered)
        *snapshot = request.snapshot;
    atomic_store_release(&request.is_taken, false);
    return is_answered;
}

static size_t copy_addresses(const struct cpu_snapshot *snapshot, uintptr_t *addresses,
                             size_t count)
{
    size_t copied = MIN(count, snapshot->count);

    memcpy(addresses, snapshot->addresses, copied * sizeof(addresses[0]));
    return copied;
}

size_t task_backtrace(struct task *task, uintptr_t *addresses, size_t count)
{
    struct cpu_snapshot snapshot;

    if (task == cpu_task())
        return backtrace_here(addresses, count);
    /* It may be switched out, or elsewhere, before the NMI arrives: then look again. */
    for (int i = 0; i < 3 && __atomic_load_n(&task->is_on_cpu, __ATOMIC_ACQUIRE); i++) {
        if (!cpu_snapshot(READ_ONCE(task->cpu), &snapshot))
            return 0;
        if (snapshot.task == task)
            return copy_addresses(&snapshot, addresses, count);
    }
    return context_backtrace(&task->context, task->stack_base, TASK_STACK_SIZE, addresses, count);
}

void backtrace_describe(uintptr_t address, size_t index, char *buffer, size_t size)
{
    size_t offset;
    size_t before = index > 0 ? 1 : 0;
    const char *name = symbol_name(address - before, &offset);

    if (name)
        snprintf(buffer, size, "%s+0x%zx", name, offset + before);
    else
        snprintf(buffer, size, "?");
}

void backtrace_log(const char *module, const uintptr_t *addresses, size_t count)
{
    char text[96];

    for (size_t i = 0; i < count; i++) {
        backtrace_describe(addresses[i], i, text, sizeof(text));
        log_error(module, "  #%zu %016lx %s", i, (unsigned long)addresses[i], text);
    }
}
