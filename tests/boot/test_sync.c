/*
 * Locks and waits under load on all CPUs.
 */
#include "arch/cpu.h"
#include "arch/irq.h"
#include "kernel/irq/softirq.h"
#include "kernel/sched/task.h"
#include "kernel/sync/mutex.h"
#include "kernel/sync/rwlock.h"
#include "kernel/sync/seqlock.h"
#include "kernel/sync/spinlock.h"
#include "kernel/sync/wait_group.h"
#include "kernel/sync/wait_queue.h"
#include "kernel/time/timer.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "tests/boot/workers.h"
#include "tests/boot_test.h"

#define LONG_NS (20 * NS_PER_S)

/* ---- spinlock ------------------------------------------------------------------------------ */

#define INCREMENTS 5000

static DEFINE_SPINLOCK(counter_lock, "test counter", LOCK_RANK_DEVICE);
static unsigned long counter;

static int increment_under_spinlock(void *arg)
{
    (void)arg;
    for (int i = 0; i < INCREMENTS; i++) {
        irqflags_t flags = spin_lock_irqsave(&counter_lock);
        WRITE_ONCE(counter, READ_ONCE(counter) + 1);
        spin_unlock_irqrestore(&counter_lock, flags);
    }
    return 0;
}

BOOT_TEST(sync, spinlock_under_load)
{
    unsigned int workers = 2 * cpu_online_count();

    counter = 0;
    workers_run(workers, increment_under_spinlock, NULL);
    EXPECT_EQ(counter, workers * INCREMENTS);
}

static int try_under_spinlock(void *arg)
{
    (void)arg;
    for (int done = 0; done < 1000;) {
        irqflags_t flags = irq_save(); /* as the lock's other users: off while it is held */
        if (spin_trylock(&counter_lock)) {
            WRITE_ONCE(counter, READ_ONCE(counter) + 1);
            spin_unlock(&counter_lock);
            done++;
        }
        irq_restore(flags);
    }
    return 0;
}

BOOT_TEST(sync, spinlock_trylock)
{
    unsigned int workers = 2 * cpu_online_count();

    counter = 0;
    workers_run(workers, try_under_spinlock, NULL);
    EXPECT_EQ(counter, workers * 1000);
}

/* ---- mutex --------------------------------------------------------------------------------- */

static DEFINE_MUTEX(mutex, "test mutex", LOCK_RANK_DEVICE_SLEEP);

static int increment_under_mutex(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        mutex_lock(&mutex);
        unsigned long seen = READ_ONCE(counter);
        if (i % 64 == 0)
            task_yield(); /* held across a switch */
        WRITE_ONCE(counter, seen + 1);
        mutex_unlock(&mutex);
    }
    return 0;
}

BOOT_TEST(mutex, under_load)
{
    unsigned int workers = 2 * cpu_online_count();

    counter = 0;
    workers_run(workers, increment_under_mutex, NULL);
    EXPECT_EQ(counter, workers * 1000);
    EXPECT_EQ(mutex.owner, 0);
}

/* Deadlines so short that waiters give up at the moment they are handed the mutex. */
static int lock_with_short_deadlines(void *arg)
{
    uint64_t random = (uintptr_t)task_current() | 1;

    (void)arg;
    for (int i = 0; i < 500; i++) {
        if (mutex_lock_deadline(&mutex, deadline_after_ns(random_next(&random) % 100000)) != 0)
            continue;
        unsigned long seen = READ_ONCE(counter);
        if (i % 16 == 0)
            task_yield();
        EXPECT_EQ(READ_ONCE(counter), seen);
        WRITE_ONCE(counter, seen + 1);
        mutex_unlock(&mutex);
    }
    return 0;
}

BOOT_TEST(mutex, deadlines_under_load)
{
    workers_run(3 * cpu_online_count(), lock_with_short_deadlines, NULL);
    EXPECT_EQ(mutex.owner, 0);
}

/*
 * Nobody starves: some take the mutex again as soon as they have given it back, as long as those
 * who want it only now and then have not had all their turns. Without a hand-over this never ends.
 */
#define POLITE_TURNS 20
static unsigned int impolite, polite_left;

