/*
 * Kernel virtual ranges: who has which part of the dynamic range, and what is mapped there.
 *
 * Every part, used or free, is a struct vm_range in one tree by address; the free ones are in a
 * second tree by size, from which the smallest that fits is taken, so that addresses are used again
 * and with them the page tables they have. A range ends with a page that is never mapped; the one
 * of its predecessor guards its beginning.
 *
 * Freeing is lazy. The mapping goes at once, but the addresses and pages wait in a list until they
 * are many, and then one TLB shoot-down serves all of them. An allocation that fails has it done
 * sooner, through the shrinker.
 *
 *     free -> used -> (unmapped) pending -> (no TLB has it) free
 *
 * Works before there is a heap, for firmware tables, on a few descriptions set aside for that.
 *
 * Locks: vm_lock (LOCK_RANK_VM_RANGE) for trees, lists and counters. Pages are allocated and mapped
 * without it: a used range belongs to its user.
 */
#include "mm/vm.h"

#include "kernel/init.h"
#include "kernel/irq/tlb.h"
#include "kernel/panic.h"
#include "kernel/sync/spinlock.h"
#include "lib/errno.h"
#include "lib/list.h"
#include "lib/rbtree.h"
#include "mm/caller.h"
#include "mm/early.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "mm/page_internal.h"
#include "mm/reclaim.h"
#include "mm/vm_internal.h"

#define BOOT_RANGES       48  /* before there is a heap; ACPI has 5 to 30 tables */
#define PENDING_PAGES_MAX 256 /* what waits for a shoot-down at most: 1 MiB, */
#define PENDING_COUNT_MAX 64  /* in so many ranges */
#define CHUNK_PAGES_MAX   512 /* taken from the page allocator in one piece, if it has that */

enum range_state {
    RANGE_FREE,
    RANGE_PAGES,
    RANGE_DEVICE,
    RANGE_FIRMWARE,
    RANGE_PENDING
};

struct vm_range {
    struct rb_node address_node; /* in by_address, always */
    struct rb_node size_node;    /* in by_size: free ranges */
    struct list_node node;       /* in firmware or pending */
    vaddr_t start;
    size_t size; /* with the guard page at the end */
    enum range_state state;
    uint32_t chunks; /* the runs of pages mapped here, chained by their struct page; 0: none */
    size_t pages;    /* how many pages they have */
    paddr_t paddr;   /* FIRMWARE: what is mapped, from its first page on */
};

static DEFINE_SPINLOCK(vm_lock, "virtual ranges", LOCK_RANK_VM_RANGE);
static struct rbtree by_address __guarded_global(vm_lock);
static struct rbtree by_size __guarded_global(vm_lock);
static struct list firmware __guarded_global(vm_lock) = LIST_INIT(firmware);
static struct list pending __guarded_global(vm_lock) = LIST_INIT(pending);
static struct vm_statistics statistics __guarded_global(vm_lock);

static struct vm_range boot_ranges[BOOT_RANGES];
static struct list boot_descriptions __guarded_global(vm_lock) = LIST_INIT(boot_descriptions);
static struct pool *range_pool; /* constant after vm_init() */

/*
 * Descriptions.
 */

static struct vm_range *description_alloc(void)
{
    struct vm_range *range;
    irqflags_t flags;

    if (range_pool)
        return pool_alloc(range_pool);
    flags = spin_lock_irqsave(&vm_lock);
    range = list_entry(list_pop_front(&boot_descriptions), struct vm_range, node);
    spin_unlock_irqrestore(&vm_lock, flags);
    return range;
}

static void description_free(struct vm_range *range)
{
    irqflags_t flags;

    if (!range)
        return;
    if (range < boot_ranges || range >= boot_ranges + BOOT_RANGES) {
        pool_free(range_pool, range);
        return;
    }
    flags = spin_lock_irqsave(&vm_lock);
    list_push_back(&boot_descriptions, &range->node);
    spin_unlock_irqrestore(&vm_lock, flags);
}

/*
 * The trees.
 */

static struct vm_range *of_address_node(const struct rb_node *node)
{
    return container_of((struct rb_node *)node, struct vm_range, address_node);
}

static struct vm_range *of_size_node(const struct rb_node *node)
{
    return container_of((struct rb_node *)node, struct vm_range, size_node);
}

static int compare_addresses(const struct rb_node *a, const struct rb_node *b)
{
    vaddr_t first = of_address_node(a)->start;
    vaddr_t second = of_address_node(b)->start;

    return first < second ? -1 : first > second;
}

