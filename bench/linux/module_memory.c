// SPDX-License-Identifier: MIT
/* Memory: the heap, pages, and the routines that move and sum bytes. */
#include "module.h"

#include <linux/crc32.h>
#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <net/checksum.h>

#define BATCH      256
#define ROUNDS     2000
#define LARGE      (1024 * 1024)
#define APART      (37 * PAGE_SIZE)      /* shell/bench/bench_memory.c says why */
#define BYTES_EACH (128UL * 1024 * 1024) /* moved for one number */

static void heap_batches(const char *name, size_t size)
{
    static void *objects[BATCH];
    u64 rounds = module_count(ROUNDS), start = ktime_get_ns();

    for (u64 round = 0; round < rounds; round++) {
        for (int i = 0; i < BATCH; i++)
            objects[i] = kmalloc(size, GFP_KERNEL);
        for (int i = 0; i < BATCH; i++)
            kfree(objects[i]);
    }
    module_report_per(name, ktime_get_ns() - start, BATCH * rounds);
}

void bench_heap(void)
{
    static struct page *pages[BATCH];
    u64 rounds = module_count(ROUNDS), start;

    heap_batches("kmalloc_kfree_64", 64);
    heap_batches("kmalloc_kfree_1024", 1024);
    start = ktime_get_ns();
    for (u64 round = 0; round < rounds; round++) {
        for (int i = 0; i < BATCH; i++)
            pages[i] = alloc_page(GFP_KERNEL);
        for (int i = 0; i < BATCH; i++)
            if (pages[i])
                __free_page(pages[i]);
    }
    module_report_per("page_alloc_free", ktime_get_ns() - start, BATCH * rounds);
}

static volatile u32 sink;

static void run_memcpy(u8 *to, const u8 *from, size_t size)
{
    memcpy(to, from, size);
}

static void run_memset(u8 *to, const u8 *from, size_t size)
{
    memset(to, from[0], size);
}

static void run_checksum(u8 *to, const u8 *from, size_t size)
{
    sink = (__force u32)csum_partial(from, size, 0);
}

static void run_crc32(u8 *to, const u8 *from, size_t size)
{
    sink = crc32_le(~0u, from, size);
}

void bench_bytes(void)
{
    static const struct {
        const char *name;
        void (*run)(u8 *to, const u8 *from, size_t size);
    } routines[] = { { "memcpy", run_memcpy },
                     { "memset", run_memset },
                     { "checksum", run_checksum },
                     { "crc32", run_crc32 } };
    static const size_t sizes[] = { 64, 1460, LARGE };
    u8 *to = (u8 *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, get_order(LARGE));
    u8 *source = (u8 *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, get_order(2 * LARGE));
    const u8 *from = source + APART;
    char name[32];

    for (size_t r = 0; to && source && r < ARRAY_SIZE(routines); r++)
        for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
            size_t count = module_count(BYTES_EACH / sizes[s] / (sizes[s] == 64 ? 8 : 1));
            u64 start = ktime_get_ns();
            for (size_t i = 0; i < count; i++)
                routines[r].run(to, from, sizes[s]);
            u64 ns = ktime_get_ns() - start;
            snprintf(name, sizeof(name), "%s_%zu", routines[r].name, sizes[s]);
            module_report(name, ns ? count * sizes[s] * 1000 / ns : 0, "MB/s");
        }
    free_pages((unsigned long)to, get_order(LARGE));
    free_pages((unsigned long)source, get_order(2 * LARGE));
}
