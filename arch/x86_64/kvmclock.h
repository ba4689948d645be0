/*
 * The arithmetic and the version protocol of KVM's paravirtual clock. Pure: unit-tested on the
 * host. Spec: Linux Documentation/virt/kvm/x86/msr.rst, MSR_KVM_SYSTEM_TIME_NEW.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/compiler.h"

/* Written by the hypervisor, at any moment, for one CPU. */
struct kvmclock_time {
    uint32_t version; /* odd while it is being written; changes with each write */
    uint32_t pad0;
    uint64_t tsc_timestamp; /* TSC when system_time was taken */
    uint64_t system_time;   /* ns */
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad[2];
};
BUILD_ASSERT(sizeof(struct kvmclock_time) == 32);

#define KVMCLOCK_TSC_STABLE (1u << 0) /* the same on all CPUs */

struct kvmclock_wall {
    uint32_t version;
    uint32_t seconds;
    uint32_t nanoseconds;
};

/** kvmclock_scale() - @cycles of the TSC in ns: shifted by @shift, times @multiplier / 2^32. */
uint64_t kvmclock_scale(uint64_t cycles, uint32_t multiplier, int8_t shift);

/**
 * kvmclock_read() - the time now, whole in spite of a concurrent writer
 * @read_tsc: the counter; called between the two looks at the version
 * @flags: out, may be NULL: those of the same version
 * A TSC slightly behind the timestamp (another CPU's) counts as the timestamp.
 */
uint64_t kvmclock_read(const volatile struct kvmclock_time *time, uint64_t (*read_tsc)(void),
                       uint8_t *flags);

/** kvmclock_hz() - TSC frequency in that multiplier and shift; 0 for a multiplier of 0. */
uint64_t kvmclock_hz(uint32_t multiplier, int8_t shift);
