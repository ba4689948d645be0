/*
 * The kernel's random numbers. Above: everybody (kernel/random.h). Below: the sources (entropy.c).
 *
 * There is one base key, into which all entropy goes, and a generator per CPU whose key is derived
 * from it. New entropy raises the generation; a CPU that finds its generator behind takes a new
 * key before it gives another byte. So the common case takes no lock: interrupts off, a copy.
 *
 * Sources that answer at once are read on first use, and again when the last time is longer ago
 * than an interval that doubles from 1 s to about a minute: soon after boot, when least is known
 * to be there, most often. No timer runs for it.
 */
#include "kernel/random.h"

#include "arch/irq.h"
#include "arch/percpu.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/random/entropy.h"
#include "kernel/random/generator.h"
#include "kernel/random/random_internal.h"
#include "kernel/sync/spinlock.h"
#include "lib/string.h"

#define RESEED_FIRST_NS (1 * NS_PER_S)
#define RESEED_LAST_NS  (64 * NS_PER_S)

/* Bits that make guessing hopeless; with less there is a warning. */
#define ENOUGH_BITS 128

/* Bytes copied with interrupts off at a time. */
#define PIECE_MAX 256

static DEFINE_SPINLOCK(base_lock, "random_base", LOCK_RANK_RANDOM);
static struct generator base __guarded_global(base_lock);

static atomic_u64 generation;     /* of base; 0 until it is seeded */
static atomic_u64 entropy_bits;   /* mixed in since boot; statistics */
static atomic_u64 next_reseed_ns; /* when the sources are to be read again */
static atomic_u64 reseed_interval_ns = ATOMIC_INIT(RESEED_FIRST_NS);

struct cpu_generator {
    struct generator generator;
    uint64_t generation; /* of base when the key was derived */
};
static DEFINE_PER_CPU(struct cpu_generator, cpu_generator);

void random_mix(const void *data, size_t size, unsigned int bits)
{
    irqflags_t flags = spin_lock_irqsave(&base_lock);

    generator_mix(&base, data, size);
    atomic_fetch_add_relaxed(&entropy_bits, bits);
    /* Pairs with the acquire in refresh_generator(). */
    atomic_fetch_add_release(&generation, 1);
    spin_unlock_irqrestore(&base_lock, flags);
}

uint64_t random_entropy_bits(void)
{
    return atomic_load_relaxed(&entropy_bits);
}

uint64_t random_reseed_count(void)
{
    return atomic_load_relaxed(&generation);
}

/* The time goes in whatever the sources give: it does no harm and differs from boot to boot. */
static void mix_piece(const void *data, size_t size)
{
    uint64_t now[2] = { cpu_cycle_counter(), clock_now_ns() };

    random_mix(now, sizeof(now), 0);
    random_mix(data, size, 0);
}

/* Reads the sources if it is time. Two CPUs may do so at once on first use: no harm. */
static void reseed_if_due(void)
{
    uint64_t now = clock_now_ns();
    uint64_t due = atomic_load_relaxed(&next_reseed_ns);
    uint64_t interval = atomic_load_relaxed(&reseed_interval_ns);
    bool is_seeded = atomic_load_relaxed(&generation) != 0;

    if (is_seeded && now < due)
        return;
    if (!atomic_cmpxchg_relaxed(&next_reseed_ns, &due, now + interval) && is_seeded)
        return; /* another CPU does it */
    if (interval < RESEED_LAST_NS)
        atomic_store_relaxed(&reseed_interval_ns, 2 * interval);

    unsigned int bits = entropy_collect(mix_piece);

    mix_piece(&now, sizeof(now)); /* so that it counts as seeded without any source */
    atomic_fetch_add_relaxed(&entropy_bits, bits);
}

/* Interrupts are off. */
static struct generator *refresh_generator(void)
{
    struct cpu_generator *mine = this_cpu_ptr(cpu_generator);
    uint8_t key[GENERATOR_KEY_SIZE];

    /* Pairs with the release in random_mix(). */
    if (mine->generation != atomic_load_acquire(&generation)) {
        irqflags_t flags = spin_lock_irqsave(&base_lock);

        mine->generation = atomic_load_relaxed(&generation);
        generator_read(&base, key, sizeof(key));
        spin_unlock_irqrestore(&base_lock, flags);

        generator_set_key(&mine->generator, key);
        memzero_explicit(key, sizeof(key));
    }
    return &mine->generator;
}

void random_bytes(void *data, size_t size)
{
    uint8_t *to = data;

    reseed_if_due();
    while (size) {
        size_t piece = MIN(size, (size_t)PIECE_MAX);
        irqflags_t flags = irq_save();

        generator_read(refresh_generator(), to, piece);
        irq_restore(flags);
        to += piece;
        size -= piece;
    }
}

uint32_t random_u32(void)
{
    uint32_t word;

    random_bytes(&word, sizeof(word));
    return word;
}

uint64_t random_u64(void)
{
    uint64_t word;

    random_bytes(&word, sizeof(word));
    return word;
}

/*
 * The high half of a product of a random word and @bound; low halves below 2^32 mod @bound belong
 * to results that would come once too often (Lemire, "Fast random integer generation", 2019).
 */
uint32_t random_below(uint32_t bound)
{
    uint32_t surplus = -bound % bound;

    for (;;) {
        uint64_t product = (uint64_t)random_u32() * bound;

        if ((uint32_t)product >= surplus)
            return (uint32_t)(product >> 32);
    }
}

static int __init random_init(void)
{
    reseed_if_due();
    log_info("random", "seeded with %llu bits of entropy",
             (unsigned long long)random_entropy_bits());
    return 0;
}
INIT_HOOK(random_init, INIT_CORE);

/* After the drivers: by now a virtio-rng has had its chance. */
static int __init random_check(void)
{
    if (random_entropy_bits() < ENOUGH_BITS)
        log_warning("random",
                    "only %llu bits of entropy: no RDRAND, no virtio-rng; keys made now "
                    "might be guessed",
                    (unsigned long long)random_entropy_bits());
    return 0;
}
INIT_HOOK(random_check, INIT_APP);