static int compare_address_key(const void *key, const struct rb_node *node)
{
    vaddr_t address = *(const vaddr_t *)key;
    vaddr_t start = of_address_node(node)->start;

    return address < start ? -1 : address > start;
}

static int compare_sizes(const struct rb_node *a, const struct rb_node *b)
{
    size_t first = of_size_node(a)->size;
    size_t second = of_size_node(b)->size;

    return first < second ? -1 : first > second;
}

static int compare_size_key(const void *key, const struct rb_node *node)
{
    size_t size = *(const size_t *)key;
    size_t other = of_size_node(node)->size;

    return size < other ? -1 : size > other;
}

/* All of the dynamic range is one free range, when the first is taken. */
static void create_first_range_locked(void) __must_hold(vm_lock)
{
    struct vm_range *range = &boot_ranges[0];

    for (size_t i = 1; i < BOOT_RANGES; i++)
        list_push_back(&boot_descriptions, &boot_ranges[i].node);
    range->start = mmu_dynamic_range_start() + PAGE_SIZE; /* a guard for the first of all */
    range->size = mmu_dynamic_range_end() - range->start;
    range->state = RANGE_FREE;
    rb_insert(&by_address, &range->address_node, compare_addresses);
    rb_insert(&by_size, &range->size_node, compare_sizes);
}

static void ensure_first_range(void)
{
    irqflags_t flags = spin_lock_irqsave(&vm_lock);

    if (rbtree_is_empty(&by_address))
        create_first_range_locked();
    spin_unlock_irqrestore(&vm_lock, flags);
}

/*
 * Cuts @size bytes from the front of the smallest free range that has them. @range describes them
 * then, unless the whole free range was just right: that is returned instead. NULL: no room.
 */
static struct vm_range *take_range_locked(struct vm_range *range, size_t size) __must_hold(vm_lock)
{
    struct rb_node *found = rb_find_ge(&by_size, &size, compare_size_key);
    struct vm_range *space;

    if (!found)
        return NULL;
    space = of_size_node(found);
    rb_erase(&by_size, &space->size_node);
    if (space->size == size)
        return space;
    range->start = space->start;
    range->size = size;
    space->start += size;
    space->size -= size;
    rb_insert(&by_address, &range->address_node, compare_addresses);
    rb_insert(&by_size, &space->size_node, compare_sizes);
    return range;
}

/* Joins @range with a free neighbour. Return: a description that is not needed any more. */
static struct vm_range *join_locked(struct vm_range *range, struct vm_range *next)
    __must_hold(vm_lock)
{
    rb_erase(&by_address, &next->address_node);
    range->size += next->size;
    return next;
}

/* The range is free again. The descriptions of neighbours that it was joined with go to @unused. */
static void give_range_locked(struct vm_range *range, struct list *unused) __must_hold(vm_lock)
{
    struct rb_node *prev = rb_prev(&range->address_node);
    struct rb_node *next = rb_next(&range->address_node);

    range->state = RANGE_FREE;
    if (next && of_address_node(next)->state == RANGE_FREE) {
        rb_erase(&by_size, &of_address_node(next)->size_node);
        list_push_back(unused, &join_locked(range, of_address_node(next))->node);
    }
    if (prev && of_address_node(prev)->state == RANGE_FREE) {
        struct vm_range *first = of_address_node(prev);

        rb_erase(&by_size, &first->size_node);
        list_push_back(unused, &join_locked(first, range)->node);
        range = first;
    }
    rb_insert(&by_size, &range->size_node, compare_sizes);
}

static struct vm_range *try_reserve(size_t size, enum range_state state)
{
    struct vm_range *fresh = description_alloc();
    struct vm_range *range;
    irqflags_t flags;

    if (!fresh)
        return NULL;
    flags = spin_lock_irqsave(&vm_lock);
    range = take_range_locked(fresh, size);
    if (range) {
        range->state = state;
        range->chunks = 0;
        range->pages = 0;
        list_node_init(&range->node);
        statistics.ranges++;
        statistics.bytes += size;
    }
    spin_unlock_irqrestore(&vm_lock, flags);
    if (range != fresh)
        description_free(fresh);
    return range;
}

/* Addresses for @size bytes, and a guard page behind them. NULL: no room, or no memory. */
static struct vm_range *reserve(size_t size, enum range_state state)
{
    struct vm_range *range;

    if (!size || size > mmu_dynamic_range_end() - mmu_dynamic_range_start())
        return NULL;
    ensure_first_range();
    size = ALIGN_UP(size, PAGE_SIZE) + PAGE_SIZE;
    range = try_reserve(size, state);
    if (!range && vm_purge())
        range = try_reserve(size, state);
    return range;
}

