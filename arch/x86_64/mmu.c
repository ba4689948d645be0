/*
 * 4-level page tables (SDM vol. 3A 4.5): walk, map, unmap, protect.
 *
 * Tables are reached through the direct map. A table once linked in stays: freeing one would need
 * a flush of every CPU's paging-structure caches first, and the ranges that mm/vm.c hands out are
 * used again soon. That also makes the walk of mmu_translate() safe without the lock: an entry is
 * one word, replaced whole, and what it points at does not go away.
 */
#include "arch/mmu.h"

#include "arch/cpu.h"
#include "arch/x86_64/cpu_features.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/mmu_internal.h"
#include "kernel/panic.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/early.h"
#include "mm/page.h"

#define CR4_PGE BIT64(7)

/* Above this many pages one full flush is cheaper than single ones. */
#define FLUSH_PAGES_MAX 32

struct address_space kernel_space = {
    .lock = SPINLOCK_INIT("kernel address space", LOCK_RANK_ADDRESS_SPACE),
};

static bool tables_from_early_memory;

struct address_space *kernel_address_space(void)
{
    return &kernel_space;
}

void page_table_use_early_memory(bool early)
{
    tables_from_early_memory = early;
}

uint64_t *page_table_create(void)
{
    if (!tables_from_early_memory)
        return page_alloc(1, PAGE_ZERO, "page tables");

    /* Below 4 GiB, which is what the tables of boot.S map, and what an AP's CR3 load can reach. */
    paddr_t paddr = early_page_alloc_phys(1, 1ULL << 32);
    return paddr ? memset(phys_to_virt(paddr), 0, PAGE_SIZE) : NULL;
}

static uint64_t entry_bits(unsigned int flags)
{
    uint64_t bits = PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY;

    if (flags & MMU_WRITE)
        bits |= PTE_WRITE;
    if (!(flags & MMU_EXEC) && cpu_features.has_nx)
        bits |= PTE_NO_EXEC;
    if ((flags & MMU_WRITE_COMBINE) && cpu_features.has_pat)
        bits |= PTE_WRITE_THROUGH; /* PAT_INDEX_WRITE_COMBINE */
    else if (flags & (MMU_UNCACHED | MMU_WRITE_COMBINE))
        bits |= PTE_CACHE_DISABLE | PTE_WRITE_THROUGH;
    if (flags & MMU_USER)
        bits |= PTE_USER;
    else if (cpu_features.has_pge)
        bits |= PTE_GLOBAL;
    return bits;
}

static unsigned int flags_of_entry(uint64_t entry)
{
    unsigned int flags = MMU_READ;

    flags |= entry & PTE_WRITE ? MMU_WRITE : 0;
    flags |= entry & PTE_NO_EXEC ? 0 : MMU_EXEC;
    flags |= entry & PTE_USER ? MMU_USER : 0;
    if (entry & PTE_CACHE_DISABLE)
        flags |= MMU_UNCACHED;
    else if (entry & PTE_WRITE_THROUGH)
        flags |= MMU_WRITE_COMBINE;
    return flags;
}

static bool is_canonical_range(vaddr_t vaddr, size_t size)
{
    vaddr_t last = vaddr + size - 1;

    return last >= vaddr && (int64_t)(vaddr << 16) >> 16 == (int64_t)vaddr &&
           (int64_t)(last << 16) >> 16 == (int64_t)last && (vaddr ^ last) >> 63 == 0;
}

static int check_range(vaddr_t vaddr, paddr_t paddr, size_t size, unsigned int flags)
{
    if (size == 0 || !IS_ALIGNED(vaddr | paddr | size, PAGE_SIZE))
        return -EINVAL;
    if (!is_canonical_range(vaddr, size))
        return -EINVAL;
    if (paddr + size - 1 < paddr || (paddr + size - 1) >> cpu_features.physical_address_bits)
        return -EINVAL;
    if ((flags & MMU_WRITE) && (flags & MMU_EXEC))
        return -EINVAL;
    return 0;
}

static bool is_leaf(uint64_t entry, unsigned int level)
{
    return level == 0 || (entry & PTE_LARGE);
}

static uint64_t *table_of_entry(uint64_t entry)
{
    return phys_to_virt(entry & PTE_ADDRESS_MASK);
}

/* The rights of a table are the widest: the leaf decides. */
static void set_table(uint64_t *entry, const uint64_t *table, bool is_user)
{
    uint64_t bits = PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | (is_user ? PTE_USER : 0);

    /* Release: the table is filled before a walk by another CPU finds it. */
    __atomic_store_n(entry, direct_map_to_phys(table) | bits, __ATOMIC_RELEASE);
}

/*
 * Finds the entry that decides about @vaddr: a leaf, or the first that is not present. *@level is
 * set to its level.
 */
static uint64_t *find_entry(struct address_space *space, vaddr_t vaddr, unsigned int *level)
{
    uint64_t *table = space->root;

    for (*level = PAGE_LEVELS - 1;; --*level) {
        uint64_t *entry = &table[level_index(vaddr, *level)];
        uint64_t value = READ_ONCE(*entry);

        if (!(value & PTE_PRESENT) || is_leaf(value, *level))
            return entry;
        table = table_of_entry(value);
    }
}

bool mmu_translate(struct address_space *space, vaddr_t vaddr, paddr_t *paddr, unsigned int *flags)
{
    unsigned int level;

    if (!is_canonical_range(vaddr, 1))
        return false;

    uint64_t entry = READ_ONCE(*find_entry(space, vaddr, &level));
    if (!(entry & PTE_PRESENT))
        return false;

    uint64_t offset_mask = level_size(level) - 1;
    *paddr = (entry & PTE_ADDRESS_MASK & ~offset_mask) | (vaddr & offset_mask);
    if (flags)
        *flags = flags_of_entry(entry);
    return true;
}

