/*
 * Benchmarks of tasks: switching, creating, sleeping.
 */
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"
#include "shell/bench/bench.h"
#include "shell/bench/bench_semaphore.h"
#include "shell/bench/bench_team.h"

/* ---- switching by semaphore ---------------------------------------------------------------- */

#define SWITCHES        100000
#define SWITCHES_ACROSS 20000 /* each waits for another CPU to wake up */

struct player {
    struct semaphore *mine, *others;
    uint64_t turns;
    bool begins;
};

static int play(void *arg)
{
    struct player *player = arg;

    if (player->begins)
        semaphore_up(player->others);
    for (uint64_t i = 0; i < player->turns; i++) {
        int error = semaphore_down(player->mine);
        if (error)
            return error;
        if (i + 1 < player->turns || !player->begins)
            semaphore_up(player->others);
    }
    return 0;
}

/* Each turn of the pair is two switches. */
static int measure_switch(struct bench *bench, const char *name, enum team_place place,
                          uint64_t turns)
{
    struct semaphore ping, pong;
    struct player players[] = { { &ping, &pong, turns, false }, { &pong, &ping, turns, true } };
    struct bench_team team;

    semaphore_init(&ping);
    semaphore_init(&pong);
    uint64_t start = clock_now_ns();
    int error = bench_team_start(&team, place, 2, play, players, sizeof(players[0]));
    if (!error)
        error = bench_team_join(&team);
    if (!error)
        bench_report_per(bench, name, clock_now_ns() - start, 2 * turns);
    return error;
}

static int switch_bench(struct bench *bench)
{
    int error =
        measure_switch(bench, "switch_same_cpu", TEAM_FIRST_CPU, bench_count(bench, SWITCHES));

    if (!error && cpu_online_count() > 1)
        error = measure_switch(bench, "switch_across_cpus", TEAM_SPREAD,
                               bench_count(bench, SWITCHES_ACROSS));
    return error;
}
BENCH(switch, "task switch by semaphore, on one CPU and across two", "", switch_bench);

/* ---- creating ------------------------------------------------------------------------------ */

#define CREATIONS 20000

static int create_bench(struct bench *bench)
{
    return bench_create_and_join(bench, "task_create_join", CREATIONS);
}
BENCH(create, "task create and join", "", create_bench);

/* ---- sleeping ------------------------------------------------------------------------------ */

#define SLEEPS 1000

static int sleep_bench(struct bench *bench)
{
    size_t count = bench_count(bench, SLEEPS);
    uint64_t *late = kcalloc(count, sizeof(*late));
    int error = late ? 0 : -ENOMEM;

    for (size_t i = 0; i < count && !error; i++) {
        uint64_t deadline = deadline_after_ns(NS_PER_MS);
        error = sleep_until_ns(deadline);
        late[i] = clock_now_ns() - deadline;
    }
    if (!error) {
        bench_report(bench, "sleep_1ms_late_median", bench_percentile(late, count, 50), "ns");
        bench_report(bench, "sleep_1ms_late_p99", bench_percentile(late, count, 99), "ns");
    }
    kfree(late);
    return error;
}
BENCH(sleep, "how late a sleep of 1 ms wakes", "", sleep_bench);