/* Which used range of that state starts at @address? It is the caller's alone from then on. */
static struct vm_range *claim(vaddr_t address, enum range_state state, const char *function,
                              uintptr_t caller)
{
    irqflags_t flags = spin_lock_irqsave(&vm_lock);
    struct rb_node *found = rb_find(&by_address, &address, compare_address_key);
    struct vm_range *range = found ? of_address_node(found) : NULL;
    enum range_state was = range ? range->state : RANGE_FREE;

    if (was == state)
        range->state = RANGE_PENDING;
    spin_unlock_irqrestore(&vm_lock, flags);
    if (was != state)
        panic("%s(%#lx) by %s: %s", function, (unsigned long)address, caller_text(caller).text,
              was == RANGE_PENDING ? "it has been freed already" : "no such range begins there");
    return range;
}

static size_t mapped_size(const struct vm_range *range)
{
    return range->size - PAGE_SIZE;
}

/*
 * Giving back.
 */

static void free_chunks(struct vm_range *range)
{
    while (range->chunks) {
        uint32_t frame = range->chunks;

        range->chunks = page_of_frame(frame)->next;
        page_free(frame_to_pointer(frame));
    }
}

static void free_descriptions(struct list *unused)
{
    struct vm_range *range;

    while ((range = list_entry(list_pop_front(unused), struct vm_range, node)) != NULL)
        description_free(range);
}

/* What was mapped at these ranges is in no TLB any more: pages and addresses are free. */
static void free_ranges(struct list *ranges)
{
    struct list unused = LIST_INIT(unused);
    struct list_node *node;

    list_for_each(node, ranges)
        free_chunks(container_of(node, struct vm_range, node));
    irqflags_t flags = spin_lock_irqsave(&vm_lock);
    while ((node = list_pop_front(ranges)) != NULL) {
        struct vm_range *range = container_of(node, struct vm_range, node);

        statistics.ranges--;
        statistics.bytes -= range->size;
        give_range_locked(range, &unused);
    }
    spin_unlock_irqrestore(&vm_lock, flags);
    free_descriptions(&unused);
}

size_t vm_purge(void)
{
    struct list ranges = LIST_INIT(ranges);
    struct tlb_batch batch;
    struct vm_range *range;
    irqflags_t flags = spin_lock_irqsave(&vm_lock);
    size_t count = statistics.pending_ranges;

    list_splice(&ranges, &pending);
    statistics.pending_pages = 0;
    statistics.pending_ranges = 0;
    spin_unlock_irqrestore(&vm_lock, flags);
    if (!count)
        return 0;
    tlb_batch_init(&batch);
    list_for_each_entry(range, &ranges, node)
        tlb_batch_add(&batch, range->start, mapped_size(range));
    tlb_shootdown(&batch);
    free_ranges(&ranges);
    return count;
}

/* Unmaps a claimed range; its addresses and pages follow with the next purge. */
static void retire(struct vm_range *range)
{
    irqflags_t flags;
    bool is_time;

    mmu_unmap(kernel_address_space(), range->start, mapped_size(range));
    flags = spin_lock_irqsave(&vm_lock);
    list_push_back(&pending, &range->node);
    statistics.pending_ranges++;
    statistics.pending_pages += range->pages;
    is_time = statistics.pending_pages > PENDING_PAGES_MAX ||
              statistics.pending_ranges > PENDING_COUNT_MAX;
    spin_unlock_irqrestore(&vm_lock, flags);
    if (is_time)
        vm_purge();
}

/* A range in which nothing has been mapped yet: no TLB knows of it. */
static void cancel(struct vm_range *range)
{
    struct list ranges = LIST_INIT(ranges);

    list_push_back(&ranges, &range->node);
    free_ranges(&ranges);
}

static size_t vm_shrink(size_t pages)
{
    irqflags_t flags = spin_lock_irqsave(&vm_lock);
    size_t expected = statistics.pending_pages;

    (void)pages;
    spin_unlock_irqrestore(&vm_lock, flags);
    return vm_purge() ? expected : 0;
}
MEMORY_SHRINKER(vm, "freed virtual ranges", vm_shrink);

/*
 * Memory.
 */

/* The next pages of a range, as many in one piece as there are up to *@chunk; *@chunk: how many. */
static void *alloc_chunk(size_t *chunk, const char *owner, uintptr_t caller)
{
    for (; *chunk > 1; *chunk /= 2) {
        void *pages = page_alloc_for(*chunk, PAGE_ZERO | PAGE_NO_RECLAIM, owner, caller);

        if (pages)
            return pages;
    }
    return page_alloc_for(1, PAGE_ZERO, owner, caller);
}

