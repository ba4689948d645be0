/*
 * `bt PID`: where a task is.
 */
#include "kernel/backtrace.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "shell/command.h"

static int show_backtrace(struct shell *shell, struct task *task)
{
    uintptr_t addresses[BACKTRACE_MAX];
    size_t count = task_backtrace(task, addresses, BACKTRACE_MAX);
    char text[96];

    shell_printf(shell, "task %u (%s), %s, CPU %u\n", task->pid, task->name,
                 task_state_name(task->state), READ_ONCE(task->cpu));
    for (size_t i = 0; i < count; i++) {
        backtrace_describe(addresses[i], i, text, sizeof(text));
        shell_printf(shell, "  #%zu %016lx %s\n", i, (unsigned long)addresses[i], text);
    }
    if (count > 0)
        return 0;
    shell_error(shell, "CPU %u does not answer", READ_ONCE(task->cpu));
    return -ETIMEDOUT;
}

static int bt_command(struct shell *shell, int argc, char **argv)
{
    uint32_t pid;

    if (argc != 2)
        return -EINVAL;
    if (parse_u32(argv[1], &pid)) {
        shell_error(shell, "%s is no number of a task; ps lists them", argv[1]);
        return -EINVAL;
    }
    struct task *task = task_find(pid);
    if (!task) {
        shell_error(shell, "there is no task %u; ps lists them", pid);
        return -ENOENT;
    }
    int error = show_backtrace(shell, task);
    task_put(task);
    return error;
}
SHELL_COMMAND(bt, "bt PID", "the functions a task is in, also of one that runs on another CPU",
              bt_command, CMD_PANIC_OK);
