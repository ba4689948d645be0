/*
 * The machine under the tests of mm/.
 */
#include "tests/unit/mm/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/mmu.h"
#include "kernel/irq/ipi.h"
#include "kernel/irq/tlb.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/task.h"
#include "kernel/symbols.h"
#include "kernel/sync/spinlock.h"
#include "lib/errno.h"
#include "mm/early.h"
#include "mm/page_internal.h"
#include "mm/pool_internal.h"
#include "mm/vm_internal.h"

#include "tests/unit/unit.h"

/*
 * CPU.
 */

struct host_cpu host_cpu = { .irq_enabled = true };
static struct task boot_task;

void host_irq_enabled(void)
{
}

uintptr_t percpu_offset_of(unsigned int cpu)
{
    assert_int_equal(cpu, 0);
    return 0;
}

unsigned int cpu_possible_count(void)
{
    return 1;
}

bool cpu_is_online(unsigned int cpu)
{
    return cpu == 0;
}

void ipi_call_others(void (*function)(void *arg), void *arg)
{
    (void)function;
    (void)arg;
    assert_true(host_cpu.irq_enabled);
}

void preempt_run_pending(void)
{
}

void might_sleep(void)
{
    assert_int_equal(host_cpu.preempt_count, 0);
}

void host_chaos_point(void)
{
}

void host_relax(void)
{
}

/*
 * Locks: one CPU, so a lock that is taken twice is a deadlock.
 */

static struct spinlock *held[8];
static size_t held_count;

void spin_lock_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
    memset(lock, 0, sizeof(*lock));
    lock->name = name;
    lock->rank = (uint16_t)rank;
}

void spin_lock(struct spinlock *lock) __no_thread_safety_analysis
{
    assert_int_equal(lock->owner_cpu, 0);
    assert_true(held_count < ARRAY_SIZE(held));
    if (held_count)
        assert_true(lock->rank > held[held_count - 1]->rank);
    lock->owner_cpu = 1;
    held[held_count++] = lock;
    preempt_disable();
}

void spin_unlock(struct spinlock *lock) __no_thread_safety_analysis
{
    assert_true(held_count > 0 && held[--held_count] == lock);
    lock->owner_cpu = 0;
    preempt_enable();
}

irqflags_t spin_lock_irqsave(struct spinlock *lock) __no_thread_safety_analysis
{
    irqflags_t flags = irq_save();

    spin_lock(lock);
    return flags;
}

void spin_unlock_irqrestore(struct spinlock *lock, irqflags_t flags) __no_thread_safety_analysis
{
    spin_unlock(lock);
    irq_restore(flags);
}

void spin_assert_held(const struct spinlock *lock)
{
    assert_int_equal(lock->owner_cpu, 1);
    assert_false(host_cpu.irq_enabled);
}

/*
 * Tasks: there is one, and it runs.
 */

bool wake_one(struct wait_queue *queue)
{
    (void)queue;
    return false;
}

void wait_prepare(struct wait_queue *queue, struct wait_entry *entry)
{
    (void)queue;
    (void)entry;
}

int wait_commit(struct wait_queue *queue, struct wait_entry *entry, uint64_t deadline_ns,
                enum wait_flags flags)
{
    (void)queue;
    (void)entry;
    (void)deadline_ns;
    (void)flags;
    return -ECANCELED;
}

void wait_finish(struct wait_queue *queue, struct wait_entry *entry)
{
    (void)queue;
    (void)entry;
}

int task_create(const char *name, int (*entry)(void *arg), void *arg, struct task **result)
{
    (void)name;
    (void)entry;
    (void)arg;
    (void)result;
    return -ENOMEM;
}

uint64_t clock_read_ns(void)
{
    return 0;
}

/*
 * Messages and the end.
 */

jmp_buf *machine_panic_jump;
char machine_panic_text[1024];

void log_write(enum log_level level, const char *module, const char *format, ...)
{
    va_list arguments;

    if (level > LOG_WARNING)
        return;
    va_start(arguments, format);
    printf("%s: ", module);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

const char *symbol_name(vaddr_t address, size_t *offset)
{
    (void)address;
    *offset = 0;
    return NULL;
}

void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(machine_panic_text, sizeof(machine_panic_text), format, arguments);
    va_end(arguments);
    if (!machine_panic_jump) {
        fprintf(stderr, "panic: %s\n", machine_panic_text);
        abort();
    }
    while (held_count)
        held[--held_count]->owner_cpu = 0;
    host_cpu.preempt_count = 0;
    host_cpu.irq_enabled = true;
    longjmp(*machine_panic_jump, 1);
}

void machine_check_panic(bool happened, const char *first, const char *second, const char *file,
                         int line)
{
    if (!happened)
        fail_msg("%s:%d: no panic, expected: %s ... %s", file, line, first, second);
    if (!strstr(machine_panic_text, first) || !strstr(machine_panic_text, second))
        fail_msg("%s:%d: panic \"%s\", expected: %s ... %s", file, line, machine_panic_text, first,
                 second);
}

