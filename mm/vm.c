/*
 * Kernel virtual memory: what is mapped in the ranges of vm_range.h.
 *
 * Freeing is lazy. The mapping goes at once, but the addresses and pages wait in a list until they
 * are many, and then one TLB shoot-down serves all of them. An allocation that fails has it done
 * sooner, through the shrinker.
 *
 * Locks: lists_lock (LOCK_RANK_VM_RANGE) for the lists and counters here. Pages are allocated and
 * mapped without it: a used range belongs to its user.
 */
#include "mm/vm.h"

#include "kernel/irq/tlb.h"
#include "kernel/sync/spinlock.h"
#include "lib/list.h"
#include "mm/caller.h"
#include "mm/early.h"
#include "mm/page.h"
#include "mm/page_internal.h"
#include "mm/reclaim.h"
#include "mm/vm_internal.h"
#include "mm/vm_range.h"

#define PENDING_PAGES_MAX 256 /* what waits for a shoot-down at most: 1 MiB, */
#define PENDING_COUNT_MAX 64  /* in so many ranges */
#define CHUNK_PAGES_MAX   512 /* taken from the page allocator in one piece, if it has that */

static DEFINE_SPINLOCK(lists_lock, "lists of virtual ranges", LOCK_RANK_VM_RANGE);
static struct list firmware __guarded_global(lists_lock) = LIST_INIT(firmware);
static struct list pending __guarded_global(lists_lock) = LIST_INIT(pending);
static size_t pending_ranges __guarded_global(lists_lock);
static size_t pending_pages __guarded_global(lists_lock);

/* Addresses for @size bytes, and a guard page behind them. NULL: no room, or no memory. */
static struct vm_range *reserve(size_t size, enum range_state state)
{
    struct vm_range *range;

    if (!size || size > mmu_dynamic_range_end() - mmu_dynamic_range_start())
        return NULL;
    size = ALIGN_UP(size, PAGE_SIZE) + PAGE_SIZE;
    range = vm_range_reserve(size, state);
    if (!range && vm_purge())
        range = vm_range_reserve(size, state);
    return range;
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

/* What was mapped at these ranges is in no TLB any more: pages and addresses are free. */
static void free_ranges(struct list *ranges)
{
    struct list_node *node;

    list_for_each(node, ranges)
        free_chunks(container_of(node, struct vm_range, node));
    vm_range_give(ranges);
}

size_t vm_purge(void)
{
    struct list ranges = LIST_INIT(ranges);
    struct tlb_batch batch;
    struct vm_range *range;
    irqflags_t flags = spin_lock_irqsave(&lists_lock);
    size_t count = pending_ranges;

    list_splice(&ranges, &pending);
    pending_pages = 0;
    pending_ranges = 0;
    spin_unlock_irqrestore(&lists_lock, flags);
    if (!count)
        return 0;
    tlb_batch_init(&batch);
    list_for_each_entry(range, &ranges, node)
        tlb_batch_add(&batch, range->start, vm_range_mapped_size(range));
    tlb_shootdown(&batch);
    free_ranges(&ranges);
    return count;
}

/* Unmaps a claimed range; its addresses and pages follow with the next purge. */
static void retire(struct vm_range *range)
{
    irqflags_t flags;
    bool is_time;

    mmu_unmap(kernel_address_space(), range->start, vm_range_mapped_size(range));
    flags = spin_lock_irqsave(&lists_lock);
    list_push_back(&pending, &range->node);
    pending_ranges++;
    pending_pages += range->pages;
    is_time = pending_pages > PENDING_PAGES_MAX || pending_ranges > PENDING_COUNT_MAX;
    spin_unlock_irqrestore(&lists_lock, flags);
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
    irqflags_t flags = spin_lock_irqsave(&lists_lock);
    size_t expected = pending_pages;

    (void)pages;
    spin_unlock_irqrestore(&lists_lock, flags);
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
    size_t total = vm_range_mapped_size(range) / PAGE_SIZE;
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
        retire(vm_range_claim((vaddr_t)address, RANGE_PAGES, "vm_free", CALLER()));
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
    if (mmu_map(kernel_address_space(), range->start, first, vm_range_mapped_size(range),
                mmu_flags)) {
        cancel(range);
        return NULL;
    }
    if (state == RANGE_FIRMWARE) {
        irqflags_t flags = spin_lock_irqsave(&lists_lock);

        list_push_back(&firmware, &range->node);
        spin_unlock_irqrestore(&lists_lock, flags);
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
        retire(vm_range_claim(ALIGN_DOWN((vaddr_t)address, PAGE_SIZE), RANGE_DEVICE,
                              "vm_unmap_device", CALLER()));
}

/* An earlier view that covers [@base, @base + @size), which does not wrap. */
static const void *find_firmware(paddr_t base, size_t size)
{
    irqflags_t flags = spin_lock_irqsave(&lists_lock);
    const void *found = NULL;
    struct vm_range *range;

    list_for_each_entry(range, &firmware, node) {
        if (base < range->paddr || base + size > range->paddr + vm_range_mapped_size(range))
            continue;
        found = (const void *)(range->start + (base - range->paddr));
        break;
    }
    spin_unlock_irqrestore(&lists_lock, flags);
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
    vm_range_count(&result->ranges, &result->bytes);
    result->pending_ranges = READ_ONCE(pending_ranges);
    result->pending_pages = READ_ONCE(pending_pages);
}
