/*
 * What debug builds know about locks: which spinlocks each CPU holds, in which contexts a lock is
 * used, whether ranks rise. In release builds all of it is nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/sync/lock_rank.h"
#include "lib/compiler.h"

struct spinlock;

#define LOCK_HELD_MAX  16 /* spinlocks one CPU may hold at once, all contexts together */
#define LOCK_LEVEL_MAX 8  /* contexts that may be stacked: task, softirq, nested interrupts */

/* The spinlocks of one CPU, oldest first. A context that interrupts another starts a level of its
 * own: what the interrupted code holds cannot be out of order with what the handler takes. */
struct held_spinlocks {
    struct spinlock *locks[LOCK_HELD_MAX];
    unsigned int count;
    unsigned int levels[LOCK_LEVEL_MAX]; /* value of count when each level began */
    unsigned int level;
};

#if CONFIG_DEBUG
/** lock_debug_check() - before taking @lock by @caller: panics when it must not be taken here. */
void lock_debug_check(struct spinlock *lock, bool is_nested, uintptr_t caller);
void lock_debug_acquired(struct spinlock *lock);
void lock_debug_released(struct spinlock *lock);
/** lock_debug_enter() - an interrupt or softirq begins; lock_debug_leave() - it ends. */
void lock_debug_enter(void);
void lock_debug_leave(void);
/** lock_debug_held_count() - spinlocks this CPU holds, whatever the context. */
unsigned int lock_debug_held_count(void);
/** lock_debug_check_rank() - would a lock of @rank be in order here? For what waits like a lock. */
void lock_debug_check_rank(enum lock_rank rank, const char *name);

/* The same for locks that sleep, held by the calling task: before, after, at the release. */
void lock_debug_sleep_check(const void *lock, const char *name, enum lock_rank rank,
                            uintptr_t caller);
void lock_debug_sleep_acquired(const void *lock, const char *name, enum lock_rank rank);
void lock_debug_sleep_released(const void *lock, const char *name);
#else
static inline void lock_debug_check(struct spinlock *lock, bool is_nested, uintptr_t caller)
{
    (void)lock;
    (void)is_nested;
    (void)caller;
}
static inline void lock_debug_acquired(struct spinlock *lock)
{
    (void)lock;
}
static inline void lock_debug_released(struct spinlock *lock)
{
    (void)lock;
}
static inline void lock_debug_enter(void)
{
}
static inline void lock_debug_leave(void)
{
}
static inline unsigned int lock_debug_held_count(void)
{
    return 0;
}
static inline void lock_debug_check_rank(enum lock_rank rank, const char *name)
{
    (void)rank;
    (void)name;
}
static inline void lock_debug_sleep_check(const void *lock, const char *name, enum lock_rank rank,
                                          uintptr_t caller)
{
    (void)lock;
    (void)name;
    (void)rank;
    (void)caller;
}
static inline void lock_debug_sleep_acquired(const void *lock, const char *name,
                                             enum lock_rank rank)
{
    (void)lock;
    (void)name;
    (void)rank;
}
static inline void lock_debug_sleep_released(const void *lock, const char *name)
{
    (void)lock;
    (void)name;
}
#endif

/**
 * lock_debug_held() - copy the names and places of the spinlocks CPU @cpu holds, for panic
 * Context: any; the other CPU may run on: what is shown is then approximate.
 * Return: how many; always 0 in release builds.
 */
struct held_lock_description {
    const char *name;
    uintptr_t acquired_at;
};
size_t lock_debug_held(unsigned int cpu, struct held_lock_description *descriptions, size_t max);
