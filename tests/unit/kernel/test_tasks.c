/*
 * Tasks on the simulated CPU: life cycle, sleep, join, cancel, slices; and the host layer itself.
 */
#include "arch/host/host.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task.h"
#include "kernel/sync/wait_queue.h"
#include "lib/errno.h"
#include "tests/unit/unit.h"

static int return_argument(void *arg)
{
    return (int)(intptr_t)arg;
}

static int create_and_join(void *arg)
{
    struct task *task;
    int status = -1;

    (void)arg;
    assert_int_equal(task_create("child", return_argument, (void *)42, &task), 0);
    assert_int_equal(task_join(task, &status, DEADLINE_NEVER), 0);
    return status;
}

static void test_create_and_join(void **state)
{
    (void)state;
    host_kernel_start();
    assert_int_equal(host_run(create_and_join, NULL), 42);
    assert_int_equal(host_run(create_and_join, NULL), 42);
}

static int sleep_a_while(void *arg)
{
    uint64_t start = clock_now_ns();

    assert_int_equal(sleep_ns((uintptr_t)arg), 0);
    assert_int_equal(clock_now_ns() - start, (uintptr_t)arg);
    return 0;
}

static int run_sleepers(void *arg)
{
    uint64_t start = clock_now_ns();
    struct task *tasks[1000];

    (void)arg;
    for (uintptr_t i = 0; i < ARRAY_SIZE(tasks); i++)
        assert_int_equal(
            task_create("sleeper", sleep_a_while, (void *)((i + 1) * NS_PER_MS), &tasks[i]), 0);
    for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
        assert_int_equal(task_join(tasks[i], NULL, DEADLINE_NEVER), 0);
    assert_int_equal(clock_now_ns() - start, ARRAY_SIZE(tasks) * NS_PER_MS);
    return 0;
}

static void test_thousand_sleepers(void **state)
{
    (void)state;
    host_kernel_start();
    host_run(run_sleepers, NULL);
}

static int join_slow_task(void *arg)
{
    struct task *task;
    int status;

    (void)arg;
    assert_int_equal(task_create("slow", sleep_a_while, (void *)(10 * NS_PER_MS), &task), 0);
    assert_int_equal(task_join(task, &status, deadline_after_ns(NS_PER_MS)), -ETIMEDOUT);
    assert_int_equal(task_join(task, &status, DEADLINE_NEVER), 0);
    assert_int_equal(status, 0);
    return 0;
}

static void test_join_with_deadline(void **state)
{
    (void)state;
    host_kernel_start();
    host_run(join_slow_task, NULL);
}

static int sleep_until_cancelled(void *arg)
{
    (void)arg;
    assert_int_equal(sleep_until_ns(DEADLINE_NEVER), -ECANCELED);
    assert_true(task_is_cancelled());
    assert_int_equal(sleep_ns(1), -ECANCELED); /* sticky */
    task_clear_cancel(task_current());
    return sleep_ns(1);
}

static int cancel_sleeper(void *arg)
{
    struct task *task;
    int status;

    (void)arg;
    assert_int_equal(task_create("victim", sleep_until_cancelled, NULL, &task), 0);
    host_advance_ns(NS_PER_S);
    assert_int_equal(task->state, TASK_WAITING);
    assert_string_equal(task->wait_name, "sleep");
    task_cancel(task);
    assert_int_equal(task_join(task, &status, DEADLINE_NEVER), 0);
    return status;
}

static void test_cancel(void **state)
{
    (void)state;
    host_kernel_start();
    assert_int_equal(host_run(cancel_sleeper, NULL), 0);
}

static int many_detached(void *arg)
{
    (void)arg;
    for (unsigned int i = 0; i < 300; i++)
        assert_int_equal(task_create("detached", return_argument, NULL, NULL), 0);
    host_settle();
    return 0;
}

static void test_detached_tasks_reap_themselves(void **state)
{
    (void)state;
    host_kernel_start();
    host_run(many_detached, NULL);
}

static bool collect_pid(struct task *task, void *arg)
{
    uint32_t **next = arg;

    *(*next)++ = task->pid;
    return true;
}

static int look_up_pids(void *arg)
{
    uint32_t pids[64];
    uint32_t *next = pids;
    struct task *task;

    (void)arg;
    assert_int_equal(task_create("found", sleep_a_while, (void *)NS_PER_MS, &task), 0);
    struct task *found = task_find(task->pid);
    assert_ptr_equal(found, task);
    task_put(found);
    assert_null(task_find(999999));
    assert_null(task_find(0));
    task_for_each(collect_pid, &next);
    assert_int_equal(next - pids, task_count());
    for (uint32_t *pid = pids; pid + 1 < next; pid++)
        assert_true(pid[0] < pid[1]);
    return task_join(task, NULL, DEADLINE_NEVER);
}

