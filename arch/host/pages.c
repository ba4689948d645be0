/*
 * Pages and virtual ranges on a host: the same malloc(), page-aligned. Physical addresses are the
 * host's own.
 */
#include <string.h>

#include "arch/host/host_internal.h"
#include "arch/mmu.h"
#include "mm/page.h"
#include "mm/vm.h"

#define CALLER() __builtin_return_address(0)

#define SIMULATED_PAGES 65536 /* what page_statistics() says there is: 256 MiB */

static size_t pages_in_use;

void *page_alloc(size_t count, unsigned int flags, const char *owner)
{
    if (count == 0 || count > SIZE_MAX / PAGE_SIZE)
        return NULL;
    void *pages = host_heap_alloc(count * PAGE_SIZE, PAGE_SIZE, owner, CALLER());
    if (!pages)
        return NULL;
    memset(pages, flags & PAGE_ZERO ? 0 : 0xA5, count * PAGE_SIZE);
    pages_in_use += count;
    return pages;
}

void page_free(void *pages)
{
    if (!pages)
        return;
    pages_in_use -= host_heap_size(pages) / PAGE_SIZE;
    host_heap_free(pages, CALLER());
}

paddr_t page_to_phys(const void *page)
{
    return direct_map_to_phys(page);
}

void page_statistics(struct page_statistics *statistics)
{
    *statistics = (struct page_statistics){
        .total_pages = SIMULATED_PAGES,
        .free_pages = pages_in_use < SIMULATED_PAGES ? SIMULATED_PAGES - pages_in_use : 0,
    };
}

bool page_memory_is_low(void)
{
    return pages_in_use > SIMULATED_PAGES - SIMULATED_PAGES / 32;
}

void *vm_alloc(size_t size, unsigned int mmu_flags, const char *owner)
{
    (void)mmu_flags;
    void *address = host_heap_alloc(size, PAGE_SIZE, owner, CALLER());
    if (address)
        memset(address, 0, size);
    return address;
}

void vm_free(void *address)
{
    host_heap_free(address, CALLER());
}

/* Nothing waits to be freed here. */
size_t vm_purge(void)
{
    return 0;
}

void *vm_map_device(paddr_t base, size_t size, unsigned int mmu_flags)
{
    (void)size;
    (void)mmu_flags;
    return phys_to_virt(base);
}

void vm_unmap_device(void *address)
{
    (void)address;
}

const void *vm_map_firmware(paddr_t base, size_t size)
{
    (void)size;
    return phys_to_virt(base);
}

bool virt_to_phys(const void *address, paddr_t *paddr)
{
    *paddr = direct_map_to_phys(address);
    return true;
}
