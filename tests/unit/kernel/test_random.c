/*
 * kernel/random/: when sources are read, what broken ones may not do, and that new entropy reaches
 * the next byte. The machine below (clock, counter, processor, locks, timers) is this file's own,
 * so that every moment and every value can be chosen.
 */
#include "kernel/random.h"

#include "arch/cpu.h"
#include "arch/irq.h"
#include "kernel/log.h"
#include "kernel/random/entropy.h"
#include "kernel/random/random_internal.h"
#include "kernel/sync/spinlock.h"
#include "lib/errno.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

// links: kernel/random/random.c kernel/random/entropy.c kernel/random/sources.c

/* ---- the machine ---------------------------------------------------------------------------- */

struct host_cpu host_cpu = { .irq_enabled = true };

static uint64_t now_ns, cycles;
static bool has_cpu_source, is_counter_steady;
static uint64_t cpu_word, cpu_word_step;
static unsigned int cpu_reads;
static struct unit_random jitter = { 99 };
static int locks_held;

void host_irq_enabled(void)
{
}

uint64_t host_cycle_counter(void)
{
    cycles += 40 + (is_counter_steady ? 0 : unit_random_below(&jitter, 16));
    return cycles;
}

bool cpu_random_seed(uint64_t *word)
{
    cpu_reads++;
    cpu_word += cpu_word_step;
    *word = cpu_word;
    return has_cpu_source;
}

uint64_t clock_read_ns(void)
{
    return now_ns;
}

irqflags_t spin_lock_irqsave(struct spinlock *lock)
{
    irqflags_t flags = irq_save();

    assert_int_equal(lock->rank, LOCK_RANK_RANDOM);
    assert_int_equal(locks_held++, 0); /* same rank: must not nest */
    return flags;
}

void spin_unlock_irqrestore(struct spinlock *lock, irqflags_t flags)
{
    (void)lock;
    locks_held--;
    irq_restore(flags);
}

/* The one timer of this machine, as it was started last. */
static uint64_t timer_deadline_ns, timer_period_ns;
static bool is_timer_armed;

void timer_init(struct timer *timer, const char *name, void (*callback)(struct timer *))
{
    *timer = (struct timer){ .name = name, .callback = callback };
}

void timer_start(struct timer *timer, uint64_t deadline_ns, uint64_t period_ns)
{
    (void)timer;
    timer_deadline_ns = deadline_ns;
    timer_period_ns = period_ns;
    is_timer_armed = true;
}

bool timer_stop_sync(struct timer *timer)
{
    bool was_armed = is_timer_armed;

    (void)timer;
    is_timer_armed = false;
    return was_armed;
}

void log_write(enum log_level level, const char *module, const char *format, ...)
{
    (void)level;
    (void)module;
    (void)format;
}

/* ---- tests ---------------------------------------------------------------------------------- */

/* A good processor and a counter that varies. Time only goes forward, far past any interval. */
static int healthy_machine(void **state)
{
    (void)state;
    has_cpu_source = true;
    is_counter_steady = false;
    cpu_word_step = 0x9E3779B97F4A7C15u;
    now_ns += 1000 * NS_PER_S;
    locks_held = 0;
    return 0;
}

struct found {
    const char *name;
    uint64_t bytes, failures;
};

static void look_at(const struct entropy_source *source, void *context)
{
    struct found *found = context;

    if (strcmp(source->name, found->name) == 0) {
        found->bytes = source->bytes.value;
        found->failures = source->failures.value;
    }
}

static struct found find_source(const char *name)
{
    struct found found = { .name = name, .bytes = UINT64_MAX };

    entropy_for_each(look_at, &found);
    return found;
}

/* First, because it looks at the very first use. */
static void test_seeded_before_the_first_byte(void **state)
{
    static const uint8_t zeros[64];
    uint8_t bytes[64];

    (void)state;
    assert_int_equal(random_entropy_bits(), 0);
    random_bytes(bytes, sizeof(bytes));
    assert_int_equal(random_entropy_bits(), 32 * 8 + 32 * 2);
    assert_memory_not_equal(bytes, zeros, sizeof(bytes));
    assert_int_equal(find_source("cpu").bytes, 32);
    assert_int_equal(find_source("jitter").bytes, 32);
}

/* Second: the interval starts at 1 s and doubles to 64 s. */
static void test_reseeding_schedule(void **state)
{
    static const unsigned int seconds[] = { 1, 2, 4, 8, 16, 32, 64, 64, 64 };
    unsigned int before;

    (void)state;
    now_ns -= 1000 * NS_PER_S; /* back to the first use, in the test before */
    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        before = cpu_reads;
        now_ns += seconds[i] * NS_PER_S - 1;
        random_u64();
        assert_int_equal(cpu_reads, before);
        now_ns += 1;
        random_u64();
        assert_true(cpu_reads > before);
        before = cpu_reads;
        random_u64();
        assert_int_equal(cpu_reads, before);
    }
}

