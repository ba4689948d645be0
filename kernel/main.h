/*
 * Where the portable kernel begins.
 */
#pragma once

#include "lib/compiler.h"

/**
 * kernel_main() - start the kernel; called by the architecture
 * Context: BSP, interrupts off, on the boot stack; exceptions are handled, boot_info() is filled,
 * the early page tables reach the first 4 GiB.
 */
void __noreturn kernel_main(void);
