/*
 * Page tables on the real machine: what is mapped how, and what happens to those who try more.
 */
#include "arch/cpu.h"
#include "arch/mmu.h"
#include "arch/x86_64/cpu_features.h"
#include "arch/x86_64/exception.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/linker.h"
#include "arch/x86_64/vectors.h"
#include "kernel/irq/tlb.h"
#include "kernel/sched/task.h"
#include "lib/bits.h"
#include "lib/errno.h"
#include "mm/page.h"
#include "mm/vm.h"
#include "tests/boot_test.h"

#define FAULT_PRESENT BIT(0)
#define FAULT_WRITE   BIT(1)
#define FAULT_FETCH   BIT(4)

#define LARGE_PAGE (2UL << 20)

/* Far from what mm/vm.c hands out, which starts at the bottom of the range. */
#define PLAYGROUND (DYNAMIC_RANGE_BASE + DYNAMIC_RANGE_SIZE / 2)

static unsigned int flags_of(const void *address)
{
    unsigned int flags = 0;
    paddr_t paddr;

    EXPECT(mmu_translate(kernel_address_space(), (uintptr_t)address, &paddr, &flags));
    return flags & (MMU_READ | MMU_WRITE | MMU_EXEC);
}

static bool is_mapped(vaddr_t address)
{
    paddr_t paddr;

    return mmu_translate(kernel_address_space(), address, &paddr, NULL);
}

/* Without NX (-cpu qemu64,-nx) everything that can be read can be executed. */
static unsigned int data_flags(unsigned int flags)
{
    return flags | (cpu_features.has_nx ? 0 : MMU_EXEC);
}

/* The byte before a symbol that marks an end: out of bounds to a compiler that sees the symbol. */
static const char *last_before(const char *end)
{
    __asm__("" : "+r"(end));
    return end - 1;
}

static int some_variable;

BOOT_TEST(arch_memory, kernel_image_has_the_rights_of_its_parts)
{
    EXPECT_EQ(flags_of(kernel_text_start), MMU_READ | MMU_EXEC);
    EXPECT_EQ(flags_of(last_before(kernel_text_end)), MMU_READ | MMU_EXEC);
    EXPECT_EQ(flags_of(kernel_rodata_start), data_flags(MMU_READ));
    EXPECT_EQ(flags_of(last_before(kernel_rodata_end)), data_flags(MMU_READ));
    EXPECT_EQ(flags_of(&some_variable), data_flags(MMU_READ | MMU_WRITE));
    EXPECT(!is_mapped((uintptr_t)boot_stack_guard));
}

BOOT_TEST(arch_memory, direct_map_does_not_undermine_them)
{
    const char *text = phys_to_virt(image_to_phys(kernel_text_start));
    const char *constants = phys_to_virt(image_to_phys(kernel_rodata_end) - 1);
    const char *variable = phys_to_virt(image_to_phys(&some_variable));

    EXPECT_EQ(flags_of(text), data_flags(MMU_READ));
    EXPECT_EQ(flags_of(constants), data_flags(MMU_READ));
    EXPECT_EQ(flags_of(variable), data_flags(MMU_READ | MMU_WRITE));
}

BOOT_TEST(arch_memory, lower_half_is_empty)
{
    EXPECT(!is_mapped(0));
    EXPECT(!is_mapped(KERNEL_PHYSICAL_BASE));
    EXPECT(!is_mapped(0x7FFFFFFFF000));
    EXPECT(!is_mapped(0x0000800000000000)); /* not canonical */
}

/* No leaf anywhere is both writable and executable. */
static uint64_t find_writable_code(const uint64_t *table, unsigned int level)
{
    for (unsigned int i = 0; i < 512; i++) {
        uint64_t entry = table[i];

        if (!(entry & 1))
            continue;
        if (level == 0 || (entry & BIT(7))) {
            if ((entry & 2) && !(entry >> 63))
                return entry;
            continue;
        }
        entry = find_writable_code(phys_to_virt(entry & BITS64(12, 51)), level - 1);
        if (entry)
            return entry;
    }
    return 0;
}

BOOT_TEST(arch_memory, nothing_is_writable_and_executable)
{
    if (cpu_features.has_nx)
        EXPECT_EQ(find_writable_code(phys_to_virt(cr3_read() & BITS64(12, 51)), 3), 0);
}

