/*
 * Benchmarks of memory: the heap, pages, and the routines that move and sum bytes.
 */
#include "arch/mmu.h"
#include "lib/checksum.h"
#include "lib/crc32.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "shell/bench/bench.h"

#define BATCH  256
#define ROUNDS 2000

static int heap_batches(struct bench *bench, const char *name, size_t size)
{
    static void *objects[BATCH]; /* one bench at a time is measured anyway */
    uint64_t rounds = bench_count(bench, ROUNDS);
    int error = 0;
    uint64_t start = clock_now_ns();

    for (uint64_t round = 0; round < rounds && !error; round++) {
        for (int i = 0; i < BATCH; i++)
            objects[i] = kmalloc(size);
        for (int i = 0; i < BATCH; i++) {
            if (!objects[i])
                error = -ENOMEM;
            kfree(objects[i]);
        }
    }
    if (!error)
        bench_report_per(bench, name, clock_now_ns() - start, BATCH * rounds);
    return error;
}

static int page_batches(struct bench *bench)
{
    static void *pages[BATCH];
    uint64_t rounds = bench_count(bench, ROUNDS);
    int error = 0;
    uint64_t start = clock_now_ns();

    for (uint64_t round = 0; round < rounds && !error; round++) {
        for (int i = 0; i < BATCH; i++)
            pages[i] = page_alloc(1, 0, "bench");
        for (int i = 0; i < BATCH; i++) {
            if (!pages[i])
                error = -ENOMEM;
            page_free(pages[i]);
        }
    }
    if (!error)
        bench_report_per(bench, "page_alloc_free", clock_now_ns() - start, BATCH * rounds);
    return error;
}

static int heap_bench(struct bench *bench)
{
    int error = heap_batches(bench, "kmalloc_kfree_64", 64);

    if (!error)
        error = heap_batches(bench, "kmalloc_kfree_1024", 1024);
    return error ? error : page_batches(bench);
}
BENCH(heap, "kmalloc and kfree of 64 and 1024 bytes, and pages, in batches of 256", "", heap_bench);

/* ---- bytes --------------------------------------------------------------------------------- */

#define LARGE      (1024 * 1024)
#define APART      (37 * PAGE_SIZE)      /* see bytes_bench() */
#define BYTES_EACH (128UL * 1024 * 1024) /* moved for one number */

static volatile uint32_t sink; /* keeps results from being thrown away with their computation */

static void run_memcpy(uint8_t *to, const uint8_t *from, size_t size)
{
    memcpy(to, from, size);
}

static void run_memset(uint8_t *to, const uint8_t *from, size_t size)
{
    memset(to, from[0], size);
}

static void run_checksum(uint8_t *to __maybe_unused, const uint8_t *from, size_t size)
{
    sink = checksum_partial(from, size, 0);
}

static void run_crc32(uint8_t *to __maybe_unused, const uint8_t *from, size_t size)
{
    sink = crc32(from, size);
}

static const struct {
    const char *name;
    void (*run)(uint8_t *to, const uint8_t *from, size_t size);
} routines[] = {
    { "memcpy", run_memcpy },
    { "memset", run_memset },
    { "checksum", run_checksum },
    { "crc32", run_crc32 },
};

/* An emulator's TLB is direct-mapped: pages at the same distance from a power of two take turns in
 * one entry, and a copy between them is four times slower. So the two buffers lie differently. */
static int bytes_bench(struct bench *bench)
{
    static const size_t sizes[] = { 64, 1460, LARGE };
    uint8_t *to = page_alloc(LARGE / PAGE_SIZE, PAGE_ZERO, "bench");
    uint8_t *source = page_alloc(2 * LARGE / PAGE_SIZE, PAGE_ZERO, "bench");
    const uint8_t *from = source + APART;
    char name[32];

    for (size_t r = 0; to && source && r < ARRAY_SIZE(routines); r++)
        for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
            size_t count = bench_count(bench, BYTES_EACH / sizes[s] / (sizes[s] == 64 ? 8 : 1));
            uint64_t start = clock_now_ns();
            for (size_t i = 0; i < count; i++)
                routines[r].run(to, from, sizes[s]);
            snprintf(name, sizeof(name), "%s_%zu", routines[r].name, sizes[s]);
            bench_report(bench, name, bench_rate(count * sizes[s], clock_now_ns() - start), "MB/s");
        }
    int error = to && source ? 0 : -ENOMEM;
    page_free(to);
    page_free(source);
    return error;
}
BENCH(bytes, "memcpy, memset, checksum and CRC-32 of 64 B, 1460 B and 1 MiB", "", bytes_bench);