static void test_pid_table(void **state)
{
    (void)state;
    host_kernel_start();
    host_run(look_up_pids, NULL);
}

static int create_without_memory(void *arg)
{
    struct task *task;

    (void)arg;
    for (unsigned long nth = 1; nth <= 2; nth++) {
        host_fail_allocation(nth);
        assert_int_equal(task_create("none", return_argument, NULL, &task), -ENOMEM);
        assert_true(host_allocation_failed());
    }
    host_fail_allocation(0);
    return create_and_join(NULL);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    host_kernel_start();
    assert_int_equal(host_run(create_without_memory, NULL), 42);
}

/* Two tasks that only compute: the end of the slice takes the CPU from each in turn. */
static int spins[2];

static int spin(void *arg)
{
    int *mine = arg;

    while (*mine < 50) {
        clock_busy_wait_ns(NS_PER_MS);
        ++*mine;
    }
    return 0;
}

static int run_spinners(void *arg)
{
    struct task *tasks[2];

    (void)arg;
    memset(spins, 0, sizeof(spins));
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(task_create("spinner", spin, &spins[i], &tasks[i]), 0);
    sleep_ns(20 * NS_PER_MS);
    int difference = spins[0] - spins[1];
    assert_true(spins[0] > 0 && spins[1] > 0);
    assert_true(difference >= -6 && difference <= 6); /* one slice is 5 ms */
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(task_join(tasks[i], NULL, DEADLINE_NEVER), 0);
    return 0;
}

static void test_slices(void **state)
{
    (void)state;
    host_kernel_start();
    host_run(run_spinners, NULL);
}

/* ---- who has slept and who computes ---------------------------------------------------------- */

static bool is_over;
static uint64_t computed_ns[8];

/* Computes until the test is over. */
static int compute(void *arg)
{
    uint64_t *mine = arg;

    while (!is_over) {
        clock_busy_wait_ns(50 * NS_PER_US);
        *mine += 50 * NS_PER_US;
    }
    return 0;
}

static void start_computing(struct task **tasks, size_t count)
{
    is_over = false;
    memset(computed_ns, 0, sizeof(computed_ns));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(task_create("hog", compute, &computed_ns[i], &tasks[i]), 0);
}

static void end_computing(struct task **tasks, size_t count)
{
    is_over = true;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(task_join(tasks[i], NULL, DEADLINE_NEVER), 0);
}

/* Sleeps beside two that compute: by how much, at worst, is it late? */
static int sleep_beside_hogs(void *arg)
{
    struct task *tasks[2];
    uint64_t worst = 0;

    (void)arg;
    start_computing(tasks, 2);
    for (int i = 0; i < 200; i++) {
        uint64_t due = clock_now_ns() + NS_PER_MS + (uint64_t)i * 7919 % NS_PER_MS;
        assert_int_equal(sleep_until_ns(due), 0);
        worst = MAX(worst, clock_now_ns() - due);
    }
    /* One step of clock_busy_wait_ns(), in which the simulated CPU takes no interrupts, is 50 us.
     */
    assert_true(worst <= SCHED_WAKE_NS + 50 * NS_PER_US);
    uint64_t more = MAX(computed_ns[0], computed_ns[1]);
    uint64_t less = MIN(computed_ns[0], computed_ns[1]);
    assert_true(more - less <= 2 * SCHED_SLICE_NS); /* and they share what is left */
    end_computing(tasks, 2);
    return 0;
}

static void test_sleeper_beside_hogs_is_in_time(void **state)
{
    (void)state;
    host_kernel_start();
    host_run(sleep_beside_hogs, NULL);
}

/* Sleeps as often as it can but computes for most of the time: no more for it than for the other.
 */
static int compute_and_nap(void *arg)
{
    uint64_t *mine = arg;

    while (!is_over) {
        clock_busy_wait_ns(3 * NS_PER_MS);
        *mine += 3 * NS_PER_MS;
        assert_int_equal(sleep_ns(300 * NS_PER_US), 0);
    }
    return 0;
}

static int nap_beside_hog(void *arg)
{
    struct task *tasks[2];

    (void)arg;
    start_computing(tasks, 1);
    assert_int_equal(task_create("napper", compute_and_nap, &computed_ns[1], &tasks[1]), 0);
    assert_int_equal(sleep_ns(400 * NS_PER_MS), 0);
    assert_true(computed_ns[0] >= 150 * NS_PER_MS);
    end_computing(tasks, 2);
    return 0;
}

static void test_naps_buy_nothing(void **state)
{
    (void)state;
    host_kernel_start();
    host_run(nap_beside_hog, NULL);
}

