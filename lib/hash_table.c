#include "lib/hash_table.h"

#define SHRINK_SHARE 4  /* fewer elements than this share of the buckets, and buckets go */
#define ASK_INTERVAL 16 /* memory that was refused is asked for again after so many insertions */

void hash_table_init(struct hash_table *table, const struct hash_table_memory *memory)
{
    *table = (struct hash_table)HASH_TABLE_INIT(memory);
}

void hash_table_clear(struct hash_table *table)
{
    for (unsigned int i = 0; i < HASH_TABLE_SEGMENTS; i++) {
        if (table->segments[i])
            table->memory->free(table->segments[i]);
    }
    hash_table_init(table, table->memory);
}

/* Memory for bucket @index, which is the next one. */
static bool segment_exists(struct hash_table *table, uint32_t index)
{
    unsigned int segment = log2_floor(index);

    if (!table->segments[segment] && table->count % ASK_INTERVAL == 0)
        table->segments[segment] =
            table->memory->alloc(((size_t)1 << segment) * sizeof(struct hash_node *));
    return table->segments[segment] != NULL;
}

/* One bucket more: it takes its share of the one that has had its elements so far. */
static void grow(struct hash_table *table)
{
    uint32_t index = table->buckets;
    struct hash_node **link, **target;

    if (index == 1u << (HASH_TABLE_SEGMENTS - 1) || !segment_exists(table, index))
        return;
    if (index > table->mask)
        table->mask = table->mask << 1 | 1;
    table->buckets++;
    target = hash_table_bucket(table, index);
    link = hash_table_bucket(table, index & table->mask >> 1);
    while (*link) {
        struct hash_node *node = *link;

        if ((node->hash & table->mask) == index) {
            *link = node->next;
            *target = node;
            target = &node->next;
        } else {
            link = &node->next;
        }
    }
    *target = NULL;
}

/* One bucket less: the last gives its elements to the one it once had them from. */
static void shrink(struct hash_table *table)
{
    uint32_t index = table->buckets - 1;
    unsigned int segment = log2_floor(index);
    struct hash_node **end = hash_table_bucket(table, index & table->mask >> 1);

    while (*end)
        end = &(*end)->next;
    *end = *hash_table_bucket(table, index);
    table->buckets--;
    if (index == (table->mask >> 1) + 1) { /* the first of its segment */
        table->mask >>= 1;
        table->memory->free(table->segments[segment]);
        table->segments[segment] = NULL;
    }
}

void hash_table_insert(struct hash_table *table, struct hash_node *node, uint32_t hash)
{
    struct hash_node **bucket;

    if (table->count++ >= table->buckets)
        grow(table);
    bucket = hash_table_bucket(table, hash_table_index(table, hash));
    node->hash = hash;
    node->next = *bucket;
    *bucket = node;
}

void hash_table_remove(struct hash_table *table, struct hash_node *node)
{
    struct hash_node **link = hash_table_bucket(table, hash_table_index(table, node->hash));

    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    table->count--;
    while (table->buckets > HASH_TABLE_FIRST && table->count < table->buckets / SHRINK_SHARE)
        shrink(table);
}

struct hash_node *hash_table_any(const struct hash_table *table)
{
    for (uint32_t index = table->buckets; table->count && index-- > 0;) {
        struct hash_node *node = *hash_table_bucket(table, index);

        if (node)
            return node;
    }
    return NULL;
}
