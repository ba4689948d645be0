/*
 * Wait queues, mutexes, rwlocks and wait groups: each case in order, then under chaos, where tasks
 * are preempted and deadlines expire at random moments inside the primitives themselves.
 */
#include "arch/host/host.h"
#include "kernel/sched/task.h"
#include "kernel/sync/lock_statistics.h"
#include "kernel/sync/mutex.h"
#include "kernel/sync/rwlock.h"
#include "kernel/sync/wait_group.h"
#include "kernel/sync/wait_queue.h"
#include "lib/errno.h"
#include "tests/unit/unit.h"

#define CHAOS_SEEDS 40

static DEFINE_WAIT_QUEUE(queue, "test queue");
static DEFINE_MUTEX(mutex, "test mutex", LOCK_RANK_DEVICE_SLEEP);
static DEFINE_RWLOCK(rwlock, "test rwlock", LOCK_RANK_DEVICE_SLEEP);

static void start(uint64_t chaos)
{
    host_kernel_start();
    wait_queue_init(&queue, "test queue");
    mutex_init(&mutex, "test mutex", LOCK_RANK_DEVICE_SLEEP);
    rwlock_init(&rwlock, "test rwlock", LOCK_RANK_DEVICE_SLEEP);
    host_set_chaos(chaos);
}

static void spawn(struct task **tasks, size_t count, int (*entry)(void *arg), void *arg)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(task_create("worker", entry, arg, &tasks[i]), 0);
}

static void join_all(struct task **tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int status = -1;
        assert_int_equal(task_join(tasks[i], &status, DEADLINE_NEVER), 0);
        assert_int_equal(status, 0);
    }
}

/* ---- wait queue ------------------------------------------------------------------------------ */

static char order[16];
static size_t order_length;

static int wait_in_line(void *arg)
{
    struct wait_entry entry = { 0 };

    wait_prepare(&queue, &entry);
    int error = wait_commit(&queue, &entry, DEADLINE_NEVER, WAIT_CANCELLABLE);
    wait_finish(&queue, &entry);
    order[order_length++] = (char)(intptr_t)arg;
    return error;
}

static void test_wakes_in_order(void **state)
{
    struct task *tasks[3];

    (void)state;
    start(0);
    order_length = 0;
    assert_false(wake_one(&queue));
    for (intptr_t i = 0; i < 3; i++) {
        assert_int_equal(task_create("line", wait_in_line, (void *)('a' + i), &tasks[i]), 0);
        host_settle();
    }
    assert_true(wake_one(&queue));
    host_settle();
    assert_memory_equal(order, "a", 1);
    assert_int_equal(order_length, 1);
    assert_int_equal(wake_all(&queue), 2);
    join_all(tasks, 3);
    assert_memory_equal(order, "abc", 3);
    assert_true(wait_queue_is_empty(&queue));
}

static bool condition;

static void test_condition_first(void **state)
{
    (void)state;
    start(0);
    condition = true; /* holds: neither deadline nor cancel counts */
    task_cancel(task_current());
    assert_int_equal(wait_event(&queue, condition, 0), 0);
    condition = false;
    assert_int_equal(wait_event(&queue, condition, DEADLINE_NEVER), -ECANCELED);
    assert_int_equal(wait_event_uncancellable(&queue, condition, deadline_after_ns(1000)),
                     -ETIMEDOUT);
    task_clear_cancel(task_current());
    uint64_t deadline = deadline_after_ns(NS_PER_S);
    assert_int_equal(wait_event(&queue, condition, deadline), -ETIMEDOUT);
    assert_int_equal(clock_now_ns(), deadline);
    assert_true(wait_queue_is_empty(&queue));
}

/* An item is put down while its waiter finds another one by itself: the wake must not die there. */
static int items;

static bool take_item(void)
{
    if (items == 0)
        return false;
    items--;
    return true;
}

static int take_one(void *arg)
{
    (void)arg;
    return wait_event(&queue, take_item(), DEADLINE_NEVER);
}