/* Largest page that fits at this place: both addresses aligned to it, and that much left. */
static unsigned int best_level(vaddr_t vaddr, paddr_t paddr, size_t size)
{
    unsigned int level = cpu_features.has_gigabyte_pages ? 2 : 1;

    while (level > 0 && (!IS_ALIGNED(vaddr | paddr, level_size(level)) || size < level_size(level)))
        level--;
    return level;
}

/*
 * Maps one page of at most *@level, less where a table is in the way already.
 * Return: 0 with its *@level; -EEXIST; -ENOMEM.
 */
static int map_one_locked(struct address_space *space, vaddr_t vaddr, paddr_t paddr, uint64_t bits,
                          unsigned int *level) __must_hold(space->lock)
{
    unsigned int found;
    uint64_t *entry = find_entry(space, vaddr, &found);

    if (*entry & PTE_PRESENT)
        return -EEXIST;
    for (; found > *level; found--) {
        uint64_t *table = page_table_create();
        if (!table)
            return -ENOMEM;
        set_table(entry, table, bits & PTE_USER);
        entry = &table[level_index(vaddr, found - 1)];
    }
    *level = found;
    __atomic_store_n(entry, paddr | bits | (found > 0 ? PTE_LARGE : 0), __ATOMIC_RELEASE);
    return 0;
}

/* Replaces a large page by a table of smaller ones that map the same. */
static int split_page_locked(uint64_t *entry, unsigned int level)
{
    uint64_t *table = page_table_create();
    uint64_t value = *entry;

    if (!table)
        return -ENOMEM;
    if (level == 1)
        value &= ~PTE_LARGE;
    for (size_t i = 0; i < PTE_PER_TABLE; i++)
        table[i] = value + i * level_size(level - 1);
    set_table(entry, table, value & PTE_USER);
    return 0;
}

/*
 * Changes every present page of a range: to @bits, or to nothing when @bits is 0.
 * Return: 0; -ENOMEM when the range cuts through a large page that could not be split.
 */
static int change_range_locked(struct address_space *space, vaddr_t vaddr, size_t size,
                               uint64_t bits) __must_hold(space->lock)
{
    while (size > 0) {
        unsigned int level;
        uint64_t *entry = find_entry(space, vaddr, &level);
        uint64_t page_size = level_size(level);
        uint64_t step = MIN(page_size - (vaddr & (page_size - 1)), size);

        if ((*entry & PTE_PRESENT) && step < page_size) {
            int error = split_page_locked(entry, level);
            if (error)
                return error;
            continue; /* look again, one level down */
        }
        if (*entry & PTE_PRESENT) {
            uint64_t keep = *entry & (PTE_ADDRESS_MASK | (level > 0 ? PTE_LARGE : 0));
            WRITE_ONCE(*entry, bits ? keep | bits : 0);
        }
        vaddr += step;
        size -= step;
    }
    return 0;
}

int mmu_map(struct address_space *space, vaddr_t vaddr, paddr_t paddr, size_t size,
            unsigned int flags)
{
    int error = check_range(vaddr, paddr, size, flags);
    if (error)
        return error;

    uint64_t bits = entry_bits(flags);
    size_t done = 0;
    irqflags_t irq = spin_lock_irqsave(&space->lock);
    while (done < size) {
        unsigned int level = best_level(vaddr + done, paddr + done, size - done);

        error = map_one_locked(space, vaddr + done, paddr + done, bits, &level);
        if (error)
            break;
        done += level_size(level);
    }
    /* What was mapped just now is whole pages: taking it back needs no memory. */
    if (error && done)
        (void)change_range_locked(space, vaddr, done, 0);
    spin_unlock_irqrestore(&space->lock, irq);
    return error;
}

void mmu_unmap(struct address_space *space, vaddr_t vaddr, size_t size)
{
    assert(size && IS_ALIGNED(vaddr | size, PAGE_SIZE) && is_canonical_range(vaddr, size));

    irqflags_t irq = spin_lock_irqsave(&space->lock);
    int error = change_range_locked(space, vaddr, size, 0);
    spin_unlock_irqrestore(&space->lock, irq);
    assert(!error); /* callers unmap what they mapped: no large page is cut */
}

int mmu_protect(struct address_space *space, vaddr_t vaddr, size_t size, unsigned int flags)
{
    int error = check_range(vaddr, 0, size, flags);
    if (error)
        return error;

    irqflags_t irq = spin_lock_irqsave(&space->lock);
    error = change_range_locked(space, vaddr, size, entry_bits(flags));
    spin_unlock_irqrestore(&space->lock, irq);
    return error;
}

/* Everything, global pages too: a change of CR4.PGE does that (SDM vol. 3A 4.10.4.1). */
static void flush_all(void)
{
    irqflags_t irq = irq_save();

    if (cpu_features.has_pge) {
        uint64_t cr4 = cr4_read();
        cr4_write(cr4 & ~CR4_PGE);
        cr4_write(cr4);
    } else {
        cr3_write(cr3_read());
    }
    irq_restore(irq);
}

void mmu_flush_local(vaddr_t vaddr, size_t size)
{
    if (size > FLUSH_PAGES_MAX * PAGE_SIZE) {
        flush_all();
        return;
    }
    for (size_t offset = 0; offset < size; offset += PAGE_SIZE)
        tlb_invalidate_page(vaddr + offset);
}

vaddr_t mmu_dynamic_range_start(void)
{
    return DYNAMIC_RANGE_BASE;
}

vaddr_t mmu_dynamic_range_end(void)
{
    return DYNAMIC_RANGE_BASE + DYNAMIC_RANGE_SIZE;
}
