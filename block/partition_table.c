/*
 * Partition tables: choosing the scheme, and the checks that every entry passes.
 */
#include "block/partition.h"

#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

static const struct partition *find_overlap(const struct partition_table *table,
                                            const struct partition *candidate)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct partition *p = &table->partitions[i];
        if (candidate->start < p->start + p->sectors &&
            p->start < candidate->start + candidate->sectors)
            return p;
    }
    return NULL;
}

void partition_table_add(const struct partition_reader *reader, struct partition_table *table,
                         const struct partition *partition)
{
    const struct partition *other = find_overlap(table, partition);
    const char *problem = NULL;

    if (partition->sectors == 0)
        problem = "is empty";
    else if (partition->start == 0)
        problem = "covers the partition table";
    else if (partition->start >= reader->sectors ||
             partition->sectors > reader->sectors - partition->start)
        problem = "lies past the end of the disk";
    else if (table->count == PARTITIONS_MAX)
        problem = "is one too many";
    if (problem)
        log_warning("partition", "%s: partition %u %s: left out", reader->name, partition->number,
                    problem);
    else if (other)
        log_warning("partition", "%s: partition %u overlaps partition %u: left out", reader->name,
                    partition->number, other->number);
    else
        table->partitions[table->count++] = *partition;
}

int partition_table_read(const struct partition_reader *reader, struct partition_table *table)
{
    uint64_t sectors = reader->logical_block_size / 512;
    uint8_t *sector0 = kmalloc(reader->logical_block_size);

    if (!sector0)
        return -ENOMEM;
    memset(table, 0, sizeof(*table));
    int error = reader->read(reader->context, 0, sectors, sector0);
    int found = error;
    if (!error)
        found = gpt_read(reader, sector0, table);
    if (found == 0)
        found = mbr_read(reader, sector0, table);
    kfree(sector0);
    return MIN(found, 0);
}