static void test_wake_is_passed_on(void **state)
{
    struct wait_entry entry = { 0 };
    struct task *task;

    (void)state;
    start(0);
    items = 0;
    wait_prepare(&queue, &entry); /* we are first in line */
    assert_int_equal(task_create("second", take_one, NULL, &task), 0);
    host_settle();
    items = 1;
    assert_true(wake_one(&queue)); /* reaches us, who do not want it any more */
    wait_finish(&queue, &entry);
    join_all(&task, 1);
    assert_int_equal(items, 0);
}

static int produced, consumed;
#define ITEMS 200

static int produce(void *arg)
{
    (void)arg;
    for (int i = 0; i < ITEMS; i++) {
        items++;
        produced++;
        wake_one(&queue);
        if (i % 7 == 0)
            task_yield();
    }
    return 0;
}

static int consume(void *arg)
{
    struct unit_random random = { (uintptr_t)arg };

    while (consumed < 2 * ITEMS) {
        bool is_taken = false;
        uint64_t patience = unit_random_below(&random, 3) ? NS_PER_S : 100;
        (void)wait_event(&queue, (is_taken = take_item()) || consumed >= 2 * ITEMS,
                         deadline_after_ns(patience * 1000));
        if (is_taken && ++consumed == 2 * ITEMS)
            wake_all(&queue);
    }
    return 0;
}

static int run_producers(void *arg)
{
    struct task *tasks[5];

    (void)arg;
    items = produced = consumed = 0;
    spawn(tasks, 3, consume, (void *)7);
    spawn(tasks + 3, 2, produce, NULL);
    join_all(tasks, 5);
    assert_int_equal(items, 0);
    assert_int_equal(consumed, 2 * ITEMS);
    return 0;
}

static void test_no_wake_is_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < CHAOS_SEEDS; seed++) {
        start(seed);
        host_run(run_producers, NULL);
        assert_true(wait_queue_is_empty(&queue));
    }
}

/* ---- mutex ----------------------------------------------------------------------------------- */

static int inside, counter;

static int lock_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        mutex_lock(&mutex);
        mutex_assert_held(&mutex);
        assert_int_equal(inside++, 0);
        counter++;
        if (i % 5 == 0)
            assert_int_equal(sleep_ns(1000), 0);
        assert_int_equal(--inside, 0);
        mutex_unlock(&mutex);
    }
    return 0;
}

static int lock_impatiently(void *arg)
{
    struct unit_random random = { (uintptr_t)arg + 1 };

    for (int i = 0; i < 50; i++) {
        uint64_t deadline = deadline_after_ns(unit_random_below(&random, 3000));
        if (mutex_lock_deadline(&mutex, deadline) != 0)
            continue;
        assert_int_equal(inside++, 0);
        assert_int_equal(sleep_ns(500), 0);
        assert_int_equal(--inside, 0);
        mutex_unlock(&mutex);
    }
    return 0;
}

static int run_lockers(void *arg)
{
    struct task *tasks[6];

    (void)arg;
    inside = counter = 0;
    spawn(tasks, 3, lock_often, NULL);
    spawn(tasks + 3, 3, lock_impatiently, NULL);
    join_all(tasks, 6);
    assert_int_equal(counter, 150);
    assert_int_equal(mutex.owner, 0);
    return 0;
}

static void test_mutex(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < CHAOS_SEEDS; seed++) {
        start(seed);
        host_run(run_lockers, NULL);
    }
}

static int lock_and_note(void *arg)
{
    mutex_lock(&mutex);
    order[order_length++] = (char)(intptr_t)arg;
    mutex_unlock(&mutex);
    return 0;
}

static void test_mutex_waiters_are_served_in_order(void **state)
{
    struct task *tasks[3];

    (void)state;
    start(0);
    order_length = 0;
    mutex_lock(&mutex);
    assert_false(mutex_trylock(&mutex));
    for (intptr_t i = 0; i < 3; i++) {
        assert_int_equal(task_create("line", lock_and_note, (void *)('a' + i), &tasks[i]), 0);
        host_settle();
        assert_int_equal(tasks[i]->state, TASK_WAITING);
    }
    mutex_unlock(&mutex);
    join_all(tasks, 3);
    assert_memory_equal(order, "abc", 3);
}

