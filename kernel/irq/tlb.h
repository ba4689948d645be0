/*
 * Batched TLB shoot-down: unmap many ranges, then flush all CPUs once.
 */
#pragma once

#include <stddef.h>

#include "lib/types.h"

#define TLB_BATCH_RANGES 16 /* more than this and everything is flushed */

struct tlb_batch {
    struct {
        vaddr_t start;
        size_t size;
    } ranges[TLB_BATCH_RANGES];
    unsigned int count; /* TLB_BATCH_RANGES + 1: all */
};

static inline void tlb_batch_init(struct tlb_batch *batch)
{
    batch->count = 0;
}
void tlb_batch_add(struct tlb_batch *batch, vaddr_t start, size_t size);

/**
 * tlb_shootdown() - no CPU uses the old translations of the batch's ranges when this returns
 * Context: interrupts on, no spinlock held of a rank at or above LOCK_RANK_IPI.
 */
void tlb_shootdown(struct tlb_batch *batch);
