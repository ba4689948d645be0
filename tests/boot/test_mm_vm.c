/*
 * Boot tests of virtual ranges on the real MMU: guard pages, mapping, translation, scatter lists.
 */
#include "arch/cpu.h"
#include "arch/mmu.h"
#include "arch/x86_64/exception.h"
#include "kernel/irq/tlb.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "mm/scatter.h"
#include "mm/vm.h"
#include "tests/boot_test.h"

#define PATIENCE   (30 * NS_PER_S)
#define READ_WRITE (MMU_READ | MMU_WRITE)

static void touch(void *address)
{
    (*(volatile uint8_t *)address)++;
}

static bool faults(void *address)
{
    struct fault_info info;

    return fault_catch(touch, address, &info);
}

BOOT_TEST(mm, vm_guard_pages)
{
    uint8_t *memory = vm_alloc(3 * PAGE_SIZE - 5, READ_WRITE, "boot test");

    EXPECT(memory);
    for (size_t i = 0; i < 3 * PAGE_SIZE; i++)
        EXPECT_EQ(memory[i], 0);
    EXPECT(!faults(memory));
    EXPECT(!faults(memory + 3 * PAGE_SIZE - 1));
    EXPECT(faults(memory - 1));
    EXPECT(faults(memory + 3 * PAGE_SIZE));
    vm_free(memory);
}

BOOT_TEST(mm, vm_protect)
{
    uint8_t *memory = vm_alloc(2 * PAGE_SIZE, READ_WRITE, "boot test");
    struct tlb_batch batch;

    EXPECT(memory);
    EXPECT(!faults(memory) && !faults(memory + PAGE_SIZE));
    EXPECT_EQ(mmu_protect(kernel_address_space(), (vaddr_t)memory, PAGE_SIZE, MMU_READ), 0);
    tlb_batch_init(&batch);
    tlb_batch_add(&batch, (vaddr_t)memory, PAGE_SIZE);
    tlb_shootdown(&batch);
    EXPECT(faults(memory));
    EXPECT_EQ(memory[0], 1);
    EXPECT(!faults(memory + PAGE_SIZE));
    vm_free(memory);
}

BOOT_TEST(mm, virt_to_phys)
{
    static uint8_t in_image;
    uint8_t on_stack = 0;
    uint8_t *memory = vm_alloc(5 * PAGE_SIZE, READ_WRITE, "boot test");
    uint8_t *object = kmalloc(100);
    paddr_t paddr;

    EXPECT(memory && object);
    EXPECT(virt_to_phys(object, &paddr));
    EXPECT(phys_to_virt(paddr) == object);
    for (size_t i = 0; i < 5; i++) { /* through the direct map it is the same memory */
        memory[i * PAGE_SIZE + 77] = (uint8_t)(i + 1);
        EXPECT(virt_to_phys(&memory[i * PAGE_SIZE + 77], &paddr));
        EXPECT_EQ(*(uint8_t *)phys_to_virt(paddr), i + 1);
    }
    EXPECT(virt_to_phys(&in_image, &paddr));
    EXPECT(virt_to_phys(&on_stack, &paddr));
    EXPECT(!virt_to_phys(NULL, &paddr));
    EXPECT(!virt_to_phys(memory - 1, &paddr));
    vm_free(memory);
    kfree(object);
}

/* Does the list say, byte by byte, where the buffer is? */
static bool is_description_of(const uint8_t *buffer, size_t length,
                              const struct scatter_segment *segments, int count)
{
    size_t offset = 0;

    for (int i = 0; i < count; i++) {
        for (uint32_t k = 0; k < segments[i].length; k++, offset++) {
            paddr_t paddr;

            if (!virt_to_phys(buffer + offset, &paddr) || paddr != segments[i].paddr + k)
                return false;
        }
    }
    return offset == length;
}

BOOT_TEST(mm, scatter_lists)
{
    struct scatter_segment segments[20];
    uint8_t *memory = vm_alloc(16 * PAGE_SIZE, READ_WRITE, "boot test");
    uint8_t *pages = page_alloc(4, 0, "boot test");
    uint8_t on_stack[200];

    EXPECT(memory && pages);
    for (size_t offset = 0; offset < 2 * PAGE_SIZE; offset += 1021) {
        for (size_t length = 1; length < 14 * PAGE_SIZE; length = length * 3 + 511) {
            int count = scatter_from_buffer(memory + offset, length, segments, 20);

            EXPECT(count > 0);
            EXPECT(is_description_of(memory + offset, length, segments, count));
        }
    }
    EXPECT_EQ(scatter_from_buffer(pages + 99, 3 * PAGE_SIZE, segments, 1), 1);
    EXPECT(is_description_of(pages + 99, 3 * PAGE_SIZE, segments, 1));
    EXPECT(scatter_from_buffer(on_stack, sizeof(on_stack), segments, 2) > 0);
    EXPECT_EQ(scatter_from_buffer(memory + 15 * PAGE_SIZE, PAGE_SIZE + 1, segments, 20), -EFAULT);
    vm_free(memory);
    page_free(pages);
}

/* Each CPU makes ranges at addresses that others have just given up: a stale TLB entry would show.
 */
static int range_churn(void *arg)
{
    uint64_t value = (uintptr_t)arg << 32;

    for (size_t step = 0; step < 150; step++, value++) {
        size_t count = 1 + step % 5;
        uint64_t *memory = vm_alloc(count * PAGE_SIZE, READ_WRITE, "boot test");

        if (!memory)
            return -ENOMEM;
        for (size_t i = 0; i < count; i++) {
            paddr_t paddr;

            if (memory[i * PAGE_SIZE / sizeof(*memory)])
                return -EIO;
            memory[i * PAGE_SIZE / sizeof(*memory)] = value;
            if (!virt_to_phys(&memory[i * PAGE_SIZE / sizeof(*memory)], &paddr) ||
                *(uint64_t *)phys_to_virt(paddr) != value)
                return -EFAULT;
        }
        vm_free(memory);
    }
    return 0;
}

BOOT_TEST(mm, vm_churn_on_all_cpus)
{
    static struct task *tasks[CPU_MAX];
    unsigned int cpu;
    int status;

    for_each_online_cpu(cpu)
        EXPECT_EQ(
            task_create_on(cpu, "vm churn", range_churn, (void *)(uintptr_t)(cpu + 1), &tasks[cpu]),
            0);
    for_each_online_cpu(cpu) {
        EXPECT_EQ(task_join(tasks[cpu], &status, deadline_after_ns(PATIENCE)), 0);
        EXPECT_EQ(status, 0);
    }
}

BOOT_TEST(mm, firmware_is_read_only)
{
    /* The BIOS area is there on every PC, and is not RAM. */
    const uint8_t *bios = vm_map_firmware(0xFFFF0, 16);

    EXPECT(bios);
    EXPECT(vm_map_firmware(0xFFFF0, 16) == bios);
    EXPECT(faults((void *)bios));
}
