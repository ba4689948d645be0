/*
 * Wait group: a count of things under way and those who wait for it to reach zero; carries the
 * first error. The usual way to submit several block requests and wait for all.
 */
#pragma once

#include <stdint.h>

#include "kernel/sync/wait_queue.h"

struct wait_group {
    int count; /* atomic */
    int error; /* atomic; first non-zero error reported by wait_group_done() */
    struct wait_queue waiters;
};

void wait_group_init(struct wait_group *group, const char *name);
void wait_group_add(struct wait_group *group, int count);
/** wait_group_done() - one thing ended, with @error (0: well). Context: any. The group may be freed
 * by its waiter as soon as the last done() has returned to it; done() does not touch it after. */
void wait_group_done(struct wait_group *group, int error);
/** wait_group_wait() - 0 or the first error; -ETIMEDOUT or -ECANCELED. Context: task. */
int __must_check wait_group_wait(struct wait_group *group, uint64_t deadline_ns,
                                 enum wait_flags flags);
