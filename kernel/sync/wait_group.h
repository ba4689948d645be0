/*
 * Wait group: a count of things under way and those who wait for it to reach zero; carries the
 * first error. The usual way to submit several block requests and wait for all.
 */
#pragma once

#include <stdint.h>

#include "kernel/sync/wait_queue.h"

struct wait_group {
    int count; /* atomic; becomes 0 only with the lock of the waiters' queue held */
    int error; /* atomic; first non-zero error reported by wait_group_done() */
    struct wait_queue waiters;
};

void wait_group_init(struct wait_group *group, const char *name);
/** wait_group_add() - @count more things. Before the first of them can end. Context: any. */
void wait_group_add(struct wait_group *group, int count);
/**
 * wait_group_done() - one thing ended, with @error (0: well). Context: any.
 * A waiter that has been told 0 may free the group at once: the last done() does not touch it after
 * wait_group_wait() has returned.
 */
void wait_group_done(struct wait_group *group, int error);
/** wait_group_wait() - 0 or the first error; -ETIMEDOUT or -ECANCELED. Context: task. */
int __must_check wait_group_wait(struct wait_group *group, uint64_t deadline_ns,
                                 enum wait_flags flags);
