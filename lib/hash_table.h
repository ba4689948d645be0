/*
 * Hash table that grows and shrinks with what is in it, intrusive: the element embeds a struct
 * hash_node, and whoever looks something up compares the keys.
 *
 *     hash_table_for_each_entry(file, &table, hash, struct file, node)
 *         if (strcmp(file->name, name) == 0) ...
 *
 * There are about as many buckets as elements. They come and go one at a time, with the insertions
 * and removals, by linear hashing: no operation moves more than a few elements, so that
 * all of them may run under a spinlock, and a table of a hundred elements takes the memory of a
 * hundred. When memory for more buckets cannot be had, the chains become longer, and nothing fails.
 * The caller locks.
 *
 * Reference: Litwin, "Linear hashing: a new tool for file and table addressing", VLDB 1980.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/bits.h"
#include "lib/compiler.h"

struct hash_node {
    struct hash_node *next; /* in the same bucket */
    uint32_t hash;
};

/* Memory for buckets: kmalloc() and kfree() fit. Called with the caller's lock held. */
struct hash_table_memory {
    void *(*alloc)(size_t size); /* NULL when out of memory */
    void (*free)(void *memory);
};

#define HASH_TABLE_FIRST    16u /* buckets there always are; a power of two */
#define HASH_TABLE_SEGMENTS 32  /* and so many times they may double */

struct hash_table {
    uint32_t buckets; /* in use, from number 0 on */
    uint32_t mask;    /* buckets, rounded up to a power of two, minus 1 */
    uint32_t count;   /* elements */
    const struct hash_table_memory *memory;
    /* Segment n has the buckets from 2^n on, as many as there are before it. */
    struct hash_node **segments[HASH_TABLE_SEGMENTS];
    struct hash_node *first[HASH_TABLE_FIRST];
};

/* static struct hash_table table = HASH_TABLE_INIT(&kmalloc_buckets); */
#define HASH_TABLE_INIT(memory_)                                                                   \
    {                                                                                              \
        .buckets = HASH_TABLE_FIRST, .mask = HASH_TABLE_FIRST - 1, .memory = (memory_)             \
    }

/** hash_table_init() - an empty table, which has no memory of its own yet. */
void hash_table_init(struct hash_table *table, const struct hash_table_memory *memory);

/** hash_table_clear() - frees the buckets; the elements stay the caller's. Empty afterwards. */
void hash_table_clear(struct hash_table *table);

/** hash_table_insert() - @node is in no table. Elements of one hash: the latest is found first. */
void hash_table_insert(struct hash_table *table, struct hash_node *node, uint32_t hash);

/** hash_table_remove() - @node is in @table. */
void hash_table_remove(struct hash_table *table, struct hash_node *node);

/** hash_table_any() - one of the elements, NULL when there are none: to remove them all. */
struct hash_node *hash_table_any(const struct hash_table *table);

/* For the look-up below: where the chain of bucket @index starts. */
static inline struct hash_node **hash_table_bucket(const struct hash_table *table, uint32_t index)
{
    unsigned int segment;

    if (index < HASH_TABLE_FIRST)
        return (struct hash_node **)&table->first[index];
    segment = log2_floor(index);
    return &table->segments[segment][index ^ 1u << segment];
}

/* The bucket of @hash: by as many of its bits as it takes to number all buckets, or one less where
 * that bucket is still to come. */
static inline uint32_t hash_table_index(const struct hash_table *table, uint32_t hash)
{
    uint32_t index = hash & table->mask;

    return index < table->buckets ? index : index & table->mask >> 1;
}

static inline struct hash_node *hash_node_skip(struct hash_node *node, uint32_t hash)
{
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

/** hash_table_find() - the first element of that hash, or NULL; hash_table_next() - another. */
static inline struct hash_node *hash_table_find(const struct hash_table *table, uint32_t hash)
{
    return hash_node_skip(*hash_table_bucket(table, hash_table_index(table, hash)), hash);
}

static inline struct hash_node *hash_table_next(const struct hash_node *node)
{
    return hash_node_skip(node->next, node->hash);
}

#define HASH_ENTRY_OR_NULL_(node_, type, member)                                                   \
    ({                                                                                             \
        struct hash_node *hash_node_ = (node_);                                                    \
        hash_node_ ? container_of(hash_node_, type, member) : NULL;                                \
    })

/* Elements of one hash. Not to be changed meanwhile, unless the walk ends there. */
#define hash_table_for_each_entry(entry, table, hash_, type, member)                               \
    for ((entry) = HASH_ENTRY_OR_NULL_(hash_table_find(table, hash_), type, member); (entry);      \
         (entry) = HASH_ENTRY_OR_NULL_(hash_table_next(&(entry)->member), type, member))
