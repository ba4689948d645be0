/*
 * Between the files of the clock.
 */
#pragma once

#include <stdint.h>

/** clock_start() - time begins at @cycles of the TSC; coarse until calibrated. BSP, first of all. */
void clock_start(uint64_t cycles);