BOOT_TEST(arch_memory, every_cpu_is_protected_alike)
{
    uint64_t cr4 = cr4_read();

    EXPECT_EQ(!!(cr4 & BIT(20)), cpu_features.has_smep);
    EXPECT_EQ(!!(cr4 & BIT(21)), cpu_features.has_smap);
    EXPECT_EQ(!!(cr4 & BIT(11)), cpu_features.has_umip);
    EXPECT_EQ(!!(cr4 & BIT(7)), cpu_features.has_pge);
    EXPECT(cr0_read() & BIT(16)); /* WP */
}

/* ---- mapping ------------------------------------------------------------------------------- */

static void unmap(vaddr_t start, size_t size)
{
    struct tlb_batch batch;

    mmu_unmap(kernel_address_space(), start, size);
    tlb_batch_init(&batch);
    tlb_batch_add(&batch, start, size);
    tlb_shootdown(&batch);
}

BOOT_TEST(arch_memory, map_protect_unmap)
{
    struct address_space *space = kernel_address_space();
    uint64_t *page = page_alloc(1, PAGE_ZERO, "test");
    volatile uint64_t *view = (volatile uint64_t *)PLAYGROUND;
    paddr_t paddr;

    EXPECT(page);
    EXPECT_EQ(mmu_map(space, PLAYGROUND, page_to_phys(page), PAGE_SIZE, MMU_READ | MMU_WRITE), 0);
    *view = 42;
    EXPECT_EQ(*page, 42);
    EXPECT(mmu_translate(space, PLAYGROUND + 5, &paddr, NULL));
    EXPECT_EQ(paddr, page_to_phys(page) + 5);
    EXPECT_EQ(mmu_map(space, PLAYGROUND, page_to_phys(page), PAGE_SIZE, MMU_READ), -EEXIST);
    EXPECT_EQ(mmu_protect(space, PLAYGROUND, PAGE_SIZE, MMU_READ), 0);
    EXPECT_EQ(flags_of((void *)PLAYGROUND), data_flags(MMU_READ));
    unmap(PLAYGROUND, PAGE_SIZE);
    EXPECT(!is_mapped(PLAYGROUND));
    page_free(page);
}

BOOT_TEST(arch_memory, mapping_refuses_nonsense)
{
    struct address_space *space = kernel_address_space();

    EXPECT_EQ(mmu_map(space, PLAYGROUND, 0x1000, PAGE_SIZE, MMU_WRITE | MMU_EXEC), -EINVAL);
    EXPECT_EQ(mmu_map(space, PLAYGROUND + 1, 0x1000, PAGE_SIZE, MMU_READ), -EINVAL);
    EXPECT_EQ(mmu_map(space, PLAYGROUND, 0x1001, PAGE_SIZE, MMU_READ), -EINVAL);
    EXPECT_EQ(mmu_map(space, PLAYGROUND, 0x1000, 0, MMU_READ), -EINVAL);
    EXPECT_EQ(mmu_map(space, 0x0000800000000000, 0x1000, PAGE_SIZE, MMU_READ), -EINVAL);
    EXPECT_EQ(mmu_map(space, PLAYGROUND, 1ULL << 52, PAGE_SIZE, MMU_READ), -EINVAL);
}

/* A failure in the middle of a range takes the first part back. */
BOOT_TEST(arch_memory, failed_mapping_leaves_nothing)
{
    struct address_space *space = kernel_address_space();
    vaddr_t taken = PLAYGROUND + 3 * PAGE_SIZE;

    EXPECT_EQ(mmu_map(space, taken, 0x1000, PAGE_SIZE, MMU_READ), 0);
    EXPECT_EQ(mmu_map(space, PLAYGROUND, 0x1000, 8 * PAGE_SIZE, MMU_READ), -EEXIST);
    EXPECT(!is_mapped(PLAYGROUND) && !is_mapped(taken - PAGE_SIZE) && is_mapped(taken));
    unmap(taken, PAGE_SIZE);
}

/* A 2 MiB page that is changed in part becomes a table; the rest stays as it was. Nothing is ever
 * read through these mappings, so the physical addresses do not matter. */
