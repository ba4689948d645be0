/*
 * The watchdog: CPUs that do not take interrupts any more, and tasks that do not let others run.
 *
 * Every CPU has a slow timer that notes its heartbeat and looks at the next CPU's. A beat that is
 * late may mean no more than that an emulator did not run that CPU; so it is sent an NMI. One that
 * answers, three times running, from code with interrupts off, is stuck, and the kernel ends with a
 * panic, whose report has its backtrace. One that answers with interrupts on has a task that holds
 * off preemption, or softirqs without end: that is named in the log, once.
 *
 * The boot CPU, which may be the only one, also sets an alarm with each beat, where the machine has
 * a timer that makes NMIs: it goes off when the beats end.
 */
#include "kernel/watchdog.h"

#include "arch/cpu.h"
#include "arch/crash.h"
#include "arch/nmi_timer.h"
#include "arch/percpu.h"
#include "kernel/backtrace.h"
#include "kernel/init.h"
#include "kernel/irq/ipi.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task.h"
#include "kernel/time/timer.h"
#include "lib/errno.h"
#include "shell/command.h"

#define WATCH_PERIOD_NS (2 * NS_PER_S)
#define LATE_NS         (5 * NS_PER_S)
#define SOFT_LATE_NS    (10 * NS_PER_S)
#define STRIKES_MAX     3

#define ALARM_NS       (8 * NS_PER_S) /* later than the other CPUs, who can tell more */
#define ALARM_AGAIN_NS (1 * NS_PER_S)

struct watchdog {
    struct timer timer;
    uint64_t beat_ns; /* atomic; written by this CPU, read by the one that watches it */
    /* The rest is the watcher's. */
    unsigned int strikes;
    bool is_reported;
    uint64_t late_count; /* beats that were late for whatever reason */
    uint64_t unanswered; /* NMIs that were not answered: the CPU was not run */
    uint64_t soft_lockups;
};
static DEFINE_PER_CPU(struct watchdog, watchdog);

/* The boot CPU's alarm. Touched by that CPU only, from its timer and from NMIs. */
static struct {
    bool is_there;        /* const after INIT_BUS */
    bool may_be_underway; /* one was due when it was put off: its NMI comes now or never */
    uint64_t due_ns;      /* not before */
    unsigned int strikes;
} alarm;

static unsigned int next_online_cpu(unsigned int cpu)
{
    do {
        cpu = (cpu + 1) % cpu_possible_count();
    } while (!cpu_is_online(cpu));
    return cpu;
}

static const char *name_of(const struct task *task)
{
    return task ? task->name : "none";
}

static void report_soft_lockup(unsigned int cpu, struct watchdog *dog,
                               const struct cpu_snapshot *snapshot, uint64_t late_ns)
{
    if (dog->is_reported || late_ns < SOFT_LATE_NS)
        return;
    dog->is_reported = true;
    dog->soft_lockups++;
    log_error("watchdog", "softlockup: CPU %u has not let others run for %llu s, task %s:", cpu,
              (unsigned long long)(late_ns / NS_PER_S), name_of(snapshot->task));
    backtrace_log("watchdog", snapshot->addresses, snapshot->count);
}

static void look_at_late_cpu(unsigned int cpu, struct watchdog *dog, uint64_t late_ns)
{
    struct cpu_snapshot snapshot;

    dog->late_count++;
    if (!cpu_snapshot(cpu, &snapshot)) {
        dog->unanswered++;
        return;
    }
    if (snapshot.interrupts_were_on) {
        dog->strikes = 0;
        report_soft_lockup(cpu, dog, &snapshot, late_ns);
        return;
    }
    if (++dog->strikes >= STRIKES_MAX)
        panic("hardlockup: CPU %u is stuck with interrupts off for %llu s, task %s", cpu,
              (unsigned long long)(late_ns / NS_PER_S), name_of(snapshot.task));
}

static void watch(unsigned int cpu, uint64_t now)
{
    struct watchdog *dog = per_cpu_ptr(watchdog, cpu);
    uint64_t beat = __atomic_load_n(&dog->beat_ns, __ATOMIC_RELAXED);

    if (beat == 0) /* not started yet */
        return;
    if (now < beat + LATE_NS) {
        dog->strikes = 0;
        dog->is_reported = false;
        return;
    }
    look_at_late_cpu(cpu, dog, now - beat);
}

/* Two clocks are at work, which may not agree: nobody else's NMI is taken for the alarm's within
 * the first half of the delay. */
