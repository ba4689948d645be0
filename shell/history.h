/*
 * The lines typed before, for one session.
 */
#pragma once

#include <stddef.h>

#define HISTORY_MAX 100

struct history {
    char *lines[HISTORY_MAX]; /* a ring; kmalloc'ed */
    size_t first;             /* index of the oldest */
    size_t count;
};

/** history_add() - unless it is empty or the same as the last. Out of memory: it is not kept. */
void history_add(struct history *history, const char *line);

/** history_get() - the @age-th last line (0: the last), NULL when there is none. */
const char *history_get(const struct history *history, size_t age);

/** history_find() - the youngest of age >= @age that contains @text. Return: its age, or -1. */
long history_find(const struct history *history, size_t age, const char *text);

void history_clear(struct history *history);