static bool populate(struct vm_range *range, unsigned int mmu_flags, const char *owner,
                     uintptr_t caller)
{
    size_t total = mapped_size(range) / PAGE_SIZE;
    size_t chunk = CHUNK_PAGES_MAX;

    while (range->pages < total) {
        vaddr_t address = range->start + range->pages * PAGE_SIZE;
        void *pages;

        chunk = MIN(chunk, total - range->pages);
        pages = alloc_chunk(&chunk, owner, caller);
        if (!pages)
            return false;
        page_of_frame(frame_of(pages))->next = range->chunks;
        range->chunks = frame_of(pages);
        if (mmu_map(kernel_address_space(), address, page_to_phys(pages), chunk * PAGE_SIZE,
                    mmu_flags))
            return false;
        range->pages += chunk;
    }
    return true;
}

void *vm_alloc(size_t size, unsigned int mmu_flags, const char *owner)
{
    struct vm_range *range;

    /* Page tables stay for good: none for what cannot succeed. */
    if (size / PAGE_SIZE > page_managed_count())
        return NULL;
    range = reserve(size, RANGE_PAGES);
    if (!range)
        return NULL;
    if (!populate(range, mmu_flags, owner, CALLER())) {
        range->state = RANGE_PENDING; /* nobody knows its address yet */
        retire(range);
        return NULL;
    }
    return (void *)range->start;
}

void vm_free(void *address)
{
    if (address)
        retire(claim((vaddr_t)address, RANGE_PAGES, "vm_free", CALLER()));
}

/*
 * Device registers and firmware tables.
 */

static void *map_physical(paddr_t base, size_t size, unsigned int mmu_flags, enum range_state state)
{
    paddr_t first = ALIGN_DOWN(base, PAGE_SIZE);
    struct vm_range *range;

    if (!size || base + size - 1 < base)
        return NULL;
    range = reserve(base + size - first, state);
    if (!range)
        return NULL;
    range->paddr = first;
    if (mmu_map(kernel_address_space(), range->start, first, mapped_size(range), mmu_flags)) {
        cancel(range);
        return NULL;
    }
    if (state == RANGE_FIRMWARE) {
        irqflags_t flags = spin_lock_irqsave(&vm_lock);

        list_push_back(&firmware, &range->node);
        spin_unlock_irqrestore(&vm_lock, flags);
    }
    return (void *)(range->start + (base - first));
}

void *vm_map_device(paddr_t base, size_t size, unsigned int mmu_flags)
{
    unsigned int caching = mmu_flags & MMU_WRITE_COMBINE ? MMU_WRITE_COMBINE : MMU_UNCACHED;

    return map_physical(base, size, MMU_READ | MMU_WRITE | caching, RANGE_DEVICE);
}

void vm_unmap_device(void *address)
{
    if (address)
        retire(claim(ALIGN_DOWN((vaddr_t)address, PAGE_SIZE), RANGE_DEVICE, "vm_unmap_device",
                     CALLER()));
}

/* An earlier view that covers [@base, @base + @size), which does not wrap. */
static const void *find_firmware(paddr_t base, size_t size)
{
    irqflags_t flags = spin_lock_irqsave(&vm_lock);
    const void *found = NULL;
    struct vm_range *range;

    list_for_each_entry(range, &firmware, node) {
        if (base < range->paddr || base + size > range->paddr + mapped_size(range))
            continue;
        found = (const void *)(range->start + (base - range->paddr));
        break;
    }
    spin_unlock_irqrestore(&vm_lock, flags);
    return found;
}

const void *vm_map_firmware(paddr_t base, size_t size)
{
    const void *found;

    if (!size || base + size < base)
        return NULL;
    if (early_memory_is_ram(base, size))
        return phys_to_virt(base);
    found = find_firmware(base, size);
    return found ? found : map_physical(base, size, MMU_READ, RANGE_FIRMWARE);
}

bool virt_to_phys(const void *address, paddr_t *paddr)
{
    return mmu_translate(kernel_address_space(), (vaddr_t)address, paddr, NULL);
}

/* Without the lock: for a person to read, also after a panic. */
void vm_statistics(struct vm_statistics *result) __no_thread_safety_analysis
{
    *result = statistics;
}

int __init vm_init(void)
{
    range_pool = pool_create("vm range", sizeof(struct vm_range), 0);
    return range_pool ? 0 : -ENOMEM;
}
