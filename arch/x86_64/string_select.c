/*
 * Chooses how large stretches of memory are copied and filled (arch/x86_64/string.S).
 *
 * By measuring: CPUID has a bit for fast rep movsb (ERMS), but an emulator that shows the bit is
 * slowest at just that. 4 KiB are enough to tell the ways apart (under TCG 0.3, 2.5 and 2.9 GB/s),
 * the best of several rounds is not disturbed by a host that looks away, and all of it takes less
 * than a quarter of a millisecond.
 */
#include "arch/x86_64/string_select.h"

#include "arch/cpu.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define PROBE_SIZE   4096
#define PROBE_ROUNDS 4

static const char *const variant_names[STRING_VARIANT_COUNT] = {
    [STRING_LOOP] = "8-byte moves",
    [STRING_QUADS] = "rep movsq",
    [STRING_BYTES] = "rep movsb",
};

/* Cycles of one copy and one fill in the best round. */
static uint64_t measure(enum string_variant variant, uint8_t *to, const uint8_t *from)
{
    uint64_t best = UINT64_MAX;

    string_select(variant);
    for (int round = 0; round < PROBE_ROUNDS; round++) {
        uint64_t start = cpu_cycle_counter();

        memcpy(to, from, PROBE_SIZE);
        compiler_barrier();
        memset(to, 0, PROBE_SIZE);
        compiler_barrier();
        best = MIN(best, cpu_cycle_counter() - start);
    }
    return best;
}

static int __init string_select_init(void)
{
    enum string_variant best = STRING_LOOP;
    uint64_t best_cycles = UINT64_MAX;
    uint8_t *memory = kmalloc(2 * PROBE_SIZE);

    if (!memory)
        return -ENOMEM;
    memset(memory, 0, 2 * PROBE_SIZE);
    for (unsigned int i = 0; i < STRING_VARIANT_COUNT; i++) {
        uint64_t cycles = measure((enum string_variant)i, memory, memory + PROBE_SIZE);

        if (cycles < best_cycles) {
            best_cycles = cycles;
            best = (enum string_variant)i;
        }
    }
    kfree(memory);
    string_select(best);
    log_debug("string", "copies by %s, %llu cycles for 8 KiB", variant_names[best],
              (unsigned long long)best_cycles);
    return 0;
}
INIT_HOOK(string_select_init, INIT_CORE);
