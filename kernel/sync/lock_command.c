/*
 * `locks`: what is held now, who waits for what, and which locks were waited for.
 */
#include "arch/cpu.h"
#include "kernel/backtrace.h"
#include "kernel/sched/task.h"
#include "kernel/sync/lock_debug.h"
#include "kernel/sync/lock_statistics.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "shell/command.h"

#define HELD_SHOWN 16

static void show_held_spinlocks(struct shell *shell)
{
    struct held_lock_description held[HELD_SHOWN];
    char place[96];
    unsigned int cpu;

    if (!CONFIG_DEBUG) {
        shell_printf(shell, "held locks are known in debug builds only\n");
        return;
    }
    for_each_online_cpu(cpu) {
        size_t count = lock_debug_held(cpu, held, HELD_SHOWN);
        for (size_t i = 0; i < count; i++) {
            backtrace_describe(held[i].acquired_at, 1, place, sizeof(place));
            shell_printf(shell, "CPU %u holds spinlock %s since %s\n", cpu, held[i].name, place);
        }
    }
}

/* A copy of what is shown: shell_printf() may sleep, and the task may go on meanwhile. */
static void show_sleeping_locks(struct shell *shell)
{
    struct task *task;

    for (uint32_t pid = 0; (task = task_next(pid)) != NULL; task_put(task)) {
        unsigned int count = READ_ONCE(task->held_count);
        const char *wait_name = READ_ONCE(task->wait_name);
        pid = task->pid;
        for (unsigned int i = 0; i < count && i < TASK_HELD_MAX; i++)
            shell_printf(shell, "task %u %s holds %s\n", pid, task->name,
                         READ_ONCE(task->held[i].name));
        if (count > 0 && wait_name)
            shell_printf(shell, "task %u %s waits meanwhile for %s\n", pid, task->name, wait_name);
    }
}

static int locks_command(struct shell *shell, int argc, char **argv)
{
    struct lock_statistics statistics;

    (void)argv;
    if (argc != 1)
        return -EINVAL;
    show_held_spinlocks(shell);
    show_sleeping_locks(shell);
    shell_printf(shell, "%-24s %10s %14s %14s\n", "waited for", "times", "together us",
                 "longest us");
    for (unsigned int i = 0; lock_statistics(i, &statistics); i++)
        shell_printf(shell, "%-24s %10llu %14llu %14llu\n", statistics.name,
                     (unsigned long long)statistics.waits,
                     (unsigned long long)(statistics.waited_ns / NS_PER_US),
                     (unsigned long long)(statistics.longest_ns / NS_PER_US));
    return 0;
}
SHELL_COMMAND(locks, "locks", "locks that are held, and locks that were waited for", locks_command,
              CMD_PANIC_OK);
