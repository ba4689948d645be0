/*
 * Kinds of number that must not be mixed up. All are 64 bits wide; the names say what they count.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t paddr_t;    /* physical address, what devices and page tables see */
typedef uint64_t vaddr_t;    /* virtual address */
typedef uint64_t lba_t;      /* disk address in sectors of 512 bytes */
typedef uint64_t irqflags_t; /* interrupt state saved by an irqsave operation */