/*
 * Page tables of the dynamic range: an array.
 */

#define DYNAMIC_BASE  0x700000000000UL
#define DYNAMIC_PAGES 65536

struct mapping {
    paddr_t paddr; /* 0: none */
    unsigned int flags;
};
static struct mapping mappings[DYNAMIC_PAGES];
static struct mapping stale[DYNAMIC_PAGES]; /* what a TLB may still know */
size_t machine_shootdowns;
size_t machine_map_budget = SIZE_MAX;

vaddr_t mmu_dynamic_range_start(void)
{
    return DYNAMIC_BASE;
}

vaddr_t mmu_dynamic_range_end(void)
{
    return DYNAMIC_BASE + DYNAMIC_PAGES * PAGE_SIZE;
}

struct address_space *kernel_address_space(void)
{
    return NULL;
}

static size_t mapping_index(vaddr_t vaddr)
{
    assert_true(vaddr >= DYNAMIC_BASE && vaddr < mmu_dynamic_range_end());
    return (vaddr - DYNAMIC_BASE) / PAGE_SIZE;
}

int mmu_map(struct address_space *space, vaddr_t vaddr, paddr_t paddr, size_t size,
            unsigned int flags)
{
    size_t first = mapping_index(vaddr);

    (void)space;
    assert_true(size && IS_ALIGNED(vaddr | paddr | size, PAGE_SIZE));
    if (!machine_map_budget)
        return -ENOMEM;
    machine_map_budget--;
    mapping_index(vaddr + size - 1);
    for (size_t i = 0; i < size / PAGE_SIZE; i++) {
        assert_int_equal(mappings[first + i].paddr, 0);
        assert_int_equal(stale[first + i].paddr, 0); /* used again before the shoot-down? */
        mappings[first + i] = (struct mapping){ paddr + i * PAGE_SIZE, flags };
    }
    return 0;
}

void mmu_unmap(struct address_space *space, vaddr_t vaddr, size_t size)
{
    size_t first = mapping_index(vaddr);

    (void)space;
    for (size_t i = 0; i < size / PAGE_SIZE; i++) {
        if (mappings[first + i].paddr)
            stale[first + i] = mappings[first + i];
        mappings[first + i].paddr = 0;
    }
}

bool mmu_translate(struct address_space *space, vaddr_t vaddr, paddr_t *paddr, unsigned int *flags)
{
    const struct mapping *mapping;

    (void)space;
    if (vaddr >= host_physical_base && vaddr < host_physical_base + MACHINE_BYTES) {
        *paddr = vaddr - host_physical_base;
        return true;
    }
    if (vaddr < DYNAMIC_BASE || vaddr >= mmu_dynamic_range_end())
        return false;
    mapping = &mappings[mapping_index(vaddr)];
    if (!mapping->paddr)
        return false;
    *paddr = mapping->paddr + vaddr % PAGE_SIZE;
    if (flags)
        *flags = mapping->flags;
    return true;
}

bool machine_is_mapped(const void *address)
{
    paddr_t paddr;

    return mmu_translate(NULL, (vaddr_t)address, &paddr, NULL);
}

void tlb_batch_add(struct tlb_batch *batch, vaddr_t start, size_t size)
{
    if (batch->count < TLB_BATCH_RANGES) {
        batch->ranges[batch->count].start = start;
        batch->ranges[batch->count].size = size;
    }
    if (batch->count <= TLB_BATCH_RANGES)
        batch->count++;
}

void tlb_shootdown(struct tlb_batch *batch)
{
    assert_int_equal(held_count, 0);
    assert_true(host_cpu.irq_enabled);
    machine_shootdowns++;
    if (batch->count > TLB_BATCH_RANGES) {
        memset(stale, 0, sizeof(stale));
        return;
    }
    for (unsigned int i = 0; i < batch->count; i++)
        memset(&stale[mapping_index(batch->ranges[i].start)], 0,
               batch->ranges[i].size / PAGE_SIZE * sizeof(stale[0]));
}

/*
 * Memory.
 */

static struct boot_info info;

void machine_add_memory(paddr_t base, uint64_t length, enum boot_memory_type type)
{
    assert_true(base + length <= MACHINE_BYTES);
    info.memory[info.memory_count++] =
        (struct boot_memory_range){ .base = base, .length = length, .type = type };
}

void machine_start(void)
{
    void *memory = mmap(NULL, MACHINE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_true(memory != MAP_FAILED);
    host_physical_base = (uintptr_t)memory;
    host_physical_size = MACHINE_BYTES;
    host_cpu.task = &boot_task;
    /* Real memory is not clear when it is switched on: what nobody clears must not be relied on. */
    for (size_t i = 0; i < info.memory_count; i++)
        memset(phys_to_virt(info.memory[i].base), 0xA7, info.memory[i].length);
    early_memory_init(&info, 2 * MIB, MIB);
    assert_int_equal(page_init(), 0);
    pool_init();
    assert_int_equal(kmalloc_init(), 0);
    assert_int_equal(vm_init(), 0);
}
