/*
 * TLB shoot-down: one round of interrupts for a whole batch of ranges.
 */
#include "kernel/irq/tlb.h"

#include "arch/mmu.h"
#include "kernel/irq/ipi.h"
#include "kernel/sched/preempt.h"

void tlb_batch_add(struct tlb_batch *batch, vaddr_t start, size_t size)
{
    if (batch->count < TLB_BATCH_RANGES) {
        batch->ranges[batch->count].start = start;
        batch->ranges[batch->count].size = size;
    }
    if (batch->count <= TLB_BATCH_RANGES)
        batch->count++;
}

static void flush_batch(void *arg)
{
    const struct tlb_batch *batch = arg;

    if (batch->count > TLB_BATCH_RANGES) {
        mmu_flush_local(0, SIZE_MAX & ~(PAGE_SIZE - 1));
        return;
    }
    for (unsigned int i = 0; i < batch->count; i++)
        mmu_flush_local(batch->ranges[i].start, batch->ranges[i].size);
}

void tlb_shootdown(struct tlb_batch *batch)
{
    if (batch->count == 0)
        return;
    preempt_disable();
    flush_batch(batch);
    ipi_call_others(flush_batch, batch);
    preempt_enable();
    batch->count = 0;
}