static int lock_without_mercy(void *arg)
{
    bool is_polite = __atomic_fetch_add(&impolite, 1, __ATOMIC_RELAXED) >= cpu_online_count();

    (void)arg;
    for (int i = 0; i < POLITE_TURNS && is_polite; i++) {
        mutex_lock(&mutex);
        mutex_unlock(&mutex);
        task_yield();
    }
    if (is_polite)
        __atomic_fetch_sub(&polite_left, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&polite_left, __ATOMIC_RELAXED) > 0) {
        mutex_lock(&mutex);
        WRITE_ONCE(counter, READ_ONCE(counter) + 1);
        mutex_unlock(&mutex);
    }
    return 0;
}

BOOT_TEST(mutex, nobody_starves)
{
    impolite = 0;
    polite_left = 4;
    workers_run(cpu_online_count() + polite_left, lock_without_mercy, NULL);
    EXPECT_EQ(mutex.owner, 0);
}

static int wait_for_mutex(void *arg)
{
    (void)arg;
    if (mutex_lock_deadline(&mutex, deadline_after_ns(LONG_NS)) == -ECANCELED)
        return 0;
    return -EINVAL;
}

static void wait_until_waiting(struct task *task)
{
    uint64_t deadline = deadline_after_ns(LONG_NS);

    while (READ_ONCE(task->state) != TASK_WAITING || READ_ONCE(task->is_on_cpu)) {
        EXPECT(clock_now_ns() < deadline);
        EXPECT_EQ(sleep_ns(100 * NS_PER_US), 0);
    }
}

/* A task that waits for a mutex is on no run queue. */
BOOT_TEST(mutex, waiter_sleeps_and_can_be_cancelled)
{
    struct task *task;
    int status;

    mutex_lock(&mutex);
    EXPECT_EQ(task_create("waiter", wait_for_mutex, NULL, &task), 0);
    wait_until_waiting(task);
    EXPECT_EQ(mutex.owner, (uintptr_t)task_current() | MUTEX_CONTENDED);
    uint64_t ran = task_run_ns(task);
    EXPECT_EQ(sleep_ns(5 * NS_PER_MS), 0);
    EXPECT_EQ(task_run_ns(task), ran);
    task_cancel(task);
    EXPECT_EQ(task_join(task, &status, deadline_after_ns(LONG_NS)), 0);
    EXPECT_EQ(status, 0);
    mutex_unlock(&mutex);
    EXPECT_EQ(mutex.owner, 0);
}

/* ---- rwlock -------------------------------------------------------------------------------- */

static DEFINE_RWLOCK(rwlock, "test rwlock", LOCK_RANK_DEVICE_SLEEP);
static atomic_int readers_inside;
static unsigned long first, second; /* equal but while a writer is at work */

static int read_and_write(void *arg)
{
    uint64_t random = (uintptr_t)task_current() | 1;

    (void)arg;
    for (int i = 0; i < 500; i++) {
        if (random_next(&random) % 4 == 0) {
            rwlock_write_lock(&rwlock);
            EXPECT_EQ(atomic_load(&readers_inside), 0);
            WRITE_ONCE(first, first + 1);
            if (i % 32 == 0)
                task_yield();
            WRITE_ONCE(second, second + 1);
            rwlock_write_unlock(&rwlock);
        } else {
            rwlock_read_lock(&rwlock);
            atomic_fetch_add(&readers_inside, 1);
            EXPECT_EQ(READ_ONCE(first), READ_ONCE(second));
            if (i % 32 == 0)
                task_yield();
            atomic_fetch_sub(&readers_inside, 1);
            rwlock_read_unlock(&rwlock);
        }
    }
    return 0;
}

BOOT_TEST(sync, rwlock_under_load)
{
    workers_run(3 * cpu_online_count(), read_and_write, NULL);
    EXPECT_EQ(rwlock.state, 0);
    EXPECT_EQ(first, second);
}

/* ---- seqlock ------------------------------------------------------------------------------- */

static struct seqlock seqlock;
static uint64_t halves[2]; /* equal for every reader */
static atomic_bool stop_writing;

static int write_halves(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; !atomic_load_relaxed(&stop_writing); i++) {
        preempt_disable(); /* a writer that is switched off makes its readers spin */
        seqlock_write_begin(&seqlock);
        WRITE_ONCE(halves[0], i);
        WRITE_ONCE(halves[1], i);
        seqlock_write_end(&seqlock);
        preempt_enable();
        if (i % 256 == 0)
            task_yield();
    }
    return 0;
}

static int read_halves(void *arg)
{
    uint64_t copy[2];
    uint32_t sequence;

    (void)arg;
    for (int i = 0; i < 20000; i++) {
        do {
            sequence = seqlock_read_begin(&seqlock);
            copy[0] = READ_ONCE(halves[0]);
            copy[1] = READ_ONCE(halves[1]);
        } while (seqlock_read_retry(&seqlock, sequence));
        EXPECT_EQ(copy[0], copy[1]);
    }
    return 0;
}