/* One who takes the mutex again at once does not keep a waiter out for ever: twice at most. */
static void test_mutex_waiter_does_not_starve(void **state)
{
    struct task *task;
    int turns = 0;

    (void)state;
    start(0);
    order_length = 0;
    mutex_lock(&mutex);
    assert_int_equal(task_create("waiter", lock_and_note, (void *)'w', &task), 0);
    host_settle();
    while (order_length == 0) {
        assert_true(++turns <= 3);
        mutex_unlock(&mutex);
        mutex_lock(&mutex);
        host_settle();
    }
    mutex_unlock(&mutex);
    join_all(&task, 1);
}

/*
 * Spinners may overtake a waiter, but not for ever. The one simulated CPU cannot spin beside the
 * owner, so the test does what a spinner does: has_spinner, and the bit when it has the mutex.
 */
static void test_mutex_waiter_is_overtaken_so_often(void **state)
{
    struct task *task;

    (void)state;
    start(0);
    order_length = 0;
    mutex_lock(&mutex);
    assert_int_equal(task_create("waiter", lock_and_note, (void *)'w', &task), 0);
    host_settle();
    mutex.has_spinner = true;
    for (int i = 0; i < MUTEX_OVERTAKINGS; i++) {
        mutex_unlock(&mutex);
        assert_int_equal(mutex.owner, 0); /* the next unlock is a fast one */
        host_settle();
        assert_int_equal(task->state, TASK_WAITING);
        assert_true(mutex_trylock(&mutex));
        mutex.owner |= MUTEX_CONTENDED;
    }
    mutex_unlock(&mutex);
    host_settle();
    assert_int_equal(order_length, 1);
    mutex.has_spinner = false;
    join_all(&task, 1);
    assert_int_equal(mutex.owner, 0);
    assert_int_equal(mutex.overtaken, 0);
}

/* A waiter that nobody wakes any more because it gives up sees to those behind it. */
static int wait_for_a_moment(void *arg)
{
    return mutex_lock_deadline(&mutex, deadline_after_ns((uintptr_t)arg));
}

static int give_up_when_woken(void *arg)
{
    struct task *first, *second;
    int status;

    (void)arg;
    order_length = 0;
    mutex_lock(&mutex);
    assert_int_equal(task_create("first", wait_for_a_moment, (void *)1000, &first), 0);
    host_settle();
    assert_int_equal(task_create("second", lock_and_note, (void *)'s', &second), 0);
    host_settle();
    mutex.has_spinner = true;
    mutex_unlock(&mutex); /* nobody is woken, and no bit is left */
    assert_int_equal(mutex.owner, 0);
    mutex.has_spinner = false;
    assert_int_equal(sleep_ns(2000), 0); /* the first waiter gives up, and finds the mutex free */
    assert_int_equal(task_join(first, &status, DEADLINE_NEVER), 0);
    assert_int_equal(status, -ETIMEDOUT);
    join_all(&second, 1);
    assert_int_equal(order_length, 1);
    assert_int_equal(mutex.owner, 0);
    return 0;
}

static void test_mutex_waiter_that_gives_up(void **state)
{
    (void)state;
    start(0);
    host_run(give_up_when_woken, NULL);
}

static void lock_twice(void *arg)
{
    (void)arg;
    mutex_lock(&mutex);
    mutex_lock(&mutex);
}

static void lock_downwards(void *arg)
{
    static DEFINE_MUTEX(outer, "outer", LOCK_RANK_SHELL);

    (void)arg;
    mutex_lock(&mutex);
    mutex_lock(&outer);
}

static void unlock_foreign(void *arg)
{
    (void)arg;
    mutex_unlock(&mutex);
}

static int lock_and_keep(void *arg)
{
    (void)arg;
    mutex_lock(&mutex);
    return 0;
}

static void end_holding(void *arg)
{
    struct task *task;

    (void)arg;
    assert_int_equal(task_create("holder", lock_and_keep, NULL, &task), 0);
    host_settle();
}

static void test_mutex_misuse(void **state)
{
    (void)state;
    start(0);
    host_expect_panic(lock_twice, NULL, "taken twice");
    start(0);
    host_expect_panic(lock_downwards, NULL, "lock order");
    start(0);
    host_expect_panic(unlock_foreign, NULL, "does not hold it");
    start(0);
    host_expect_panic(end_holding, NULL, "ends holding test mutex");
}

