/*
 * The kernel's own page tables, which replace those of boot.S: the image with the rights of each
 * part, the direct map of all RAM, nothing in the lower half.
 */
#include "arch/irq.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/linker.h"
#include "arch/x86_64/mmu_internal.h"
#include "arch/x86_64/trampoline.h"
#include "kernel/boot/boot_info.h"
#include "kernel/init.h"
#include "kernel/panic.h"
#include "lib/errno.h"
#include "mm/early.h"

void __init mmu_kernel_image(paddr_t *base, uint64_t *size)
{
    *base = KERNEL_PHYSICAL_BASE;
    *size = image_to_phys(kernel_end) - KERNEL_PHYSICAL_BASE;
}

static void __init must_map(vaddr_t vaddr, paddr_t paddr, size_t size, unsigned int flags)
{
    int error = mmu_map(&kernel_space, vaddr, paddr, size, flags);

    if (error)
        panic("cannot map %#llx at %#llx: %s", (unsigned long long)paddr, (unsigned long long)vaddr,
              errno_text(error));
}

static void __init map_image_part(const char *start, const char *end, unsigned int flags)
{
    paddr_t paddr = image_to_phys(start);

    if (start < end)
        must_map((uintptr_t)start, paddr, ALIGN_UP(image_to_phys(end), PAGE_SIZE) - paddr, flags);
}

static void __init map_kernel_image(void)
{
    map_image_part(kernel_init_text_start, kernel_init_text_end, MMU_READ | MMU_EXEC);
    map_image_part(kernel_init_text_end, kernel_text_end, MMU_READ | MMU_EXEC);
    map_image_part(kernel_init_rodata_start, kernel_init_rodata_end, MMU_READ);
    map_image_part(kernel_init_rodata_end, kernel_rodata_end, MMU_READ);
    map_image_part(kernel_init_data_start, kernel_init_data_end, MMU_READ | MMU_WRITE);
    map_image_part(kernel_init_data_end, kernel_init_bss_start, MMU_READ | MMU_WRITE);
    map_image_part(kernel_init_bss_start, kernel_init_bss_end, MMU_READ | MMU_WRITE);
    map_image_part(kernel_init_bss_end, kernel_data_end, MMU_READ | MMU_WRITE);
    /* Between them: boot_stack_guard. */
    map_image_part(boot_stack, boot_stack_end, MMU_READ | MMU_WRITE);
}

static void __init map_direct(paddr_t base, paddr_t end, unsigned int flags)
{
    if (base < end)
        must_map((uintptr_t)phys_to_virt(base), base, end - base, flags);
}

/*
 * RAM only: a cacheable mapping of device registers, or of what firmware keeps, would let the CPU
 * read them speculatively. The kernel's code and constants are read-only here too.
 */
static void __init map_ram(const struct memory_range *range)
{
    paddr_t end = range->base + range->length;
    paddr_t constant_start = CLAMP(image_to_phys(kernel_text_start), range->base, end);
    paddr_t constant_end = CLAMP(image_to_phys(kernel_rodata_end), range->base, end);

    map_direct(range->base, constant_start, MMU_READ | MMU_WRITE);
    map_direct(constant_start, constant_end, MMU_READ);
    map_direct(constant_end, end, MMU_READ | MMU_WRITE);
}

/* The loader may have left the command line where the map shows no RAM (microvm: in ROM shadow). */
static void __init map_loader_range(paddr_t base, uint64_t length)
{
    paddr_t end = ALIGN_UP(base + length, PAGE_SIZE);

    for (paddr_t page = ALIGN_DOWN(base, PAGE_SIZE); length && page < end; page += PAGE_SIZE) {
        paddr_t mapped;

        if (!mmu_translate(&kernel_space, (uintptr_t)phys_to_virt(page), &mapped, NULL))
            map_direct(page, page + PAGE_SIZE, MMU_READ | MMU_WRITE);
    }
}

static uint64_t *__init must_create_table(void)
{
    uint64_t *table = page_table_create();

    if (!table)
        panic("no memory for the kernel's page tables");
    return table;
}

void __init mmu_init(void)
{
    const struct memory_range *ranges;
    size_t count = early_memory_ram(&ranges);

    page_table_use_early_memory(true);
    kernel_space.root = must_create_table();
    kernel_space.root_paddr = direct_map_to_phys(kernel_space.root);
    /* The one table that address spaces will share by pointing at it (layout.h). */
    kernel_space.root[level_index(DYNAMIC_RANGE_BASE, PAGE_LEVELS - 1)] =
        direct_map_to_phys(must_create_table()) | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED;

    map_kernel_image();
    for (size_t i = 0; i < count; i++)
        map_ram(&ranges[i]);
    map_loader_range(boot_info()->info_base, boot_info()->info_length);
    map_loader_range(boot_info()->initrd_base, boot_info()->initrd_length);
    page_table_use_early_memory(false);
    trampoline_reserve();

    cr3_write(kernel_space.root_paddr);
    mmu_flush_local(0, SIZE_MAX);
}
