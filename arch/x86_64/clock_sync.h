/*
 * Do the TSCs of all CPUs agree?
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/**
 * clock_sync_observe() - compare this CPU's TSC with what the others have just seen
 * All CPUs that run it at the same time check each other: the BSP while it waits for the APs, and
 * each AP when it starts. One value that lies behind another CPU's earlier one is proof enough.
 */
void clock_sync_observe(void);

/** clock_sync_is_common() - no CPU was seen behind another. */
bool clock_sync_is_common(void);

/** clock_sync_never_back() - @ns, or the latest time given out if the TSCs disagree. Any context.
 */
uint64_t clock_sync_never_back(uint64_t ns);
