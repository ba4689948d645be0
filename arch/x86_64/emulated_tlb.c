/*
 * QEMU's emulator keeps the translations that a CPU has used in a table of its own, direct-mapped,
 * of 256 entries at first: enough for 1 MiB. It makes the table larger or smaller by how full it
 * was, but only at the moment when the guest flushes it (QEMU, accel/tcg/cputlb.c:
 * tlb_mmu_resize_locked()). A kernel that hardly ever flushes therefore keeps the small one, and
 * pays for a walk of its page tables, some 100 ns, at most accesses to anything that is spread over
 * more: a hash table, ten thousand connections, a megabyte that is copied.
 *
 * So where that emulator says that it is there, and nowhere else, a CPU flushes its TLB now and
 * then as it switches between tasks: that costs the refilling of what is in use, 0.1 ms for each
 * thousand pages. A timer was tried, for the sake of tasks that run alone for long, and taken out
 * again: it has idle CPUs wake up, and an expiry now and then makes all other timers dearer.
 */
#include "arch/mmu.h"
#include "arch/percpu.h"
#include "arch/x86_64/cpu_features.h"
#include "arch/x86_64/instructions.h"
#include "kernel/time/clock.h"

#define FLUSH_INTERVAL_NS (200 * NS_PER_MS)

/* Its own CPU's only, interrupts off. */
static DEFINE_PER_CPU(uint64_t, flush_due_ns);

void mmu_note_switch(uint64_t now_ns)
{
    uint64_t *due_ns = this_cpu_ptr(flush_due_ns);

    if (likely(!cpu_features.is_tcg || now_ns < *due_ns))
        return;
    *due_ns = now_ns + FLUSH_INTERVAL_NS;
    cr3_write(cr3_read()); /* this emulator flushes global pages too */
}
