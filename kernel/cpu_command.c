/*
 * `cpu`: what kind of CPUs there are, and what each is doing.
 */
#include "arch/clock.h"
#include "arch/cpu.h"
#include "arch/irq.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "shell/command.h"

#define U(x) ((unsigned long long)(x))

/*
 * The task may end at any moment. Its structure lies in the direct map, so that to read its pid is
 * harmless even then; its name is looked up by that, with a reference.
 */
static void show_current(struct shell *shell, const struct task *current)
{
    uint32_t pid = current ? current->pid : 0;
    struct task *task = pid ? task_find(pid) : NULL;

    shell_printf(shell, "  %5u %s\n", pid, task ? task->name : "-");
    if (task)
        task_put(task);
}

static void show_cpu(struct shell *shell, unsigned int cpu, uint64_t now)
{
    struct sched_statistics sched;
    struct irq_counters irqs;

    if (!cpu_is_online(cpu)) {
        shell_printf(shell, "%3u  not started\n", cpu);
        return;
    }
    sched_statistics(cpu, &sched);
    arch_irq_counters(cpu, &irqs);
    shell_printf(shell, "%3u %5llu %5u %9llu %7llu %8llu %8llu %8llu %7llu %4llu %5llu", cpu,
                 U(now ? MIN(sched.idle_ns, now) * 100 / now : 0), sched.ready, U(sched.switches),
                 U(sched.steals), U(irqs.timer), U(irqs.device), U(irqs.reschedule), U(irqs.call),
                 U(irqs.nmi), U(irqs.spurious));
    show_current(shell, sched.current);
}

static int cpu_command(struct shell *shell, int argc, char **argv)
{
    char text[256];
    uint64_t now = clock_now_ns();

    (void)argv;
    if (argc != 1)
        return -EINVAL;
    cpu_describe(0, text, sizeof(text));
    shell_printf(shell, "%s\nclock: %s\n%u of %u CPUs online\n", text, clock_source_name(),
                 cpu_online_count(), cpu_possible_count());
    shell_printf(shell, "CPU idle%% ready  switches  steals   timers  devices   resche"
                        "   calls  nmi spur.    pid task\n");
    for (unsigned int cpu = 0; cpu < cpu_possible_count(); cpu++)
        show_cpu(shell, cpu, now);
    return 0;
}
SHELL_COMMAND(cpu, "cpu", "the CPUs: kind, load, interrupts, and what each runs", cpu_command,
              CMD_PANIC_OK);