BOOT_TEST(sync, seqlock)
{
    struct task *writer;

    atomic_store(&stop_writing, false);
    EXPECT_EQ(task_create("writer", write_halves, NULL, &writer), 0);
    workers_run(cpu_online_count(), read_halves, NULL);
    atomic_store(&stop_writing, true);
    EXPECT_EQ(task_join(writer, NULL, deadline_after_ns(LONG_NS)), 0);
}

/* ---- wait queues --------------------------------------------------------------------------- */

/* Ping-pong: each side waits for the other's turn; a lost wake stops both until the deadline. */
struct table {
    struct wait_queue queue;
    atomic_int turn;
    atomic_uint next_player;
};

static struct table tables[8];

static int play(void *arg)
{
    struct table *table = arg;
    int me = (int)(atomic_fetch_add(&table->next_player, 1) % 2);

    for (int i = 0; i < 1000; i++) {
        EXPECT_EQ(
            wait_event(&table->queue, atomic_load(&table->turn) == me, deadline_after_ns(LONG_NS)),
            0);
        atomic_store(&table->turn, !me);
        wake_one(&table->queue);
    }
    return 0;
}

BOOT_TEST(wait_queue, ping_pong)
{
    struct task *tasks[2 * ARRAY_SIZE(tables)];

    for (unsigned int i = 0; i < ARRAY_SIZE(tables); i++) {
        wait_queue_init(&tables[i].queue, "ping-pong");
        atomic_store(&tables[i].turn, 0);
        atomic_store(&tables[i].next_player, 0);
        EXPECT_EQ(task_create("ping", play, &tables[i], &tasks[2 * i]), 0);
        EXPECT_EQ(task_create("pong", play, &tables[i], &tasks[2 * i + 1]), 0);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(tasks); i++) {
        int status;
        EXPECT_EQ(task_join(tasks[i], &status, deadline_after_ns(2 * LONG_NS)), 0);
        EXPECT_EQ(status, 0);
    }
}

/* Producers put items down and wake one consumer for each; consumers also give up at random. */
static DEFINE_WAIT_QUEUE(items_queue, "items");
static atomic_int items, consumed;

static bool take_item(void)
{
    int seen = atomic_load(&items);

    while (seen > 0) {
        if (atomic_cmpxchg(&items, &seen, seen - 1))
            return true;
    }
    return false;
}

static int produce(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        atomic_fetch_add(&items, 1);
        wake_one(&items_queue);
    }
    return 0;
}

static int consume(void *arg)
{
    int total = *(const int *)arg;
    uint64_t random = (uintptr_t)task_current() | 1;

    while (atomic_load(&consumed) < total) {
        uint64_t patience = random_next(&random) % 2 ? LONG_NS : random_next(&random) % 200000;
        uint64_t deadline = deadline_after_ns(patience);
        bool is_taken = false;
        int error = wait_event(
            &items_queue, (is_taken = take_item()) || atomic_load(&consumed) >= total, deadline);
        EXPECT(error == 0 || patience != LONG_NS);
        if (is_taken && atomic_fetch_add(&consumed, 1) + 1 == total)
            wake_all(&items_queue);
    }
    return 0;
}

BOOT_TEST(wait_queue, no_wake_is_lost)
{
    static struct task *consumers[2 * (CPU_MAX + 1)];
    unsigned int count = cpu_online_count() + 1;
    int total = (int)count * 1000;

    atomic_store(&items, 0);
    atomic_store(&consumed, 0);
    for (unsigned int i = 0; i < 2 * count; i++)
        EXPECT_EQ(task_create("consumer", consume, &total, &consumers[i]), 0);
    workers_run(count, produce, NULL);
    for (unsigned int i = 0; i < 2 * count; i++) {
        int status;
        EXPECT_EQ(task_join(consumers[i], &status, deadline_after_ns(2 * LONG_NS)), 0);
        EXPECT_EQ(status, 0);
    }
    EXPECT_EQ(atomic_load(&consumed), total);
    EXPECT_EQ(atomic_load(&items), 0);
    EXPECT(wait_queue_is_empty(&items_queue));
}

/* Every kind of wait ends with -ECANCELED when its task is cancelled, and -ETIMEDOUT at its time.
 */
