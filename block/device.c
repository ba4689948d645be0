/*
 * The table of block devices: names, references, claims.
 *
 * Above: file systems, commands. Below: block/queue.c carries the requests, block/partition.c finds
 * what lies on a disk. The table is short and seldom changed: a list under one spinlock.
 */
#include "block/block_device.h"

#include "block/partition.h"
#include "block/queue.h"
#include "kernel/log.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"

static DEFINE_SPINLOCK(table_lock, "block_device_table", LOCK_RANK_TASK_TABLE);
static struct list table __guarded_global(table_lock) = LIST_INIT(table); /* in name order */

#define LETTERS 26

/* "vd" and 0: vda, 25: vdz, 26: vdaa. */
static void letter_name(char name[BLOCK_NAME_MAX], const char *prefix, unsigned int number)
{
    if (number < LETTERS)
        snprintf(name, BLOCK_NAME_MAX, "%s%c", prefix, 'a' + number);
    else
        snprintf(name, BLOCK_NAME_MAX, "%s%c%c", prefix, 'a' + (number / LETTERS - 1) % LETTERS,
                 'a' + number % LETTERS);
}

/* By length first within a prefix, so that vdz comes before vdaa; then by letters. */
static int compare_names(const char *a, const char *b)
{
    size_t length_a = strlen(a), length_b = strlen(b);

    if (strncmp(a, b, 2) == 0 && length_a != length_b)
        return length_a < length_b ? -1 : 1;
    return strcmp(a, b);
}

static struct block_device *find_locked(const char *name) __must_hold(table_lock)
{
    struct block_device *device;

    list_for_each_entry(device, &table, table_node)
        if (strcmp(device->name, name) == 0)
            return device;
    return NULL;
}

/* Disks in name order, each followed by its partitions in order of their numbers. */
static bool sorts_after(const struct block_device *a, const struct block_device *b)
{
    if (a->whole == b->whole)
        return a->partition_number > b->partition_number;
    return compare_names(a->whole->name, b->whole->name) > 0;
}

static void insert_locked(struct block_device *device) __must_hold(table_lock)
{
    struct block_device *other;

    list_for_each_entry(other, &table, table_node)
        if (sorts_after(other, device)) {
            list_insert_before(&other->table_node, &device->table_node);
            return;
        }
    list_push_back(&table, &device->table_node);
}

static bool ends_in_digit(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && text[length - 1] >= '0' && text[length - 1] <= '9';
}

static int name_locked(struct block_device *device, const char *prefix) __must_hold(table_lock)
{
    if (ends_in_digit(prefix)) {
        strlcpy(device->name, prefix, sizeof(device->name));
        return find_locked(device->name) ? -EEXIST : 0;
    }
    for (unsigned int number = 0; number < LETTERS * (LETTERS + 1); number++) {
        letter_name(device->name, prefix, number);
        if (!find_locked(device->name))
            return 0;
    }
    return -ENOSPC;
}

static int add_to_table(struct block_device *device, const char *prefix)
{
    irqflags_t flags = spin_lock_irqsave(&table_lock);
    int error = name_locked(device, prefix);

    if (!error)
        insert_locked(device);
    spin_unlock_irqrestore(&table_lock, flags);
    return error;
}

static bool limits_make_sense(const struct block_device *device)
{
    const struct block_limits *limits = &device->limits;
    uint32_t size = limits->logical_block_size;

    return size >= SECTOR_SIZE && size <= 65536 && (size & (size - 1)) == 0 &&
           limits->max_segments > 0 && limits->max_segment_bytes >= size &&
           limits->max_sectors >= size / SECTOR_SIZE && device->sectors > 0 &&
           device->sectors % (size / SECTOR_SIZE) == 0 && device->sectors <= 1ULL << 55;
}

static const char *size_text(uint64_t sectors, char text[16])
{
    static const char units[] = "KMGTP";
    uint64_t kib = sectors / 2;
    unsigned int unit = 0;

    while (kib >= 10240 && unit < sizeof(units) - 2) {
        kib /= 1024;
        unit++;
    }
    snprintf(text, 16, "%llu %ciB", (unsigned long long)kib, units[unit]);
    return text;
}

int block_device_register(struct block_device *device, const char *prefix)
{
    char size[16];

    if (!limits_make_sense(device)) {
        log_error("block", "%s disk of %llu sectors with blocks of %u: impossible, left out",
                  prefix, (unsigned long long)device->sectors, device->limits.logical_block_size);
        return -EINVAL;
    }
    device->whole = device;
    device->references = 1;
    block_queue_init(device);
    int error = add_to_table(device, prefix);
    if (error)
        return error;
    log_info("block", "%s: %s, %s, blocks of %u%s%s", device->name, device->model,
             size_text(device->sectors, size), device->limits.logical_block_size,
             device->flags & BLOCK_DEVICE_READ_ONLY ? ", read-only" : "",
             device->flags & BLOCK_DEVICE_WRITE_CACHE ? ", write cache" : "");
    partitions_scan(device);
    return 0;
}

