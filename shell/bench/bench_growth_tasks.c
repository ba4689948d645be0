/*
 * Benchmarks of growth: what a task switch and a new task cost among 10 tasks and among 10,000, and
 * what work costs that is shared over 1 to 8 CPUs.
 */
#include "kernel/sched/task.h"
#include "lib/checksum.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "shell/bench/bench.h"
#include "shell/bench/bench_semaphore.h"
#include "shell/bench/bench_team.h"

/* ---- a ring of tasks ----------------------------------------------------------------------- */

#define RING_SMALL 10
#define RING_LARGE 10000
#define HOPS       100000
#define CREATIONS  2000

struct ring;

struct seat {
    struct semaphore turn;
    struct ring *ring;
    struct seat *next;
};

struct ring {
    struct seat *seats;
    unsigned int count;
    uint64_t rounds;
    uint64_t start_ns, end_ns; /* first and last time that the turn passed the first seat */
};

/* Wait for the turn, pass it on. The last one of the last round has nobody to pass it to. */
static int take_seat(void *arg)
{
    struct seat *seat = arg;
    struct ring *ring = seat->ring;
    bool is_last = seat->next == ring->seats;

    for (uint64_t round = 0; round < ring->rounds; round++) {
        int error = semaphore_down(&seat->turn);
        if (error)
            return error;
        if (is_last && round + 1 == ring->rounds)
            ring->end_ns = clock_now_ns();
        else
            semaphore_up(&seat->next->turn);
    }
    return 0;
}

static int measure_creation(struct bench *bench, unsigned int others)
{
    char name[32];

    snprintf(name, sizeof(name), "growth_create_%u", others);
    return bench_create_and_join(bench, name, CREATIONS);
}

/* While everybody waits for the turn, others come and go; then it goes round. */
static int run_ring(struct bench *bench, struct ring *ring)
{
    struct bench_team team;
    char name[32];

    for (unsigned int i = 0; i < ring->count; i++) {
        semaphore_init(&ring->seats[i].turn);
        ring->seats[i].ring = ring;
        ring->seats[i].next = &ring->seats[(i + 1) % ring->count];
    }
    int error = bench_team_start(&team, TEAM_FIRST_CPU, ring->count, take_seat, ring->seats,
                                 sizeof(ring->seats[0]));
    if (error)
        return error;
    error = measure_creation(bench, ring->count);
    if (error)
        bench_team_cancel(&team);
    ring->start_ns = clock_now_ns();
    semaphore_up(&ring->seats[0].turn);
    int join_error = bench_team_join(&team);
    if (error || join_error)
        return error ? error : join_error;
    snprintf(name, sizeof(name), "growth_switch_%u", ring->count);
    bench_report_per(bench, name, ring->end_ns - ring->start_ns, ring->rounds * ring->count);
    return 0;
}

static int measure_ring(struct bench *bench, unsigned int count)
{
    struct ring ring = { .count = count,
                         .rounds = MAX(bench_count(bench, HOPS) / count, (uint64_t)1),
                         .seats = kcalloc(count, sizeof(struct seat)) };
    int error = ring.seats ? run_ring(bench, &ring) : -ENOMEM;

    kfree(ring.seats);
    return error;
}

static int growth_tasks_bench(struct bench *bench)
{
    int error = measure_ring(bench, RING_SMALL);

    if (!error)
        error = measure_ring(bench, (unsigned int)bench_count(bench, RING_LARGE));
    if (error)
        shell_error(bench->shell, "%s", errno_text(error));
    return error;
}
BENCH(growth_tasks, "a switch and a new task, among 10 tasks and 10,000", "", growth_tasks_bench);

/* ---- work shared over CPUs ----------------------------------------------------------------- */

#define WORK      400000 /* pieces, over all CPUs */
#define WORK_SIZE 256
#define CPUS_MAX  8

static volatile uint32_t sink; /* keeps results from being thrown away with their computation */

static int work(void *arg)
{
    for (uint64_t i = *(const uint64_t *)arg; i > 0; i--) {
        uint8_t *piece = kmalloc(WORK_SIZE);
        if (!piece)
            return -ENOMEM;
        memset(piece, (int)i, WORK_SIZE);
        sink = checksum_partial(piece, WORK_SIZE, 0);
        kfree(piece);
    }
    return 0;
}

static int growth_cpus_bench(struct bench *bench)
{
    unsigned int most = MIN(cpu_online_count(), (unsigned int)CPUS_MAX);
    int error = 0;

    for (unsigned int cpus = 1; cpus <= most && !error; cpus *= 2) {
        uint64_t share = bench_count(bench, WORK) / cpus;
        struct bench_team team;
        char name[32];

        snprintf(name, sizeof(name), "growth_cpus_%u", cpus);
        uint64_t start = clock_now_ns();
        error = bench_team_start(&team, TEAM_SPREAD, cpus, work, &share, 0);
        if (!error)
            error = bench_team_join(&team);
        if (!error)
            bench_report_per(bench, name, clock_now_ns() - start, share * cpus);
    }
    return error;
}
BENCH(growth_cpus, "memory taken, summed and given back, by 1 to 8 CPUs", "", growth_cpus_bench);
