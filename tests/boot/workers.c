#include "tests/boot/workers.h"

#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "mm/kmalloc.h"
#include "tests/boot_test.h"

#define WORKER_DEADLINE_NS (30 * NS_PER_S)

void workers_run(unsigned int count, int (*entry)(void *arg), void *arg)
{
    struct task **tasks = kcalloc(count, sizeof(*tasks));
    uint64_t deadline = deadline_after_ns(WORKER_DEADLINE_NS);
    unsigned int failed = 0;

    EXPECT(tasks);
    for (unsigned int i = 0; i < count; i++)
        EXPECT_EQ(task_create("worker", entry, arg, &tasks[i]), 0);
    for (unsigned int i = 0; i < count; i++) {
        int status;
        EXPECT_EQ(task_join(tasks[i], &status, deadline), 0);
        failed += status != 0;
    }
    kfree(tasks);
    EXPECT_EQ(failed, 0);
}

uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