int block_partition_register(struct block_device *partition, struct block_device *whole,
                             unsigned int number)
{
    char name[BLOCK_NAME_MAX];

    snprintf(name, sizeof(name), "%s%s%u", whole->name, ends_in_digit(whole->name) ? "p" : "",
             number);
    partition->ops = whole->ops;
    partition->limits = whole->limits;
    partition->flags = whole->flags | BLOCK_DEVICE_PARTITION;
    partition->whole = block_device_get(whole);
    partition->partition_number = number;
    partition->references = 1;
    block_queue_init(partition);
    int error = add_to_table(partition, name);
    if (error)
        block_device_put(whole);
    return error;
}

/* One of @whole's entries, out of the table and marked as gone; NULL when none is left. */
static struct block_device *take_from_table(struct block_device *whole)
{
    irqflags_t flags = spin_lock_irqsave(&table_lock);
    struct block_device *entry, *found = NULL;

    list_for_each_entry(entry, &table, table_node)
        if (entry->whole == whole) {
            found = entry;
            break;
        }
    if (found) {
        __atomic_store_n(&found->is_gone, true, __ATOMIC_RELEASE);
        list_remove(&found->table_node);
    }
    spin_unlock_irqrestore(&table_lock, flags);
    return found;
}

void block_device_remove(struct block_device *device)
{
    struct block_device *entry;

    block_device_get(device); /* its entry's own reference goes below */
    while ((entry = take_from_table(device)) != NULL)
        block_device_put(entry);
    block_queue_fail(device);
    block_device_put(device);
}

struct block_device *block_device_get(struct block_device *device)
{
    __atomic_fetch_add(&device->references, 1, __ATOMIC_RELAXED);
    return device;
}

void block_device_put(struct block_device *device)
{
    struct block_device *whole = device->whole;

    if (__atomic_fetch_sub(&device->references, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    if (whole != device) {
        partition_free(device);
        block_device_put(whole);
    } else {
        timer_stop_sync(&device->deadline_timer); /* nothing is in flight, it only has not fired */
        if (device->ops->release)
            device->ops->release(device);
    }
}

struct block_device *block_device_find(const char *name)
{
    irqflags_t flags = spin_lock_irqsave(&table_lock);
    struct block_device *device = find_locked(name);

    if (device)
        block_device_get(device);
    spin_unlock_irqrestore(&table_lock, flags);
    return device;
}

/* A claim of the disk stands against one of its partition, and the other way round. */
static const char *conflicting_claim_locked(const struct block_device *device)
    __must_hold(table_lock)
{
    struct block_device *other;

    list_for_each_entry(other, &table, table_node) {
        bool is_related = other == device || other == device->whole ||
                          (device == device->whole && other->whole == device);
        if (is_related && other->claimed_by)
            return other->claimed_by;
    }
    return NULL;
}

int block_claim(struct block_device *device, const char *user, const char **holder)
{
    irqflags_t flags = spin_lock_irqsave(&table_lock);

    *holder = conflicting_claim_locked(device);
    if (!*holder)
        device->claimed_by = user;
    spin_unlock_irqrestore(&table_lock, flags);
    return *holder ? -EBUSY : 0;
}

void block_release(struct block_device *device)
{
    irqflags_t flags = spin_lock_irqsave(&table_lock);

    device->claimed_by = NULL;
    spin_unlock_irqrestore(&table_lock, flags);
}

/* The device after @previous (NULL: the first), counted; @previous's reference is put. */
static struct block_device *next_device(struct block_device *previous)
{
    irqflags_t flags = spin_lock_irqsave(&table_lock);
    struct list_node *node = !previous ? list_front(&table)
                             : list_node_is_linked(&previous->table_node)
                                 ? list_next(&table, &previous->table_node)
                                 : NULL;
    struct block_device *device = node ? container_of(node, struct block_device, table_node) : NULL;

    if (device)
        block_device_get(device);
    spin_unlock_irqrestore(&table_lock, flags);
    if (previous)
        block_device_put(previous);
    return device;
}

void block_device_for_each(bool (*visit)(struct block_device *device, void *arg), void *arg)
{
    struct block_device *device = NULL;

    while ((device = next_device(device)) != NULL)
        if (!visit(device, arg)) {
            block_device_put(device);
            return;
        }
}
