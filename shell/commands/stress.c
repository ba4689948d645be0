/*
 * stress: tasks that wait or compute for a while, to see how the rest bears it.
 */
#include "kernel/sched/task.h"
#include "kernel/sync/wait_queue.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "shell/command.h"

#define COUNT_MAX   10000
#define SECONDS_MAX 86400

static int sleep_until(void *arg)
{
    return sleep_until_ns((uintptr_t)arg);
}

/* Without a call that would let others run: only preemption does. */
static int spin_until(void *arg)
{
    while (clock_now_ns() < (uintptr_t)arg && !task_is_cancelled())
        compiler_barrier();
    return 0;
}

static int start_tasks(struct shell *shell, int (*entry)(void *arg), uint32_t count,
                       uint64_t deadline_ns)
{
    for (uint32_t i = 0; i < count; i++) {
        int error = task_create("stress", entry, (void *)(uintptr_t)deadline_ns, NULL);
        if (error) {
            shell_error(shell, "only %u of %u tasks: %s", i, count, errno_text(error));
            return error;
        }
    }
    return 0;
}

static int stress_command(struct shell *shell, int argc, char **argv)
{
    uint32_t count;
    uint32_t seconds;

    if (argc != 4)
        return -EINVAL;
    bool is_spin = strcmp(argv[1], "spin") == 0;
    if ((!is_spin && strcmp(argv[1], "sleep") != 0) || parse_u32(argv[2], &count) ||
        count > COUNT_MAX || parse_u32(argv[3], &seconds) || seconds > SECONDS_MAX) {
        shell_error(shell, "want sleep or spin, 0 to %d tasks, and 0 to %d seconds", COUNT_MAX,
                    SECONDS_MAX);
        return -EINVAL;
    }
    return start_tasks(shell, is_spin ? spin_until : sleep_until, count,
                       deadline_after_ns(seconds * NS_PER_S));
}
SHELL_COMMAND(stress, "stress sleep|spin TASKS SECONDS",
              "start tasks in the background that wait, or compute, for that long", stress_command,
              CMD_NORMAL);