/* ---- rwlock ---------------------------------------------------------------------------------- */

static int readers, writers;

static int read_and_write(void *arg)
{
    struct unit_random random = { (uintptr_t)arg };

    for (int i = 0; i < 60; i++) {
        if (unit_random_below(&random, 3) == 0) {
            rwlock_write_lock(&rwlock);
            assert_int_equal(readers, 0);
            assert_int_equal(writers++, 0);
            assert_int_equal(sleep_ns(700), 0);
            writers--;
            rwlock_write_unlock(&rwlock);
        } else {
            rwlock_read_lock(&rwlock);
            readers++;
            assert_int_equal(writers, 0);
            assert_int_equal(sleep_ns(300), 0);
            readers--;
            rwlock_read_unlock(&rwlock);
        }
    }
    return 0;
}

static int run_readers_and_writers(void *arg)
{
    struct task *tasks[6];

    (void)arg;
    readers = writers = 0;
    for (uintptr_t i = 0; i < 6; i++)
        spawn(&tasks[i], 1, read_and_write, (void *)(i + 1));
    join_all(tasks, 6);
    assert_int_equal(rwlock.state, 0);
    return 0;
}

static void test_rwlock(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < CHAOS_SEEDS; seed++) {
        start(seed);
        host_run(run_readers_and_writers, NULL);
    }
}

static int read_and_note(void *arg)
{
    rwlock_read_lock(&rwlock);
    order[order_length++] = (char)(intptr_t)arg;
    assert_int_equal(sleep_ns(NS_PER_MS), 0);
    order[order_length++] = (char)((intptr_t)arg - 'a' + 'A');
    rwlock_read_unlock(&rwlock);
    return 0;
}

static int write_and_note(void *arg)
{
    rwlock_write_lock(&rwlock);
    order[order_length++] = (char)(intptr_t)arg;
    rwlock_write_unlock(&rwlock);
    return 0;
}

/* A waiting writer holds off new readers; readers behind it go in together. */
static void test_rwlock_order(void **state)
{
    struct task *tasks[3];

    (void)state;
    start(0);
    order_length = 0;
    rwlock_read_lock(&rwlock);
    assert_int_equal(task_create("w", write_and_note, (void *)'w', &tasks[0]), 0);
    host_settle();
    assert_int_equal(task_create("r", read_and_note, (void *)'r', &tasks[1]), 0);
    assert_int_equal(task_create("s", read_and_note, (void *)'s', &tasks[2]), 0);
    host_settle();
    assert_int_equal(order_length, 0);
    rwlock_read_unlock(&rwlock);
    join_all(tasks, 3);
    assert_memory_equal(order, "wrsRS", 5);
}

/* ---- wait group ------------------------------------------------------------------------------ */

static int finish_with(void *arg)
{
    struct wait_group *group = arg;

    assert_int_equal(sleep_ns(1000), 0);
    wait_group_done(group, 0);
    return 0;
}

/* Under the address sanitizer: the group is gone the moment the wait is over. */
static int groups_on_heap(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct task *tasks[3];
        struct wait_group *group = malloc(sizeof(*group));
        wait_group_init(group, "group");
        wait_group_add(group, 3);
        spawn(tasks, 3, finish_with, group);
        assert_int_equal(wait_group_wait(group, DEADLINE_NEVER, WAIT_CANCELLABLE), 0);
        free(group);
        join_all(tasks, 3);
    }
    return 0;
}

static void test_wait_group(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < CHAOS_SEEDS; seed++) {
        start(seed);
        host_run(groups_on_heap, NULL);
    }
}

static void done_too_often(void *arg)
{
    struct wait_group group;

    (void)arg;
    wait_group_init(&group, "group");
    wait_group_done(&group, 0);
}

static void test_wait_group_errors(void **state)
{
    struct wait_group group;

    (void)state;
    start(0);
    wait_group_init(&group, "group");
    wait_group_add(&group, 2);
    assert_int_equal(wait_group_wait(&group, deadline_after_ns(NS_PER_MS), WAIT_CANCELLABLE),
                     -ETIMEDOUT);
    wait_group_done(&group, -EIO);
    wait_group_done(&group, -ENOSPC);
    assert_int_equal(wait_group_wait(&group, 0, WAIT_CANCELLABLE), -EIO);
    host_expect_panic(done_too_often, NULL, "once too often");
}

