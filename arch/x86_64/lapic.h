/*
 * The local APIC of the running CPU, in xAPIC (memory) or x2APIC (MSR) mode. SDM vol. 3A 11.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/types.h"

/** lapic_map() - choose the mode and, for xAPIC, map the registers. BSP, once. 0 or -errno. */
int __must_check lapic_map(paddr_t address);

/** lapic_enable() - software-enable this CPU's APIC with all sources masked. Each CPU. */
void lapic_enable(void);

/** lapic_set_nmi_pin() - deliver LINT0 or LINT1 of this CPU as NMI. */
void lapic_set_nmi_pin(unsigned int lint);

bool lapic_is_x2apic(void);
uint32_t lapic_id(void);
void lapic_eoi(void);

/* ICR bits 0-19: SDM vol. 3A figure 11-12. */
enum lapic_delivery {
    LAPIC_FIXED = 0x000,
    LAPIC_NMI = 0x400,
    LAPIC_INIT = 0x4500,    /* with level assert */
    LAPIC_STARTUP = 0x4600, /* the vector is the page number of the code */
};

/** lapic_send() - an interprocessor interrupt to the APIC with that id. Context: any. */
void lapic_send(uint32_t apic_id, enum lapic_delivery delivery, unsigned int vector);

/* The timer. */
enum lapic_timer_mode {
    LAPIC_TIMER_ONE_SHOT,
    LAPIC_TIMER_TSC_DEADLINE
};
/** lapic_timer_init() - vector VECTOR_TIMER, not armed; one-shot counts the bus clock / 16. */
void lapic_timer_init(enum lapic_timer_mode mode);
void lapic_timer_set_count(uint32_t count); /* 0 stops it */
uint32_t lapic_timer_count(void);           /* what is left */
/** lapic_timer_mask() - count without interrupting, for calibration. */
void lapic_timer_mask(void);

#define LAPIC_TIMER_DIVIDER 16

/** lapic_error_status() - the error register, cleared by the read. */
uint32_t lapic_error_status(void);
