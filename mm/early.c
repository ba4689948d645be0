/*
 * Boot-time memory: sets of address ranges with the two operations add and subtract, and an
 * allocator that takes from the top of the free set.
 *
 * From the top, because low addresses are the scarce ones: devices with 32-bit DMA need them, and
 * the pages given out here never come back. No locks: one CPU, before anything else runs.
 */
#include "mm/early.h"

#include "arch/mmu.h"
#include "kernel/boot/boot_info.h"
#include "kernel/init.h"
#include "lib/string.h"

/* A map of N ranges makes at most N pieces of RAM; each reservation may split one in two. */
#define RANGES_MAX (BOOT_MEMORY_RANGES_MAX + 64)

struct range_set {
    size_t count;
    struct memory_range ranges[RANGES_MAX]; /* ascending, disjoint, not touching */
};

static struct range_set ram;       /* constant once early_memory_init() has returned */
static struct range_set available; /* ram without what is in use */
static uint64_t lost_bytes;

static uint64_t range_end(const struct memory_range *range)
{
    return range->base + range->length;
}

static void set_remove_at(struct range_set *set, size_t index)
{
    set->count--;
    memmove(&set->ranges[index], &set->ranges[index + 1],
            (set->count - index) * sizeof(set->ranges[0]));
}

static void set_insert_at(struct range_set *set, size_t index, paddr_t base, paddr_t end)
{
    if (set->count == RANGES_MAX) {
        lost_bytes += end - base;
        return;
    }
    memmove(&set->ranges[index + 1], &set->ranges[index],
            (set->count - index) * sizeof(set->ranges[0]));
    set->ranges[index].base = base;
    set->ranges[index].length = end - base;
    set->count++;
}

/* Joins [base, end) with every range that it overlaps or touches. */
static void __init set_add(struct range_set *set, paddr_t base, paddr_t end)
{
    size_t index = 0;

    while (index < set->count && range_end(&set->ranges[index]) < base)
        index++;
    while (index < set->count && set->ranges[index].base <= end) {
        if (set->ranges[index].base < base)
            base = set->ranges[index].base;
        if (range_end(&set->ranges[index]) > end)
            end = range_end(&set->ranges[index]);
        set_remove_at(set, index);
    }
    set_insert_at(set, index, base, end);
}

static void set_subtract(struct range_set *set, paddr_t base, paddr_t end)
{
    for (size_t index = 0; index < set->count;) {
        struct memory_range range = set->ranges[index];

        if (range_end(&range) <= base || range.base >= end) {
            index++;
            continue;
        }
        set_remove_at(set, index);
        if (range.base < base)
            set_insert_at(set, index++, range.base, base);
        if (range_end(&range) > end)
            set_insert_at(set, index++, end, range_end(&range));
    }
}

/* Keeps the whole pages of each range. */
static void __init set_trim_to_pages(struct range_set *set)
{
    for (size_t index = 0; index < set->count;) {
        struct memory_range *range = &set->ranges[index];
        paddr_t base = ALIGN_UP(range->base, PAGE_SIZE);
        paddr_t end = ALIGN_DOWN(range_end(range), PAGE_SIZE);

        if (base >= end) {
            set_remove_at(set, index);
            continue;
        }
        range->base = base;
        range->length = end - base;
        index++;
    }
}

static void __init read_memory_map(const struct boot_info *info)
{
    for (size_t i = 0; i < info->memory_count; i++) {
        const struct boot_memory_range *range = &info->memory[i];

        if (range->type == BOOT_MEMORY_USABLE)
            set_add(&ram, range->base, range->base + range->length);
    }
    for (size_t i = ram.count; i-- > 0 && range_end(&ram.ranges[i]) > MEMORY_LIMIT;)
        lost_bytes += range_end(&ram.ranges[i]) - MAX(ram.ranges[i].base, MEMORY_LIMIT);
    set_subtract(&ram, MEMORY_LIMIT, UINT64_MAX);
    for (size_t i = 0; i < info->memory_count; i++) {
        const struct boot_memory_range *range = &info->memory[i];

        if (range->type != BOOT_MEMORY_USABLE)
            set_subtract(&ram, range->base, range->base + range->length);
    }
    set_trim_to_pages(&ram);
}

void __init early_memory_init(const struct boot_info *info, paddr_t image_base,
                              uint64_t image_length)
{
    ram.count = 0;
    lost_bytes = 0;
    read_memory_map(info);
    available = ram;
    early_memory_reserve(0, PAGE_SIZE);
    early_memory_reserve(image_base, image_length);
    early_memory_reserve(info->info_base, info->info_length);
    early_memory_reserve(info->initrd_base, info->initrd_length);
}

void __init early_memory_reserve(paddr_t base, uint64_t length)
{
    if (length)
        set_subtract(&available, ALIGN_DOWN(base, PAGE_SIZE), ALIGN_UP(base + length, PAGE_SIZE));
}

paddr_t early_page_alloc_phys(size_t count, paddr_t limit)
{
    uint64_t length = (uint64_t)count * PAGE_SIZE;
    paddr_t floor = limit && limit <= EARLY_LOW_LIMIT ? PAGE_SIZE : EARLY_LOW_LIMIT;

    for (size_t index = available.count; count && index-- > 0;) {
        const struct memory_range *range = &available.ranges[index];
        paddr_t start = range->base < floor ? floor : range->base;
        paddr_t end =
            limit && range_end(range) > limit ? ALIGN_DOWN(limit, PAGE_SIZE) : range_end(range);

        if (end > start && end - start >= length) {
            set_subtract(&available, end - length, end);
            return end - length;
        }
    }
    return 0;
}

void *early_page_alloc(size_t count)
{
    paddr_t paddr = early_page_alloc_phys(count, 0);

    if (!paddr)
        return NULL;
    return memset(phys_to_virt(paddr), 0, count * PAGE_SIZE);
}

size_t early_memory_ram(const struct memory_range **ranges)
{
    *ranges = ram.ranges;
    return ram.count;
}

size_t __init early_memory_free(const struct memory_range **ranges)
{
    *ranges = available.ranges;
    return available.count;
}

bool early_memory_is_ram(paddr_t base, uint64_t length)
{
    for (size_t i = 0; i < ram.count; i++)
        if (base >= ram.ranges[i].base && base - ram.ranges[i].base < ram.ranges[i].length)
            return length <= ram.ranges[i].length - (base - ram.ranges[i].base);
    return false;
}

uint64_t __init early_memory_lost_bytes(void)
{
    return lost_bytes;
}
