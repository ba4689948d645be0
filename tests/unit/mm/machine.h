/*
 * A machine for mm/: simulated physical memory, and the little of the kernel that mm/ stands on.
 *
 * Physical address 0 is somewhere in this process, and addresses up to MACHINE_BYTES can be RAM,
 * so the real allocator sees small addresses on both sides of 4 GiB. Locks check that they are used
 * rightly; a panic that a test expects comes back to it.
 */
#pragma once

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/boot/boot_info.h"

#define KIB 0x400UL
#define MIB 0x100000UL
#define GIB 0x40000000UL

#define MACHINE_BYTES (8 * GIB)

/** machine_add_memory() - a range of the memory map, before machine_start(). */
void machine_add_memory(paddr_t base, uint64_t length, enum boot_memory_type type);

/** machine_start() - boot: early memory, page allocator and heap. The image is at 2 MiB, 1 MiB
 * long. */
void machine_start(void);

/** machine_poke() - write to memory behind the back of the allocator's promises. */
static inline void machine_poke(void *address, uint8_t value)
{
    *(volatile uint8_t *)address = value;
}

extern size_t machine_shootdowns; /* TLB shoot-downs so far */
extern size_t machine_map_budget; /* mmu_map() succeeds this many times more */
bool machine_is_mapped(const void *address);

/* For machine_expect_panic(). */
extern jmp_buf *machine_panic_jump;
extern char machine_panic_text[1024];
void machine_check_panic(bool happened, const char *first, const char *second, const char *file,
                         int line);

/* The statement panics, with a message that contains both texts. */
#define machine_expect_panic(statement, first, second)                                             \
    do {                                                                                           \
        jmp_buf jump;                                                                              \
        volatile bool happened = false;                                                            \
                                                                                                   \
        machine_panic_jump = &jump;                                                                \
        if (setjmp(jump) == 0) {                                                                   \
            statement;                                                                             \
        } else {                                                                                   \
            happened = true;                                                                       \
        }                                                                                          \
        machine_panic_jump = NULL;                                                                 \
        machine_check_panic(happened, first, second, __FILE__, __LINE__);                          \
    } while (0)
