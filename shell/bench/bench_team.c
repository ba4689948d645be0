/*
 * Several tasks that do the same thing at once.
 */
#include "shell/bench/bench_team.h"

#include "arch/cpu.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"
#include "shell/bench/bench.h"

/* The CPU of member @number: one that is online. */
static unsigned int place_of(enum team_place place, unsigned int number)
{
    unsigned int nth = place == TEAM_SPREAD ? number % cpu_online_count() : 0;

    for (unsigned int cpu = 0; cpu < CPU_MAX; cpu++)
        if (cpu_is_online(cpu) && nth-- == 0)
            return cpu;
    return 0;
}

static int start_one(struct bench_team *team, enum team_place place, int (*entry)(void *arg),
                     void *arg)
{
    struct task **task = &team->tasks[team->count];
    int error = place == TEAM_ANYWHERE
                    ? task_create("bench", entry, arg, task)
                    : task_create_on(place_of(place, team->count), "bench", entry, arg, task);

    team->count += error == 0;
    return error;
}

int bench_team_start(struct bench_team *team, enum team_place place, unsigned int count,
                     int (*entry)(void *arg), void *args, size_t arg_size)
{
    int error = 0;

    team->count = 0;
    team->tasks = kcalloc(count, sizeof(team->tasks[0]));
    if (!team->tasks)
        return -ENOMEM;
    for (unsigned int i = 0; i < count && !error; i++)
        error = start_one(team, place, entry, (char *)args + i * arg_size);
    if (!error)
        return 0;
    bench_team_cancel(team);
    int join_error = bench_team_join(team);
    return join_error == -ECANCELED ? join_error : error;
}

void bench_team_cancel(struct bench_team *team)
{
    for (unsigned int i = 0; i < team->count; i++)
        task_cancel(team->tasks[i]);
}

int bench_team_join(struct bench_team *team)
{
    int first_error = 0;

    for (unsigned int i = 0; i < team->count; i++) {
        int status = 0;
        int error = task_join(team->tasks[i], &status, DEADLINE_NEVER);
        if (error) { /* Ctrl-C: the others hear of it too, and then they end */
            bench_team_cancel(team);
            task_clear_cancel(task_current());
            first_error = error;
            error = task_join(team->tasks[i], &status, DEADLINE_NEVER);
        }
        first_error = first_error ? first_error : error ? error : status;
    }
    kfree(team->tasks);
    team->tasks = NULL;
    return first_error;
}

static int nothing(void *arg __maybe_unused)
{
    return 0;
}

int bench_create_and_join(struct bench *bench, const char *name, uint64_t creations)
{
    uint64_t count = bench_count(bench, creations);
    uint64_t start = clock_now_ns();

    for (uint64_t i = 0; i < count; i++) {
        struct task *task;
        int error = task_create("bench", nothing, NULL, &task);
        if (!error)
            error = task_join(task, NULL, DEADLINE_NEVER);
        if (error)
            return error;
    }
    bench_report_per(bench, name, clock_now_ns() - start, count);
    return 0;
}
