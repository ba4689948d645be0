/*
 * Several tasks that do the same thing at once, and the wait for all of them.
 *
 *     error = bench_team_start(&team, TEAM_SPREAD, 4, lock_mutex, &locks, 0);
 *     if (!error)
 *         error = bench_team_join(&team);
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

struct bench;
struct task;

enum team_place {
    TEAM_ANYWHERE,
    TEAM_FIRST_CPU, /* all bound to CPU 0 */
    TEAM_SPREAD     /* member N bound to the Nth CPU online, and round again */
};

struct bench_team {
    struct task **tasks;
    unsigned int count;
};

/**
 * bench_team_start() - @count tasks, each running @entry with its own argument
 * @args: the first one's; the next one's is @arg_size bytes further on.
 * Return: 0 or -errno, and then none of them runs any more.
 */
int __must_check bench_team_start(struct bench_team *team, enum team_place place,
                                  unsigned int count, int (*entry)(void *arg), void *args,
                                  size_t arg_size);

/** bench_team_join() - wait for all. 0, or the first status that is not. */
int __must_check bench_team_join(struct bench_team *team);

/** bench_team_cancel() - end what they wait for; bench_team_join() still has to follow. */
void bench_team_cancel(struct bench_team *team);

/**
 * bench_create_and_join() - measure tasks that end at once, one after the other, as row @name
 * @creations: how many, before bench_count() has its say. Return: 0 or -errno, and no row.
 */
int __must_check bench_create_and_join(struct bench *bench, const char *name, uint64_t creations);
