/*
 * Benchmarks of tasks: switching, creating, locks, sleeping.
 */
#include "kernel/sched/task.h"
#include "kernel/sync/mutex.h"
#include "kernel/sync/wait_queue.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"
#include "shell/bench/bench.h"

/* ---- switching by semaphore ---------------------------------------------------------------- */

#define SWITCHES 20000

struct semaphore {
    struct wait_queue waiters;
    atomic_uint count;
};

static void semaphore_up(struct semaphore *semaphore)
{
    atomic_fetch_add(&semaphore->count, 1);
    wake_one(&semaphore->waiters);
}

static bool try_down(struct semaphore *semaphore)
{
    unsigned int count = atomic_load_relaxed(&semaphore->count);

    return count > 0 && atomic_cmpxchg(&semaphore->count, &count, count - 1);
}

static int semaphore_down(struct semaphore *semaphore)
{
    return wait_event(&semaphore->waiters, try_down(semaphore), DEADLINE_NEVER);
}

struct ping_pong {
    struct semaphore ping, pong;
};

static int ponging(void *arg)
{
    struct ping_pong *pair = arg;

    for (int i = 0; i < SWITCHES; i++) {
        int error = semaphore_down(&pair->ping);
        if (error)
            return error;
        semaphore_up(&pair->pong);
    }
    return 0;
}

static int pinging(void *arg)
{
    struct ping_pong *pair = arg;

    for (int i = 0; i < SWITCHES; i++) {
        semaphore_up(&pair->ping);
        int error = semaphore_down(&pair->pong);
        if (error)
            return error;
    }
    return 0;
}

/* Each turn of the pair is two switches. */
static int measure_switch(struct bench *bench, const char *name, unsigned int cpu_a,
                          unsigned int cpu_b)
{
    struct ping_pong pair = { 0 };
    struct task *a, *b;

    wait_queue_init(&pair.ping.waiters, "bench ping");
    wait_queue_init(&pair.pong.waiters, "bench pong");
    int error = task_create_on(cpu_b, "bench-pong", ponging, &pair, &b);
    if (error)
        return error;
    uint64_t start = clock_now_ns();
    error = task_create_on(cpu_a, "bench-ping", pinging, &pair, &a);
    if (error) {
        task_cancel(b);
        return task_join(b, NULL, DEADLINE_NEVER) ? -EIO : error;
    }
    error = task_join(a, NULL, DEADLINE_NEVER);
    uint64_t ns = clock_now_ns() - start;
    if (error)
        return error;
    error = task_join(b, NULL, DEADLINE_NEVER);
    if (!error)
        bench_report_per(bench, name, ns, 2 * SWITCHES);
    return error;
}

static int switch_bench(struct bench *bench)
{
    int error = measure_switch(bench, "switch_same_cpu", 0, 0);

    if (!error && cpu_is_online(1))
        error = measure_switch(bench, "switch_across_cpus", 0, 1);
    return error;
}
BENCH(switch, "task switch by semaphore, on one CPU and across two", "", switch_bench);

/* ---- creating ------------------------------------------------------------------------------ */

#define CREATIONS 5000

static int nothing(void *arg __maybe_unused)
{
    return 0;
}

static int create_bench(struct bench *bench)
{
    uint64_t start = clock_now_ns();

    for (int i = 0; i < CREATIONS; i++) {
        struct task *task;
        int error = task_create("bench", nothing, NULL, &task);
        if (!error)
            error = task_join(task, NULL, DEADLINE_NEVER);
        if (error)
            return error;
    }
    bench_report_per(bench, "task_create_join", clock_now_ns() - start, CREATIONS);
    return 0;
}
BENCH(create, "task create and join", "", create_bench);

/* ---- locks --------------------------------------------------------------------------------- */

#define LOCKINGS   200000
#define CONTENDERS 4

static DEFINE_MUTEX(bench_mutex, "bench", LOCK_RANK_SHELL);
static DEFINE_SPINLOCK(bench_spinlock, "bench", LOCK_RANK_SPIN);

static int lock_mutex(void *arg)
{
    for (uintptr_t i = (uintptr_t)arg; i > 0; i--) {
        mutex_lock(&bench_mutex);
        mutex_unlock(&bench_mutex);
    }
    return 0;
}

static int contend(struct bench *bench)
{
    struct task *tasks[CONTENDERS];
    unsigned int count = 0;
    int error = 0;
    uint64_t start = clock_now_ns();

    while (count < CONTENDERS && !error) {
        error = task_create("bench-mutex", lock_mutex, (void *)(LOCKINGS / CONTENDERS / 4UL),
                            &tasks[count]);
        count += error == 0;
    }
    for (unsigned int i = 0; i < count; i++) {
        int join_error = task_join(tasks[i], NULL, DEADLINE_NEVER);
        error = error ? error : join_error;
    }
    if (!error)
        bench_report_per(bench, "mutex_contended_4", clock_now_ns() - start, LOCKINGS / 4);
    return error;
}

static int lock_bench(struct bench *bench)
{
    uint64_t start = clock_now_ns();

    lock_mutex((void *)(uintptr_t)LOCKINGS);
    bench_report_per(bench, "mutex_uncontended", clock_now_ns() - start, LOCKINGS);
    start = clock_now_ns();
    for (int i = 0; i < LOCKINGS; i++) {
        spin_lock(&bench_spinlock);
        spin_unlock(&bench_spinlock);
    }
    bench_report_per(bench, "spinlock_uncontended", clock_now_ns() - start, LOCKINGS);
    return contend(bench);
}
BENCH(lock, "mutex and spinlock, free and contended by 4 tasks", "", lock_bench);

/* ---- sleeping ------------------------------------------------------------------------------ */

#define SLEEPS 300

static int sleep_bench(struct bench *bench)
{
    uint64_t *late = kcalloc(SLEEPS, sizeof(*late));
    int error = late ? 0 : -ENOMEM;

    for (int i = 0; i < SLEEPS && !error; i++) {
        uint64_t deadline = deadline_after_ns(NS_PER_MS);
        error = sleep_until_ns(deadline);
        late[i] = clock_now_ns() - deadline;
    }
    if (!error) {
        bench_report(bench, "sleep_1ms_late_median", bench_percentile(late, SLEEPS, 50), "ns");
        bench_report(bench, "sleep_1ms_late_p99", bench_percentile(late, SLEEPS, 99), "ns");
    }
    kfree(late);
    return error;
}
BENCH(sleep, "how late a sleep of 1 ms wakes", "", sleep_bench);
