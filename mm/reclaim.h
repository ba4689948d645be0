/*
 * When memory runs short: those who keep some that they could do without are asked for it.
 *
 *     static size_t block_cache_shrink(size_t pages) { ... return pages_given_back; }
 *     MEMORY_SHRINKER(block_cache, "block cache", block_cache_shrink);
 *
 * Those who need sleeping locks for that are only asked by the task that keeps some memory free,
 * before it is out: MEMORY_SHRINKER_SLEEPING().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/compiler.h"
#include "lib/registry.h"

/**
 * struct memory_shrinker - one who can give memory back
 * @shrink: free about @pages pages and return how many came free, 0 if there is nothing to give.
 *      Must not allocate.
 *      Context: preemption off, interrupts on, no spinlock held; must not sleep. The task may hold
 *      mutexes, so sleeping locks are out of reach.
 * @may_sleep: Context instead: the task "reclaim", no lock held. What it waits for must not wait
 *      for memory; since no allocation ever waits, a mutex does not.
 */
struct memory_shrinker {
    const char *name;
    size_t (*shrink)(size_t pages);
    bool may_sleep;
};

#define MEMORY_SHRINKER(identifier, name_, shrink_)                                                \
    REGISTRY_ENTRY(memory_shrinker, identifier##_memory_shrinker,                                  \
                   { .name = (name_), .shrink = (shrink_) })
#define MEMORY_SHRINKER_SLEEPING(identifier, name_, shrink_)                                       \
    REGISTRY_ENTRY(memory_shrinker, identifier##_memory_shrinker,                                  \
                   { .name = (name_), .shrink = (shrink_), .may_sleep = true })

/**
 * memory_shrink() - ask the shrinkers that do not sleep in turn until @pages pages have come back
 * Context: task, interrupts on, no spinlock held; does not sleep. Return: how many came back.
 */
size_t memory_shrink(size_t pages);

/**
 * memory_reclaim() - an allocation of @pages pages has failed: get back what the context allows
 * For page.c. Context: any.
 */
void memory_reclaim(size_t pages);

/** memory_reclaim_soon() - free memory is low: wake the task that gets more, if that may be done
 * in this context. For page.c. Context: any. */
void memory_reclaim_soon(void);
