/*
 * Benchmarks of locks: taken and given back by one task, and by four at once.
 */
#include "kernel/sync/mutex.h"
#include "kernel/sync/spinlock.h"
#include "shell/bench/bench.h"
#include "shell/bench/bench_team.h"

#define LOCKINGS        2000000
#define CONTENDERS      4
#define CONTENDER_TURNS 250000 /* of each */

static DEFINE_MUTEX(bench_mutex, "bench", LOCK_RANK_SHELL);
static DEFINE_SPINLOCK(bench_spinlock, "bench", LOCK_RANK_SPIN);

static int lock_mutex(void *arg)
{
    for (uint64_t i = *(const uint64_t *)arg; i > 0; i--) {
        mutex_lock(&bench_mutex);
        mutex_unlock(&bench_mutex);
    }
    return 0;
}

static int lock_bench(struct bench *bench)
{
    uint64_t count = bench_count(bench, LOCKINGS);
    uint64_t start = clock_now_ns();

    lock_mutex(&count);
    bench_report_per(bench, "mutex_uncontended", clock_now_ns() - start, count);
    start = clock_now_ns();
    for (uint64_t i = 0; i < count; i++) {
        spin_lock(&bench_spinlock);
        spin_unlock(&bench_spinlock);
    }
    bench_report_per(bench, "spinlock_uncontended", clock_now_ns() - start, count);
    return 0;
}
BENCH(lock, "mutex and spinlock that nobody else wants", "", lock_bench);

static int contend_bench(struct bench *bench)
{
    uint64_t turns = bench_count(bench, CONTENDER_TURNS);
    struct bench_team team;
    uint64_t start = clock_now_ns();
    int error = bench_team_start(&team, TEAM_SPREAD, CONTENDERS, lock_mutex, &turns, 0);

    if (!error)
        error = bench_team_join(&team);
    if (!error)
        bench_report_per(bench, "mutex_contended_4", clock_now_ns() - start, CONTENDERS * turns);
    return error;
}
BENCH(contend, "one mutex, and 4 tasks that want it, each on a CPU if there are 4", "",
      contend_bench);