static DEFINE_WAIT_QUEUE(silent_queue, "never woken");
static struct wait_group silent_group;
static struct task *sleeper;

static int wait_on_queue(uint64_t deadline)
{
    return wait_event(&silent_queue, false, deadline);
}

static int wait_on_group(uint64_t deadline)
{
    return wait_group_wait(&silent_group, deadline, WAIT_CANCELLABLE);
}

static int wait_on_mutex(uint64_t deadline)
{
    return mutex_lock_deadline(&mutex, deadline);
}

static int wait_on_task(uint64_t deadline)
{
    return task_join(sleeper, NULL, deadline);
}

static int wait_uncancellably(uint64_t deadline)
{
    return wait_event_uncancellable(&silent_queue, false, deadline);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return sleep_until_ns(DEADLINE_NEVER);
}

struct wait_case {
    int (*wait)(uint64_t deadline);
    int after_cancel;
};

static int run_wait_case(void *arg)
{
    const struct wait_case *wait_case = arg;

    if (wait_case->wait(deadline_after_ns(NS_PER_MS)) != -ETIMEDOUT)
        return 1;
    uint64_t deadline = wait_case->after_cancel == -ECANCELED ? deadline_after_ns(LONG_NS)
                                                              : deadline_after_ns(20 * NS_PER_MS);
    return wait_case->wait(deadline) == wait_case->after_cancel ? 0 : 2;
}

BOOT_TEST(wait_queue, cancel_and_deadline_of_every_wait)
{
    static const struct wait_case cases[] = { { wait_on_queue, -ECANCELED },
                                              { wait_on_group, -ECANCELED },
                                              { wait_on_mutex, -ECANCELED },
                                              { wait_on_task, -ECANCELED },
                                              { wait_uncancellably, -ETIMEDOUT } };

    wait_group_init(&silent_group, "never done");
    wait_group_add(&silent_group, 1);
    mutex_lock(&mutex);
    EXPECT_EQ(task_create("sleeper", sleep_long, NULL, &sleeper), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct task *task;
        int status;
        EXPECT_EQ(task_create("victim", run_wait_case, (void *)&cases[i], &task), 0);
        EXPECT_EQ(sleep_ns(3 * NS_PER_MS), 0);
        task_cancel(task);
        EXPECT_EQ(task_join(task, &status, deadline_after_ns(LONG_NS)), 0);
        if (status == 1) /* cancelled before its first wait had timed out: a slow host */
            continue;
        EXPECT_EQ(status, 0);
    }
    mutex_unlock(&mutex);
    task_cancel(sleeper);
    EXPECT_EQ(task_join(sleeper, NULL, deadline_after_ns(LONG_NS)), 0);
}

/* ---- wait group ---------------------------------------------------------------------------- */

static int finish_one(void *arg)
{
    wait_group_done(arg, 0);
    return 0;
}

/* The group lies on this stack and is gone at once after the wait: nobody may touch it then. */
static int group_on_stack(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        struct wait_group group;
        wait_group_init(&group, "on stack");
        wait_group_add(&group, 3);
        for (int k = 0; k < 3; k++)
            EXPECT_EQ(task_create("finisher", finish_one, &group, NULL), 0);
        EXPECT_EQ(wait_group_wait(&group, deadline_after_ns(LONG_NS), WAIT_CANCELLABLE), 0);
        __builtin_memset(&group, 0xA5, sizeof(group));
        compiler_barrier();
    }
    return 0;
}

BOOT_TEST(sync, wait_group_on_stack)
{
    workers_run(cpu_online_count() + 1, group_on_stack, NULL);
}

BOOT_TEST(sync, wait_group_first_error)
{
    struct wait_group group;

    wait_group_init(&group, "errors");
    wait_group_add(&group, 3);
    wait_group_done(&group, 0);
    wait_group_done(&group, -EIO);
    wait_group_done(&group, -ENOMEM);
    EXPECT_EQ(wait_group_wait(&group, DEADLINE_NEVER, WAIT_CANCELLABLE), -EIO);
}

/* ---- lock ranks ---------------------------------------------------------------------------- */

BOOT_TEST(sync, held_locks_are_known)
{
    irqflags_t flags = spin_lock_irqsave(&counter_lock);

    EXPECT(spin_is_held(&counter_lock));
    spin_assert_held(&counter_lock);
    spin_unlock_irqrestore(&counter_lock, flags);
    EXPECT(!spin_is_held(&counter_lock));
}
