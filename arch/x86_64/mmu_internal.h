/*
 * What mmu.c, mmu_boot.c and smp.c share about page tables.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/mmu.h"
#include "kernel/sync/spinlock.h"
#include "lib/bits.h"

/* Page-table entries: SDM vol. 3A 4.5.4, tables 4-15 to 4-20. */
#define PTE_PRESENT       BIT64(0)
#define PTE_WRITE         BIT64(1)
#define PTE_USER          BIT64(2)
#define PTE_WRITE_THROUGH BIT64(3) /* PAT index bit 0 */
#define PTE_CACHE_DISABLE BIT64(4) /* PAT index bit 1 */
#define PTE_ACCESSED      BIT64(5)
#define PTE_DIRTY         BIT64(6)
#define PTE_LARGE         BIT64(7) /* levels 1 and 2 */
#define PTE_GLOBAL        BIT64(8)
#define PTE_NO_EXEC       BIT64(63)
#define PTE_ADDRESS_MASK  BITS64(12, 51)

#define PTE_PER_TABLE 512
#define PAGE_LEVELS   4

/* Level 0 is the page table, 3 the PML4. Bytes mapped by one entry: 4 KiB, 2 MiB, 1 GiB, 512 GiB.
 */
static inline unsigned int level_shift(unsigned int level)
{
    return PAGE_SHIFT + 9 * level;
}

static inline uint64_t level_size(unsigned int level)
{
    return 1ULL << level_shift(level);
}

static inline size_t level_index(vaddr_t vaddr, unsigned int level)
{
    return vaddr >> level_shift(level) & (PTE_PER_TABLE - 1);
}

struct address_space {
    struct spinlock lock;              /* rank: LOCK_RANK_ADDRESS_SPACE */
    uint64_t *root __guarded_by(lock); /* PML4, through the direct map */
    paddr_t root_paddr;                /* const */
};

extern struct address_space kernel_space;

/** page_table_create() - an empty table; before the page allocator works, from early memory. */
uint64_t *page_table_create(void);

/** page_table_use_early_memory() - switch the source; mmu_boot.c, while it builds the first ones.
 */
void page_table_use_early_memory(bool early);
