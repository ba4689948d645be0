/*
 * Segmentation is flat and the same everywhere; what differs per CPU is the TSS, which holds the
 * stacks of #DF, NMI and #MC and will hold the kernel stack of user tasks (SDM vol. 3A 7.7).
 */
#include "arch/x86_64/descriptor_tables.h"

#include "arch/percpu.h"
#include "arch/x86_64/entry.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/vectors.h"
#include "lib/string.h"

struct __packed tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base; /* at or beyond the limit: no port is allowed to user code */
};
BUILD_ASSERT(sizeof(struct tss) == 104, "SDM vol. 3A figure 7-11");

struct __packed gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};
BUILD_ASSERT(sizeof(struct gate) == 16, "SDM vol. 3A figure 6-8");

struct __packed table_pointer {
    uint16_t limit;
    uint64_t base;
};

#define GATE_INTERRUPT 0x8E /* present, ring 0, interrupt gate: IF is cleared */

#define SEGMENT_KERNEL_CODE 0x00AF9B000000FFFFULL
#define SEGMENT_KERNEL_DATA 0x00CF93000000FFFFULL
#define SEGMENT_USER_DATA   0x00CFF3000000FFFFULL
#define SEGMENT_USER_CODE   0x00AFFB000000FFFFULL
#define SEGMENT_TSS         0x0000890000000000ULL /* present, available 64-bit TSS */

struct descriptor_tables {
    struct gate idt[VECTOR_COUNT];
    uint64_t gdt[GDT_ENTRIES];
    struct tss tss;
    struct exception_stacks *stacks;
};
static DEFINE_PER_CPU(struct descriptor_tables, descriptor_tables);

static struct exception_stacks boot_stacks;

static unsigned int vector_ist(unsigned int vector)
{
    switch (vector) {
    case VECTOR_DOUBLE_FAULT:
        return STACK_DOUBLE_FAULT + 1;
    case VECTOR_NMI:
        return STACK_NMI + 1;
    case VECTOR_MACHINE_CHECK:
        return STACK_MACHINE_CHECK + 1;
    default:
        return 0; /* the stack in use */
    }
}

static void fill_idt(struct gate *idt)
{
    for (unsigned int vector = 0; vector < VECTOR_COUNT; vector++) {
        uintptr_t entry = (uintptr_t)interrupt_stubs + vector * VECTOR_STUB_SIZE;

        idt[vector] = (struct gate){
            .offset_low = (uint16_t)entry,
            .offset_middle = (uint16_t)(entry >> 16),
            .offset_high = (uint32_t)(entry >> 32),
            .selector = SELECTOR_KERNEL_CODE,
            .ist = (uint8_t)vector_ist(vector),
            .type = GATE_INTERRUPT,
        };
    }
}

static void fill_tss(struct tss *tss, struct exception_stacks *stacks)
{
    memset(tss, 0, sizeof(*tss));
    tss->io_map_base = sizeof(*tss);
    for (unsigned int i = 0; i < EXCEPTION_STACK_COUNT; i++)
        tss->ist[i] = (uintptr_t)stacks->stack[i] + EXCEPTION_STACK_SIZE;
}

static void fill_gdt(uint64_t *gdt, const struct tss *tss)
{
    uint64_t base = (uintptr_t)tss;
    uint64_t limit = sizeof(*tss) - 1;

    gdt[SELECTOR_KERNEL_CODE / 8] = SEGMENT_KERNEL_CODE;
    gdt[SELECTOR_KERNEL_DATA / 8] = SEGMENT_KERNEL_DATA;
    gdt[SELECTOR_USER_DATA / 8] = SEGMENT_USER_DATA;
    gdt[SELECTOR_USER_CODE / 8] = SEGMENT_USER_CODE;
    gdt[SELECTOR_TSS / 8] =
        SEGMENT_TSS | (limit & 0xFFFF) | (base & 0xFFFFFF) << 16 | (base >> 24 & 0xFF) << 56;
    gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
}

/* Loading a selector into GS would clear its base, which is the per-CPU area: it is left alone. */
static void load_tables(struct descriptor_tables *tables)
{
    struct table_pointer gdt = { sizeof(tables->gdt) - 1, (uintptr_t)tables->gdt };
    struct table_pointer idt = { sizeof(tables->idt) - 1, (uintptr_t)tables->idt };

    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movw %w2, %%ds\n\t"
                     "movw %w2, %%es\n\t"
                     "movw %w2, %%ss\n\t"
                     "lidt %3\n\t"
                     "ltr %w4"
                     :
                     : "m"(gdt), "i"(SELECTOR_KERNEL_CODE), "r"(SELECTOR_KERNEL_DATA), "m"(idt),
                       "r"(SELECTOR_TSS)
                     : "rax", "memory");
}

void descriptor_tables_init(struct exception_stacks *stacks)
{
    struct descriptor_tables *tables = this_cpu_ptr(descriptor_tables);

    tables->stacks = stacks;
    fill_idt(tables->idt);
    fill_tss(&tables->tss, stacks);
    fill_gdt(tables->gdt, &tables->tss);
    load_tables(tables);
}

struct exception_stacks *descriptor_tables_boot_stacks(void)
{
    return &boot_stacks;
}

bool is_on_exception_stack(uintptr_t address, uintptr_t *base, size_t *size)
{
    const struct exception_stacks *stacks = this_cpu_ptr(descriptor_tables)->stacks;

    for (unsigned int i = 0; stacks && i < EXCEPTION_STACK_COUNT; i++) {
        uintptr_t start = (uintptr_t)stacks->stack[i];

        if (address - start < EXCEPTION_STACK_SIZE) {
            *base = start;
            *size = EXCEPTION_STACK_SIZE;
            return true;
        }
    }
    return false;
}