/* Many that mostly sleep, and together want more than the CPU has: one that computes gets on. */
static int sleep_and_compute(void *arg)
{
    (void)arg;
    while (!is_over) {
        assert_int_equal(sleep_ns(2 * NS_PER_MS), 0);
        clock_busy_wait_ns(150 * NS_PER_US);
    }
    return 0;
}

static int compute_beside_many(void *arg)
{
    struct task *hog, *tasks[30];

    (void)arg;
    start_computing(&hog, 1);
    for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
        assert_int_equal(task_create("sleeper", sleep_and_compute, NULL, &tasks[i]), 0);
    assert_int_equal(sleep_ns(500 * NS_PER_MS), 0);
    assert_true(computed_ns[0] >= 10 * NS_PER_MS);
    end_computing(&hog, 1);
    for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
        assert_int_equal(task_join(tasks[i], NULL, DEADLINE_NEVER), 0);
    return 0;
}

static void test_hog_does_not_starve(void **state)
{
    (void)state;
    host_kernel_start();
    host_run(compute_beside_many, NULL);
}

static int note_time(void *arg)
{
    *(uint64_t *)arg = clock_now_ns();
    return 0;
}

/* A shell that has waited for a key starts a command, which is not to wait behind eight others. */
static int start_beside_hogs(void *arg)
{
    struct task *hogs[8], *command;
    uint64_t done;

    (void)arg;
    start_computing(hogs, ARRAY_SIZE(hogs));
    for (int i = 0; i < 20; i++) {
        assert_int_equal(sleep_ns(50 * NS_PER_MS), 0);
        uint64_t start = clock_now_ns();
        assert_int_equal(task_create("command", note_time, &done, &command), 0);
        assert_int_equal(task_join(command, NULL, DEADLINE_NEVER), 0);
        assert_true(done - start <= SCHED_WAKE_NS);
        assert_true(clock_now_ns() - start <= 2 * (SCHED_WAKE_NS + 50 * NS_PER_US));
    }
    end_computing(hogs, ARRAY_SIZE(hogs));
    return 0;
}

static void test_command_beside_hogs_is_in_time(void **state)
{
    (void)state;
    host_kernel_start();
    host_run(start_beside_hogs, NULL);
}

static int compute_piece(void *arg)
{
    clock_busy_wait_ns(NS_PER_MS);
    *(uint64_t *)arg += NS_PER_MS;
    return 0;
}

/* Computes, in a new task for every millisecond: the CPU time is that of one that does not. */
static int compute_in_pieces(void *arg)
{
    struct task *piece;

    while (!is_over) {
        assert_int_equal(task_create("piece", compute_piece, arg, &piece), 0);
        assert_int_equal(task_join(piece, NULL, DEADLINE_NEVER), 0);
    }
    return 0;
}

static int split_beside_hog(void *arg)
{
    struct task *hog, *splitter;

    (void)arg;
    start_computing(&hog, 1);
    assert_int_equal(task_create("splitter", compute_in_pieces, &computed_ns[1], &splitter), 0);
    assert_int_equal(sleep_ns(400 * NS_PER_MS), 0);
    assert_true(computed_ns[0] >= 150 * NS_PER_MS);
    end_computing(&hog, 1);
    assert_int_equal(task_join(splitter, NULL, DEADLINE_NEVER), 0);
    return 0;
}

static void test_splitting_up_buys_nothing(void **state)
{
    (void)state;
    host_kernel_start();
    host_run(split_beside_hog, NULL);
}

static void block_for_ever(void *arg)
{
    DEFINE_WAIT_QUEUE(queue, "nothing");

    (void)arg;
    preempt_disable();
    (void)wait_event(&queue, false, DEADLINE_NEVER);
}

static void test_sleeping_with_preemption_off(void **state)
{
    (void)state;
    host_kernel_start();
    host_expect_panic(block_for_ever, NULL, "may sleep");
    host_kernel_start();
    host_run(create_and_join, NULL);
}

UNIT_TESTS(UNIT_TEST(test_create_and_join), UNIT_TEST(test_thousand_sleepers),
           UNIT_TEST(test_join_with_deadline), UNIT_TEST(test_cancel),
           UNIT_TEST(test_detached_tasks_reap_themselves), UNIT_TEST(test_pid_table),
           UNIT_TEST(test_out_of_memory), UNIT_TEST(test_slices),
           UNIT_TEST(test_sleeper_beside_hogs_is_in_time), UNIT_TEST(test_naps_buy_nothing),
           UNIT_TEST(test_hog_does_not_starve), UNIT_TEST(test_command_beside_hogs_is_in_time),
           UNIT_TEST(test_splitting_up_buys_nothing), UNIT_TEST(test_sleeping_with_preemption_off))
