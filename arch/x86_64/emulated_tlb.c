/*
 * QEMU's emulator keeps the translations that a CPU has used in a table of its own, direct-mapped,
 * of 256 entries at first: enough for 1 MiB. Two pages whose numbers differ by a multiple of that
 * take turns in one entry: 15 to 20 ns for each access, and when more than eight pages are put out
 * like that, a walk of the page tables, some 100 ns. It is a matter of luck which pages those are:
 * 45 of 150 ns of kmalloc() and kfree() were lost in one kernel and none in the next, because a
 * variable and a magazine came to lie 0x8001ee00 pages apart.
 *
 * QEMU makes the table larger or smaller by how full it was, but only at the moment when the guest
 * flushes it, and smaller only when that is the first flush for 100 ms (accel/tcg/cputlb.c:
 * tlb_mmu_resize_locked()). A kernel that hardly ever flushes therefore keeps the small one.
 *
 * So where that emulator says that it is there, and nowhere else, a CPU uses up the table at its
 * first switch between tasks, flushes, and does so again until it has ENTRIES entries. Then it
 * flushes now and then as it switches, so that the table may grow with what the kernel does, and
 * before that touches so many pages that it does not shrink: 0.2 ms. A timer was tried, for the
 * sake of tasks that run alone for long, and taken out again: it has idle CPUs wake up, and an
 * expiry now and then makes all other timers dearer.
 */
#include "arch/mmu.h"
#include "arch/percpu.h"
#include "arch/x86_64/cpu_features.h"
#include "arch/x86_64/instructions.h"
#include "kernel/time/clock.h"
#include "mm/early.h"

#define FLUSH_INTERVAL_NS (200 * NS_PER_MS)
#define ENTRIES_AT_FIRST  256
#define ENTRIES           4096

/* Its own CPU's only, interrupts off. */
static DEFINE_PER_CPU(uint64_t, flush_due_ns); /* 0: the table has its first size */

/* The RAM that pages can be touched in: the largest piece. */
static struct memory_range largest_range(void)
{
    const struct memory_range *ranges;
    size_t count = early_memory_ram(&ranges);
    struct memory_range largest = { 0 };

    for (size_t i = 0; i < count; i++)
        if (ranges[i].length > largest.length)
            largest = ranges[i];
    return largest;
}

/* Uses the entries of @count pages, or of as many as there are, and flushes. */
static void touch_and_flush(size_t count)
{
    struct memory_range range = largest_range();
    const uint8_t *ram = phys_to_virt(range.base);

    count = MIN(count, range.length >> PAGE_SHIFT);
    for (size_t i = 0; i < count; i++)
        (void)READ_ONCE(ram[i << PAGE_SHIFT]);
    cr3_write(cr3_read()); /* this emulator flushes global pages too */
}

void mmu_note_switch(uint64_t now_ns)
{
    uint64_t *due_ns = this_cpu_ptr(flush_due_ns);

    if (likely(!cpu_features.is_tcg || now_ns < *due_ns))
        return;
    if (!*due_ns)
        for (size_t entries = ENTRIES_AT_FIRST; entries < ENTRIES; entries *= 2)
            touch_and_flush(entries); /* twice as many when seven in ten are used */
    else
        touch_and_flush(ENTRIES / 2 + 1); /* so many have no fewer than ENTRIES */
    *due_ns = now_ns + FLUSH_INTERVAL_NS;
}
