/*
 * Counting and folding stacks. No locks: a table has one writer, and is folded when that has ended.
 */
#include "kernel/profile/stacks.h"

#include "kernel/symbols.h"
#include "lib/sort.h"
#include "lib/string.h"

/* ---- the table ----------------------------------------------------------------------------- */

/* Neighbours looked at before a sample is given up; it is an interrupt that looks. */
#define PROBES_MAX 32

/* Knuth's multiplicative hash: the upper bits are the good ones. Nobody hostile chooses stacks. */
static size_t hash_of(const struct profile_stack *stack)
{
    uint64_t hash = stack->is_idle;

    for (uint32_t i = 0; i < stack->depth; i++)
        hash = (hash ^ stack->addresses[i]) * 0x9E3779B97F4A7C15u;
    return hash >> 32;
}

static bool is_same(const struct profile_stack *a, const struct profile_stack *b)
{
    return a->depth == b->depth && a->is_idle == b->is_idle &&
           memcmp(a->addresses, b->addresses, a->depth * sizeof(a->addresses[0])) == 0 &&
           strcmp(a->task, b->task) == 0;
}

/* The innermost address differs with every sample of a loop; what matters is whose loop it is. The
 * others are those of calls, few. */
static void to_function(uintptr_t *address, size_t before)
{
    size_t offset;

    if (symbol_name(*address - before, &offset))
        *address -= offset + before;
}

void profile_table_add(struct profile_table *table, const struct profile_stack *sample)
{
    struct profile_stack stack = *sample;

    stack.count = 0;
    if (stack.depth > 0)
        to_function(&stack.addresses[0], 0);
    size_t first = hash_of(&stack);
    for (size_t i = 0; i < PROBES_MAX; i++) {
        struct profile_stack *place = &table->stacks[(first + i) % PROFILE_TABLE_MAX];
        if (place->count == 0)
            *place = stack;
        else if (!is_same(place, &stack))
            continue;
        place->count++;
        return;
    }
    table->dropped++;
}

/* ---- folding ------------------------------------------------------------------------------- */

static int compare_addresses(uintptr_t a, uintptr_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_stacks(const void *left, const void *right, void *context __maybe_unused)
{
    const struct profile_stack *a = left, *b = right;
    int order = (int)a->is_idle - (int)b->is_idle;

    if (order == 0)
        order = strcmp(a->task, b->task);
    for (uint32_t i = 1; order == 0 && i <= a->depth && i <= b->depth; i++)
        order = compare_addresses(a->addresses[a->depth - i], b->addresses[b->depth - i]);
    return order ? order : (int)a->depth - (int)b->depth;
}

size_t profile_fold(struct profile_stack *stacks, size_t count)
{
    size_t kept = 0;

    /* A return address stands behind its call. The innermost is a function's already. */
    for (size_t i = 0; i < count; i++)
        for (uint32_t level = 1; level < stacks[i].depth; level++)
            to_function(&stacks[i].addresses[level], 1);
    sort(stacks, count, sizeof(stacks[0]), compare_stacks, NULL);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && is_same(&stacks[kept - 1], &stacks[i]))
            stacks[kept - 1].count += stacks[i].count;
        else if (kept++ != i)
            stacks[kept - 1] = stacks[i];
    }
    return kept;
}

/* ---- who was seen how often ---------------------------------------------------------------- */

const char *profile_function_name(uintptr_t address)
{
    size_t offset;
    const char *name = symbol_name(address, &offset);

    return name ? name : "?";
}

static struct profile_line *find_line(struct profile_line *lines, size_t *count, size_t room,
                                      const char *name)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(lines[i].name, name) == 0)
            return &lines[i];
    if (*count == room)
        return NULL;
    lines[*count] = (struct profile_line){ .name = name };
    return &lines[(*count)++];
}

static int compare_lines(const void *left, const void *right, void *context __maybe_unused)
{
    const struct profile_line *a = left, *b = right;

    if (a->self != b->self)
        return a->self > b->self ? -1 : 1;
    if (a->total != b->total)
        return a->total > b->total ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* A function that calls itself was there once. */
static bool is_seen_further_in(const struct profile_stack *stack, uint32_t level)
{
    for (uint32_t i = 0; i < level; i++)
        if (stack->addresses[i] == stack->addresses[level])
            return true;
    return false;
}

size_t profile_functions(const struct profile_stack *stacks, size_t count,
                         struct profile_line *lines, size_t room)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        for (uint32_t level = 0; !stacks[i].is_idle && level < stacks[i].depth; level++) {
            if (is_seen_further_in(&stacks[i], level))
                continue;
            const char *name = profile_function_name(stacks[i].addresses[level]);
            struct profile_line *line = find_line(lines, &found, room, name);
            if (line) {
                line->total += stacks[i].count;
                line->self += level == 0 ? stacks[i].count : 0;
            }
        }
    sort(lines, found, sizeof(lines[0]), compare_lines, NULL);
    return found;
}

size_t profile_tasks(const struct profile_stack *stacks, size_t count, struct profile_line *lines,
                     size_t room)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        struct profile_line *line =
            stacks[i].is_idle ? NULL : find_line(lines, &found, room, stacks[i].task);
        if (line) {
            line->self += stacks[i].count;
            line->total = line->self;
        }
    }
    sort(lines, found, sizeof(lines[0]), compare_lines, NULL);
    return found;
}