static void set_alarm(uint64_t now, uint64_t delay_ns)
{
    alarm.due_ns = now + delay_ns / 2;
    compiler_barrier();
    nmi_timer_set(delay_ns);
}

static void put_off_alarm(uint64_t now)
{
    alarm.may_be_underway = now >= alarm.due_ns;
    alarm.strikes = 0;
    set_alarm(now, ALARM_NS);
}

bool watchdog_nmi(const struct cpu_registers *registers)
{
    struct crash_registers kept;
    uint64_t now = clock_now_ns();

    if (!alarm.is_there || cpu_current() != 0)
        return false;
    if (now < alarm.due_ns) {
        bool is_late_one = alarm.may_be_underway;

        alarm.may_be_underway = false;
        return is_late_one;
    }
    set_alarm(now, ALARM_AGAIN_NS);
    crash_registers_keep(&kept, registers);
    if (crash_interrupts_were_on(&kept)) /* the beat waits to be delivered, or for its turn */
        alarm.strikes = 0;
    else if (++alarm.strikes >= STRIKES_MAX)
        panic_exception(registers, "hardlockup: CPU 0 is stuck with interrupts off, task %s",
                        name_of(task_current()));
    return true;
}

/* Softirq context, every WATCH_PERIOD_NS on each CPU. */
static void watchdog_timer(struct timer *timer)
{
    unsigned int cpu = cpu_current();
    unsigned int other = next_online_cpu(cpu);
    uint64_t now = clock_now_ns();

    (void)timer;
    __atomic_store_n(&this_cpu_ptr(watchdog)->beat_ns, now, __ATOMIC_RELAXED);
    if (cpu == 0 && alarm.is_there)
        put_off_alarm(now);
    if (other != cpu)
        watch(other, now);
}

/* The scheduler's own view: preemption is held off, but interrupts and softirqs, and so the beat,
 * go on. The stack below the interrupt is the culprit's. */
static void lockup_seen_here(void)
{
    uintptr_t addresses[BACKTRACE_MAX];

    this_cpu_ptr(watchdog)->soft_lockups++;
    log_error("watchdog", "softlockup: CPU %u: task %s does not let others run:", cpu_current(),
              name_of(task_current()));
    backtrace_log("watchdog", addresses, backtrace_here(addresses, BACKTRACE_MAX));
}

static void start_here(void *arg)
{
    struct watchdog *dog = this_cpu_ptr(watchdog);

    (void)arg;
    __atomic_store_n(&dog->beat_ns, clock_now_ns(), __ATOMIC_RELAXED);
    timer_init(&dog->timer, "watchdog", watchdog_timer);
    timer_start(&dog->timer, deadline_after_ns(WATCH_PERIOD_NS), WATCH_PERIOD_NS);
}

/* INIT_BUS: the first level at which all CPUs are online. */
static int __init watchdog_init(void)
{
    sched_set_lockup_hook(lockup_seen_here);
    alarm.is_there = nmi_timer_init() == 0; /* first set by the first beat */
    preempt_disable();                      /* "here" and "others" are all, each once */
    start_here(NULL);
    ipi_call_others(start_here, NULL);
    preempt_enable();
    return 0;
}
INIT_HOOK(watchdog_init, INIT_BUS);

static int watchdog_command(struct shell *shell, int argc, char **argv)
{
    unsigned int cpu;
    uint64_t now = clock_now_ns();

    (void)argv;
    if (argc != 1)
        return -EINVAL;
    shell_printf(shell, "CPU  beat before ms  late  unanswered  softlockups\n");
    for_each_online_cpu(cpu) {
        const struct watchdog *dog = per_cpu_ptr(watchdog, cpu);
        uint64_t beat = __atomic_load_n(&dog->beat_ns, __ATOMIC_RELAXED);

        shell_printf(shell, "%3u %15llu %5llu %11llu %12llu\n", cpu,
                     (unsigned long long)(now > beat ? (now - beat) / NS_PER_MS : 0),
                     (unsigned long long)READ_ONCE(dog->late_count),
                     (unsigned long long)READ_ONCE(dog->unanswered),
                     (unsigned long long)READ_ONCE(dog->soft_lockups));
    }
    return 0;
}
SHELL_COMMAND(watchdog, "watchdog", "heartbeats of the CPUs, and what was found wrong with them",
              watchdog_command, CMD_PANIC_OK);
