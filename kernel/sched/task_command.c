/*
 * `ps` and `top`: what runs where.
 */
#include "arch/cpu.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "kernel/time/timer.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/printf.h"
#include "lib/sort.h"
#include "mm/kmalloc.h"
#include "shell/command.h"

/* ---- ps -------------------------------------------------------------------------------------- */

static void format_ms(uint64_t ns, char *buffer, size_t size)
{
    snprintf(buffer, size, "%llu.%03llu", (unsigned long long)(ns / NS_PER_S),
             (unsigned long long)(ns / NS_PER_MS % 1000));
}

static void show_task(struct shell *shell, struct task *task)
{
    const char *wait_name = READ_ONCE(task->wait_name);
    char run_time[24];

    format_ms(task_run_ns(task), run_time, sizeof(run_time));
    shell_printf(shell, "%6u %-8s %3u %11s %9llu  %-20s %s\n", task->pid,
                 task_state_name(READ_ONCE(task->state)), READ_ONCE(task->cpu), run_time,
                 (unsigned long long)READ_ONCE(task->switches), task->name,
                 wait_name ? wait_name : "");
}

static int ps_command(struct shell *shell, int argc, char **argv)
{
    struct task *task;

    (void)argv;
    if (argc != 1)
        return -EINVAL;
    shell_printf(shell, "%6s %-8s %3s %11s %9s  %-20s %s\n", "PID", "STATE", "CPU", "TIME s",
                 "SWITCHES", "NAME", "WAITS FOR");
    for (uint32_t pid = 0; (task = task_next(pid)) != NULL;) {
        pid = task->pid;
        show_task(shell, task);
        task_put(task);
    }
    return 0;
}
SHELL_COMMAND(ps, "ps", "list tasks with state, CPU, time used and what they wait for", ps_command,
              CMD_PANIC_OK);

/* ---- top ------------------------------------------------------------------------------------- */

#define TASKS_SHOWN 15

static unsigned int percent(uint64_t part, uint64_t whole)
{
    if (whole == 0)
        return 0;
    uint64_t result = part >= whole ? 100 : part * 100 / whole;
    return (unsigned int)result;
}

struct task_sample {
    uint32_t pid;
    enum task_state state;
    unsigned int cpu;
    uint64_t run_ns;  /* since the task began */
    uint64_t used_ns; /* in the last interval */
    char name[TASK_NAME_MAX];
};

struct sample {
    uint64_t time_ns;
    size_t count;
    struct task_sample tasks[]; /* by pid */
};

static struct sample *take_sample(void)
{
    size_t room = task_count() + 16; /* some may come meanwhile; the rest is shown next time */
    struct sample *sample = kmalloc(sizeof(*sample) + room * sizeof(sample->tasks[0]));
    struct task *task;

    if (!sample)
        return NULL;
    sample->time_ns = clock_now_ns();
    sample->count = 0;
    for (uint32_t pid = 0; sample->count < room && (task = task_next(pid)) != NULL;) {
        struct task_sample *entry = &sample->tasks[sample->count++];
        pid = task->pid;
        if (task->is_idle) {
            sample->count--;
            task_put(task);
            continue;
        }
        *entry = (struct task_sample){ .pid = pid,
                                       .state = READ_ONCE(task->state),
                                       .cpu = READ_ONCE(task->cpu),
                                       .run_ns = task_run_ns(task) };
        snprintf(entry->name, sizeof(entry->name), "%s", task->name);
        task_put(task);
    }
    return sample;
}

/* Both are in the order of pids. */
static void compute_used(struct sample *now, const struct sample *before)
{
    size_t k = 0;

    for (size_t i = 0; i < now->count; i++) {
        struct task_sample *entry = &now->tasks[i];
        while (k < before->count && before->tasks[k].pid < entry->pid)
            k++;
        bool is_known = k < before->count && before->tasks[k].pid == entry->pid;
        uint64_t then = is_known ? before->tasks[k].run_ns : 0;
        entry->used_ns = entry->run_ns > then ? entry->run_ns - then : 0;
    }
}

static int compare_used(const void *a, const void *b, void *context)
{
    const struct task_sample *first = *(const struct task_sample *const *)a;
    const struct task_sample *second = *(const struct task_sample *const *)b;

    (void)context;
    return first->used_ns > second->used_ns ? -1 : first->used_ns < second->used_ns;
}

static void show_top(struct shell *shell, struct sample *sample, uint64_t interval_ns)
{
    const struct task_sample **order = kcalloc(sample->count, sizeof(const struct task_sample *));

    if (!order)
        return;
    for (size_t i = 0; i < sample->count; i++)
        order[i] = &sample->tasks[i];
    sort(order, sample->count, sizeof(const struct task_sample *), compare_used, NULL);
    shell_printf(shell, "%6s %6s %3s %-8s %s\n", "PID", "USED", "CPU", "STATE", "NAME");
    for (size_t i = 0; i < sample->count && i < TASKS_SHOWN; i++)
        shell_printf(shell, "%6u %5u%% %3u %-8s %s\n", order[i]->pid,
                     percent(order[i]->used_ns, interval_ns), order[i]->cpu,
                     task_state_name(order[i]->state), order[i]->name);
    kfree(order);
}

static int show_interval(struct shell *shell, struct sample **before, uint64_t interval_ns)
{
    int error = sleep_ns(interval_ns);
    if (error)
        return error;
    struct sample *now = take_sample();
    if (!now)
        return -ENOMEM;
    compute_used(now, *before);
    uint64_t elapsed_ns = now->time_ns - (*before)->time_ns;
    shell_printf(shell, "\nup %llu s, %u tasks, %zu timers, %u CPUs\n",
                 (unsigned long long)(clock_now_ns() / NS_PER_S), task_count(), timer_armed_count(),
                 cpu_online_count());
    kfree(*before);
    *before = now;
    show_top(shell, now, elapsed_ns);
    return 0;
}

static int top_command(struct shell *shell, int argc, char **argv)
{
    uint64_t rounds = UINT64_MAX;

    if (argc > 2 || (argc == 2 && (parse_u64(argv[1], &rounds) != 0 || rounds == 0)))
        return -EINVAL;
    struct sample *before = take_sample();
    int error = before ? 0 : -ENOMEM;
    for (uint64_t i = 0; i < rounds && !error; i++)
        error = show_interval(shell, &before, NS_PER_S);
    kfree(before);
    if (error == -ENOMEM)
        shell_error(shell, "out of memory");
    return error == -ECANCELED ? 0 : error;
}
SHELL_COMMAND(top, "top [COUNT]", "the busiest tasks, every second until Ctrl-C, or COUNT times",
              top_command, CMD_NORMAL);
