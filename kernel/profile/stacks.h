/*
 * Samples of what CPUs were doing, counted by stack: what `profile` collects and shows.
 *
 * A table is filled from interrupts, without locks or memory: each CPU has its own. Afterwards the
 * entries of all tables are folded: the same functions called in the same order by the same task
 * are one entry, wherever in these functions the calls stand.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

#define PROFILE_DEPTH     24
#define PROFILE_NAME_MAX  32
#define PROFILE_TABLE_MAX 1024 /* different stacks in one table; a power of two */

/* One stack, and how often it was seen. */
struct profile_stack {
    uint64_t count; /* 0: a free place in the table */
    uint32_t depth;
    bool is_idle;
    char task[PROFILE_NAME_MAX];
    uintptr_t addresses[PROFILE_DEPTH]; /* innermost first; unused ones are 0 */
};

struct profile_table {
    uint64_t dropped; /* samples of stacks that the full table has no place for */
    struct profile_stack stacks[PROFILE_TABLE_MAX];
};

/**
 * profile_table_add() - count one sample
 * @sample: its count is not looked at. The innermost address is counted as that of its function.
 * Context: any, also an interrupt; one caller at a time for each table.
 */
void profile_table_add(struct profile_table *table, const struct profile_stack *sample);

/**
 * profile_fold() - replace addresses by those of their functions, and make like stacks one
 * @stacks: @count entries, none of count 0; sorted on return, by task and then from the outermost
 * call inwards, so that those who share callers are neighbours.
 * Return: how many are left, at the beginning of the array.
 */
size_t profile_fold(struct profile_stack *stacks, size_t count);

/* How often a function or a task was seen. */
struct profile_line {
    const char *name; /* lives as long as the stacks */
    uint64_t self;    /* it ran itself */
    uint64_t total;   /* it ran, or one that it had called */
};

/**
 * profile_functions() - the functions in @stacks that are not idle, most often seen first
 * @lines: room for @room. Return: how many lines were filled; what does not fit is left out.
 */
size_t profile_functions(const struct profile_stack *stacks, size_t count,
                         struct profile_line *lines, size_t room);

/** profile_tasks() - the same for the tasks; self and total are equal. */
size_t profile_tasks(const struct profile_stack *stacks, size_t count, struct profile_line *lines,
                     size_t room);

/** profile_function_name() - of an address in a folded stack; "?" for what is no code. */
const char *profile_function_name(uintptr_t address);
