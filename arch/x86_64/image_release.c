/*
 * The end of the boot: what of the image nothing needs any more becomes memory like any other.
 *
 * Its addresses are never used again, so that who goes there all the same ends in a page fault with
 * the name of what was there; the frames go to whoever asks for memory.
 */
#include "arch/mmu.h"

#include "arch/x86_64/layout.h"
#include "arch/x86_64/linker.h"
#include "arch/x86_64/mmu_internal.h"
#include "kernel/irq/tlb.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "lib/atomic.h"
#include "mm/page.h"

static const struct {
    const char *start;
    const char *end;
} parts[] = {
    { kernel_init_text_start, kernel_init_text_end },
    { kernel_init_rodata_start, kernel_init_rodata_end },
    { kernel_init_data_start, kernel_init_data_end },
    { kernel_init_bss_start, kernel_init_bss_end },
};

static bool is_released; /* atomic; set once */

bool image_is_released(uintptr_t address)
{
    for (size_t i = 0; load_acquire(&is_released) && i < ARRAY_SIZE(parts); i++)
        if (address >= (uintptr_t)parts[i].start && address < (uintptr_t)parts[i].end)
            return true;
    return false;
}

/* Takes a part from its place in the image, and lifts the rights that it had there. */
static void unmap_part(const char *start, size_t size, struct tlb_batch *batch)
{
    vaddr_t direct = (uintptr_t)phys_to_virt(image_to_phys(start));
    int error = mmu_protect(&kernel_space, direct, size, MMU_READ | MMU_WRITE);

    assert(!error); /* page by page already, as neighbours have other rights */
    mmu_unmap(&kernel_space, (uintptr_t)start, size);
    tlb_batch_add(batch, direct, size);
    tlb_batch_add(batch, (uintptr_t)start, size);
}

void mmu_release_boot_memory(void)
{
    struct tlb_batch batch;
    size_t bytes = 0;

    tlb_batch_init(&batch);
    store_release(&is_released, true);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (parts[i].start < parts[i].end)
            unmap_part(parts[i].start, (size_t)(parts[i].end - parts[i].start), &batch);
    tlb_shootdown(&batch);

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        bytes += page_add(image_to_phys(parts[i].start), (size_t)(parts[i].end - parts[i].start));
    /* These have no addresses of their own by now. */
    bytes += page_add(KERNEL_PHYSICAL_BASE, image_to_phys(kernel_start) - KERNEL_PHYSICAL_BASE);
    bytes += page_add(image_to_phys(boot_stack_guard), PAGE_SIZE);
    log_info("mm", "%zu KiB that only the boot needed are free", bytes >> 10);
}