static void reseed(void)
{
    now_ns += 100 * NS_PER_S;
    random_u64();
}

static void test_broken_processor_is_not_counted(void **state)
{
    struct found before = find_source("cpu");
    uint64_t bits = random_entropy_bits();

    (void)state;
    cpu_word_step = 0; /* always the same word */
    reseed();
    cpu_word = UINT64_MAX; /* and all ones */
    reseed();
    has_cpu_source = false;
    reseed();
    assert_int_equal(find_source("cpu").bytes, before.bytes);
    assert_int_equal(find_source("cpu").failures, before.failures + 3);
    assert_int_equal(random_entropy_bits(), bits + 3 * 64); /* the jitter's */
}

static void test_steady_counter_is_no_source(void **state)
{
    struct found before = find_source("jitter");

    (void)state;
    is_counter_steady = true;
    reseed();
    assert_int_equal(find_source("jitter").bytes, before.bytes);
    assert_int_equal(find_source("jitter").failures, before.failures + 1);
    assert_true(random_u64() != random_u64()); /* it goes on all the same */
}

static unsigned int requests;

static void count_request(struct entropy_source *source)
{
    (void)source;
    assert_int_equal(locks_held, 0);
    requests++;
}

static void test_device_is_asked_and_listed(void **state)
{
    struct entropy_source device = { .name = "device",
                                     .bits_per_byte = 8,
                                     .request = count_request };
    uint64_t bits = random_entropy_bits();

    (void)state;
    requests = 0;
    entropy_register(&device);
    assert_int_equal(requests, 1);
    assert_true(timer_deadline_ns == now_ns + ENTROPY_REQUEST_NS);
    assert_true(timer_period_ns == ENTROPY_REQUEST_NS);
    device.timer.callback(&device.timer);
    assert_int_equal(requests, 2);

    entropy_add(&device, "sixteen bytes !!", 16);
    assert_int_equal(random_entropy_bits(), bits + 128);
    assert_int_equal(find_source("device").bytes, 16);
    entropy_add(&device, NULL, 0);
    assert_int_equal(find_source("device").failures, 1);

    entropy_unregister(&device);
    assert_false(is_timer_armed);
    assert_true(find_source("device").bytes == UINT64_MAX);
}

/* The next random word of a copy of this process, in which @bytes have been added before. */
static uint64_t next_word_after_adding(const char *bytes)
{
    int ends[2], status;
    uint64_t word = 0;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();

    if (child == 0) {
        random_mix(bytes, strlen(bytes), 0);
        word = random_u64();
        _exit(write(ends[1], &word, sizeof(word)) == sizeof(word) ? 0 : 1);
    }
    assert_int_equal(read(ends[0], &word, sizeof(word)), sizeof(word));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(ends[0]);
    close(ends[1]);
    return word;
}

static void test_new_entropy_reaches_the_next_byte(void **state)
{
    (void)state;
    random_u64(); /* the generator's buffer is filled and has bytes left */
    assert_true(next_word_after_adding("heads") == next_word_after_adding("heads"));
    assert_true(next_word_after_adding("heads") != next_word_after_adding("tails"));
}

static void test_long_reads_differ(void **state)
{
    static uint8_t first[5000], second[5000];

    (void)state;
    random_bytes(first, sizeof(first));
    random_bytes(second, sizeof(second));
    assert_memory_not_equal(first, second, sizeof(first));
    for (size_t i = 0; i + 16 <= sizeof(first); i += 16) /* no piece comes twice */
        assert_memory_not_equal(first + i, second + i, 16);
    random_bytes(first, 0);
}

static void test_below(void **state)
{
    static const uint32_t bounds[] = { 1, 2, 3, 6, 7, 10, 100, 1u << 31, 0xC0000000u, UINT32_MAX };
    unsigned int counts[3] = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        for (int round = 0; round < 1000; round++)
            assert_true(random_below(bounds[i]) < bounds[i]);
    }
    /* Without the rejection, a third of this bound would come twice as often as the rest. */
    for (int round = 0; round < 30000; round++)
        counts[random_below(0xC0000000u) >> 30]++;
    for (int third = 0; third < 3; third++)
        assert_in_range(counts[third], 9600, 10400);
}

#define TEST(function) cmocka_unit_test_setup(function, healthy_machine)

UNIT_TESTS(TEST(test_seeded_before_the_first_byte), TEST(test_reseeding_schedule),
           TEST(test_broken_processor_is_not_counted), TEST(test_steady_counter_is_no_source),
           TEST(test_device_is_asked_and_listed), TEST(test_new_entropy_reaches_the_next_byte),
           TEST(test_long_reads_differ), TEST(test_below))
