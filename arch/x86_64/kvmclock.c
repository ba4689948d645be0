/*
 * KVM's clock: see kvmclock.h.
 */
#include "arch/x86_64/kvmclock.h"

#include "lib/atomic.h"

uint64_t kvmclock_scale(uint64_t cycles, uint32_t multiplier, int8_t shift)
{
    if (shift >= 64 || shift <= -64)
        return 0;
    cycles = shift < 0 ? cycles >> -shift : cycles << shift;
    return (uint64_t)(((unsigned __int128)cycles * multiplier) >> 32);
}

/*
 * The writer makes the version odd, writes, and makes it even again. The acquire keeps the fields'
 * loads after the first look, the fence keeps the second look after them.
 */
uint64_t kvmclock_read(const volatile struct kvmclock_time *time, uint64_t (*read_tsc)(void),
                       uint8_t *flags)
{
    for (;;) {
        uint32_t version = __atomic_load_n(&time->version, __ATOMIC_ACQUIRE);
        uint64_t timestamp = __atomic_load_n(&time->tsc_timestamp, __ATOMIC_RELAXED);
        uint64_t base = __atomic_load_n(&time->system_time, __ATOMIC_RELAXED);
        uint32_t multiplier = __atomic_load_n(&time->tsc_to_system_mul, __ATOMIC_RELAXED);
        int8_t shift = __atomic_load_n(&time->tsc_shift, __ATOMIC_RELAXED);
        uint8_t seen_flags = __atomic_load_n(&time->flags, __ATOMIC_RELAXED);
        uint64_t now = read_tsc();

        atomic_fence_acquire();
        if ((version & 1) || __atomic_load_n(&time->version, __ATOMIC_RELAXED) != version)
            continue;
        if (flags)
            *flags = seen_flags;
        uint64_t cycles = now > timestamp ? now - timestamp : 0;
        return base + kvmclock_scale(cycles, multiplier, shift);
    }
}

uint64_t kvmclock_hz(uint32_t multiplier, int8_t shift)
{
    if (multiplier == 0 || shift <= -32 || shift >= 32)
        return 0;
    /* ns = (cycles << shift) * multiplier / 2^32, so cycles a second = 10^9 * 2^32 / that. */
    uint64_t hz = (1000000000ULL << 32) / multiplier;
    return shift < 0 ? hz << -shift : hz >> shift;
}