/* ---- spinlock -------------------------------------------------------------------------------- */

static DEFINE_SPINLOCK(low_lock, "low", LOCK_RANK_NETDEV);
static DEFINE_SPINLOCK(high_lock, "high", LOCK_RANK_DEVICE);
static DEFINE_SPINLOCK(shared_lock, "shared with a handler", LOCK_RANK_DEVICE);

static void spin_twice(void *arg)
{
    (void)arg;
    spin_lock(&low_lock);
    low_lock.rank = LOCK_RANK_NONE; /* past the check of ranks: the lock itself must notice */
    spin_lock(&low_lock);
}

static void spin_downwards(void *arg)
{
    (void)arg;
    spin_lock(&high_lock);
    spin_lock(&low_lock);
}

static void take_shared(void *arg)
{
    (void)arg;
    irqflags_t flags = spin_lock_irqsave(&shared_lock);
    spin_unlock_irqrestore(&shared_lock, flags);
}

static void share_carelessly(void *arg)
{
    (void)arg;
    host_interrupt(take_shared, NULL);
    spin_lock(&shared_lock); /* the handler may come now */
}

static void leave_handler_locked(void *arg)
{
    (void)arg;
    spin_lock(&shared_lock);
}

static void run_bad_handler(void *arg)
{
    host_interrupt(leave_handler_locked, arg);
}

static void reset_locks(void)
{
    start(0);
    spin_lock_init(&low_lock, "low", LOCK_RANK_NETDEV);
    spin_lock_init(&high_lock, "high", LOCK_RANK_DEVICE);
    spin_lock_init(&shared_lock, "shared with a handler", LOCK_RANK_DEVICE);
}

static void test_spinlock_misuse(void **state)
{
    (void)state;
    reset_locks();
    host_expect_panic(spin_twice, NULL, "deadlock");
    reset_locks();
    host_expect_panic(spin_downwards, NULL, "lock order");
    reset_locks();
    host_expect_panic(share_carelessly, NULL, "spin_lock_irqsave");
    reset_locks();
    host_expect_panic(run_bad_handler, NULL, "ended holding");
    reset_locks();
    spin_lock(&low_lock);
    spin_lock(&high_lock);
    spin_unlock(&low_lock); /* in any order */
    spin_unlock(&high_lock);
    assert_true(spin_trylock(&low_lock));
    assert_true(spin_is_held(&low_lock));
    spin_unlock(&low_lock);
    assert_false(spin_is_held(&low_lock));
}

/* ---- statistics ------------------------------------------------------------------------------ */

static void test_waits_are_counted(void **state)
{
    static const char name[] = "counted lock";
    struct lock_statistics statistics;
    bool is_found = false;

    (void)state;
    lock_note_wait(name, 5);
    lock_note_wait(name, 7);
    for (unsigned int i = 0; lock_statistics(i, &statistics); i++) {
        if (statistics.name != name)
            continue;
        is_found = true;
        assert_int_equal(statistics.waits, 2);
        assert_int_equal(statistics.waited_ns, 12);
        assert_int_equal(statistics.longest_ns, 7);
    }
    assert_true(is_found);
}

UNIT_TESTS(UNIT_TEST(test_wakes_in_order), UNIT_TEST(test_condition_first),
           UNIT_TEST(test_wake_is_passed_on), UNIT_TEST(test_no_wake_is_lost),
           UNIT_TEST(test_mutex), UNIT_TEST(test_mutex_waiters_are_served_in_order),
           UNIT_TEST(test_mutex_waiter_does_not_starve),
           UNIT_TEST(test_mutex_waiter_is_overtaken_so_often),
           UNIT_TEST(test_mutex_waiter_that_gives_up), UNIT_TEST(test_mutex_misuse),
           UNIT_TEST(test_rwlock), UNIT_TEST(test_rwlock_order), UNIT_TEST(test_wait_group),
           UNIT_TEST(test_wait_group_errors), UNIT_TEST(test_spinlock_misuse),
           UNIT_TEST(test_waits_are_counted))