BOOT_TEST(arch_memory, large_page_is_split)
{
    struct address_space *space = kernel_address_space();
    vaddr_t start = PLAYGROUND + 4 * LARGE_PAGE;
    paddr_t paddr;

    EXPECT_EQ(mmu_map(space, start, LARGE_PAGE, 2 * LARGE_PAGE, MMU_READ | MMU_WRITE), 0);
    EXPECT_EQ(mmu_protect(space, start + PAGE_SIZE, PAGE_SIZE, MMU_READ), 0);
    EXPECT_EQ(flags_of((void *)start), data_flags(MMU_READ | MMU_WRITE));
    EXPECT_EQ(flags_of((void *)(start + PAGE_SIZE)), data_flags(MMU_READ));
    EXPECT_EQ(flags_of((void *)(start + 2 * PAGE_SIZE)), data_flags(MMU_READ | MMU_WRITE));
    EXPECT(mmu_translate(space, start + LARGE_PAGE - 1, &paddr, NULL));
    EXPECT_EQ(paddr, 2 * LARGE_PAGE - 1);
    unmap(start, 2 * LARGE_PAGE);
    EXPECT(!is_mapped(start) && !is_mapped(start + 2 * LARGE_PAGE - PAGE_SIZE));
}

/* ---- hits ---------------------------------------------------------------------------------- */

static void read_it(void *address)
{
    (void)*(volatile char *)address;
}

static void write_it(void *address)
{
    *(volatile char *)address = 0;
}

static void execute_it(void *address)
{
    ((void (*)(void))(uintptr_t)address)();
}

static void expect_fault(void (*touch)(void *), const void *address, uint64_t error_code)
{
    struct fault_info info;

    EXPECT(fault_catch(touch, (void *)(uintptr_t)address, &info));
    EXPECT_EQ(info.vector, VECTOR_PAGE_FAULT);
    EXPECT_EQ(info.address, (uintptr_t)address);
    EXPECT_EQ(info.error_code & (FAULT_PRESENT | FAULT_WRITE | FAULT_FETCH), error_code);
}

static void do_nothing(void *arg)
{
    (void)arg;
}

BOOT_TEST(arch_memory, write_to_code_and_constants_hits)
{
    static const char constant[4] = "abc";

    expect_fault(write_it, kernel_text_start, FAULT_PRESENT | FAULT_WRITE);
    expect_fault(write_it, constant, FAULT_PRESENT | FAULT_WRITE);
    expect_fault(write_it, phys_to_virt(image_to_phys(kernel_text_start)),
                 FAULT_PRESENT | FAULT_WRITE);
}

BOOT_TEST(arch_memory, execution_of_data_hits)
{
    static char data[16] = { (char)0xC3 };
    char on_stack[16] = { (char)0xC3 };

    if (!cpu_features.has_nx)
        return;
    expect_fault(execute_it, data, FAULT_PRESENT | FAULT_FETCH);
    expect_fault(execute_it, on_stack, FAULT_PRESENT | FAULT_FETCH);
    expect_fault(execute_it, phys_to_virt(image_to_phys(kernel_text_start)),
                 FAULT_PRESENT | FAULT_FETCH);
}

BOOT_TEST(arch_memory, null_hits)
{
    uint64_t fetch = cpu_features.has_nx || cpu_features.has_smep ? FAULT_FETCH : 0;

    expect_fault(read_it, NULL, 0);
    expect_fault(write_it, (void *)8, FAULT_WRITE);
    expect_fault(execute_it, NULL, fetch);
}

BOOT_TEST(arch_memory, guard_pages_hit)
{
    const char *stack = (const char *)task_current()->stack_base;
    char *allocated = vm_alloc(3 * PAGE_SIZE, MMU_READ | MMU_WRITE, "test");

    expect_fault(write_it, stack - 1, FAULT_WRITE);
    expect_fault(read_it, stack - PAGE_SIZE, 0);
    expect_fault(write_it, boot_stack_guard, FAULT_WRITE);
    EXPECT(allocated);
    expect_fault(write_it, allocated - 1, FAULT_WRITE);
    expect_fault(write_it, allocated + 3 * PAGE_SIZE, FAULT_WRITE);
    vm_free(allocated);
    expect_fault(read_it, allocated, 0);
}

/* Every turn must come back to the same stack, or the task would not last. */
BOOT_TEST(arch_memory, faults_are_caught_again_and_again)
{
    struct fault_info info;

    for (int i = 0; i < 1000; i++)
        expect_fault(read_it, (const char *)(uintptr_t)(0x1000 * i), 0);
    EXPECT(!fault_catch(do_nothing, NULL, &info));
}
