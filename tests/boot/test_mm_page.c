/*
 * Boot tests of the page allocator: on the memory of this machine, from all of its CPUs.
 */
#include "arch/cpu.h"
#include "arch/irq.h"
#include "kernel/log.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"
#include "mm/owner.h"
#include "mm/page.h"
#include "mm/vm.h"
#include "tests/boot/boot_cache.h"
#include "tests/boot_test.h"

#define PATIENCE (30 * NS_PER_S) /* a hang, not a speed, is what this detects */

static void stamp(uint64_t *pages, size_t count, uint64_t value)
{
    for (size_t i = 0; i < count; i++) {
        pages[i * PAGE_SIZE / sizeof(*pages)] = value + i;
        pages[(i + 1) * PAGE_SIZE / sizeof(*pages) - 1] = ~(value + i);
    }
}

static bool has_stamp(const uint64_t *pages, size_t count, uint64_t value)
{
    for (size_t i = 0; i < count; i++)
        if (pages[i * PAGE_SIZE / sizeof(*pages)] != value + i ||
            pages[(i + 1) * PAGE_SIZE / sizeof(*pages) - 1] != ~(value + i))
            return false;
    return true;
}

static bool is_cleared(const uint64_t *pages, size_t count)
{
    for (size_t i = 0; i < count * PAGE_SIZE / sizeof(*pages); i++)
        if (pages[i])
            return false;
    return true;
}

static void check_run(uint64_t *run, size_t count)
{
    paddr_t first = page_to_phys(run), paddr;

    EXPECT(has_stamp(run, count, count << 32));
    for (size_t i = 0; i < count; i++) {
        EXPECT(virt_to_phys((uint8_t *)run + i * PAGE_SIZE, &paddr));
        EXPECT_EQ(paddr, first + i * PAGE_SIZE);
    }
}

#define RUNS_AT_A_TIME 8 /* of 128 pages: 4 MiB, which a machine of 16 MiB has */

BOOT_TEST(mm, contiguous_pages)
{
    uint64_t *runs[RUNS_AT_A_TIME] = { NULL };

    for (size_t count = 1; count <= 128 + RUNS_AT_A_TIME; count++) {
        uint64_t **run = &runs[count % RUNS_AT_A_TIME];

        if (*run) {
            check_run(*run, count - RUNS_AT_A_TIME);
            page_free(*run);
            *run = NULL;
        }
        if (count > 128)
            continue;
        *run = page_alloc(count, count % 2 ? PAGE_ZERO : 0, "boot test");
        EXPECT(*run);
        EXPECT(count % 2 == 0 || is_cleared(*run, count));
        stamp(*run, count, count << 32);
    }
}

BOOT_TEST(mm, pages_below_and_above_4_gib)
{
    uint64_t *low = page_alloc(3, PAGE_DMA32, "boot test");
    uint64_t *high = page_alloc(3, 0, "boot test");
    struct page_statistics statistics;

    EXPECT(low && high);
    EXPECT(page_to_phys(low) + 3 * PAGE_SIZE <= 1ULL << 32);
    /* A machine with more than 4 GiB has some of it above, and that is used first. */
    page_statistics(&statistics);
    EXPECT(statistics.total_pages < 1UL << 20 || page_to_phys(high) >= 1ULL << 32);
    stamp(low, 3, 1);
    stamp(high, 3, 2);
    EXPECT(has_stamp(low, 3, 1) && has_stamp(high, 3, 2));
    page_free(low);
    page_free(high);
}

/*
 * Churn: every CPU allocates and frees runs, and passes some on, to be freed by another CPU.
 */

#define CHURN_STEPS 12000 /* shared by the CPUs */
#define CHURN_OWN   16
#define CHURN_SHARE 32

struct parcel {
    size_t count;
    uint64_t value;
};

static uint64_t *shared[CHURN_SHARE]; /* atomic; a run that begins with its struct parcel */

static uint64_t *make_run(size_t count, uint64_t value)
{
    uint64_t *run = page_alloc(count, 0, "boot test");
    struct parcel *parcel;

    if (!run)
        return NULL;
    stamp(run, count, value);
    parcel = (struct parcel *)(run + 1);
    parcel->count = count;
    parcel->value = value;
    return run;
}

static bool break_run(uint64_t *run)
{
    struct parcel parcel;
    bool is_whole;

    if (!run)
        return true;
    parcel = *(struct parcel *)(run + 1);
    is_whole = parcel.count && parcel.count <= 20 && has_stamp(run, parcel.count, parcel.value);
    page_free(run);
    return is_whole;
}

static int churn(void *arg)
{
    uint64_t *own[CHURN_OWN] = { NULL };
    uint32_t state = (uint32_t)(uintptr_t)arg + 1;
    bool ok = true;

    for (size_t step = 0; step < CHURN_STEPS / cpu_online_count(); step++) {
        uint64_t **slot;

        state = state * 1664525u + 1013904223u;
        slot = &own[(state >> 16) % CHURN_OWN];
        ok &= break_run(*slot);
        *slot = make_run((state >> 8) % 4 ? 1 : 1 + (state >> 24) % 20, (uint64_t)state << 20);
        slot = &own[(state >> 20) % CHURN_OWN];
        *slot = __atomic_exchange_n(&shared[(state >> 10) % CHURN_SHARE], *slot, __ATOMIC_ACQ_REL);
    }
    for (size_t i = 0; i < CHURN_OWN; i++)
        ok &= break_run(own[i]);
    return ok ? 0 : -EIO;
}

BOOT_TEST(mm, page_churn_on_all_cpus)
{
    static struct task *tasks[CPU_MAX];
    unsigned int cpu;
    int status;

    for_each_online_cpu(cpu)
        EXPECT_EQ(task_create_on(cpu, "page churn", churn, (void *)(uintptr_t)cpu, &tasks[cpu]), 0);
    for_each_online_cpu(cpu) {
        EXPECT_EQ(task_join(tasks[cpu], &status, deadline_after_ns(PATIENCE)), 0);
        EXPECT_EQ(status, 0);
    }
    for (size_t i = 0; i < CHURN_SHARE; i++) {
        EXPECT(break_run(shared[i]));
        shared[i] = NULL;
    }
}

/* Adds all there is to @chain, in pieces as large as there are. */
static void *take_everything(void *chain)
{
    for (size_t count = 4096; count > 0; count /= 2) {
        void **run;

        while ((run = page_alloc(count, 0, "boot test")) != NULL) {
            *run = chain;
            chain = run;
        }
    }
    return chain;
}

#define EXHAUST_MAX                                                                                \
    (1UL << 17) /* pages: 512 MiB; debug builds fill what is freed, which takes time */

/* Free, or come to describe other pages, which they do until the end. */
static size_t free_or_describing(void)
{
    struct page_statistics statistics;

    page_statistics(&statistics);
    return statistics.free_pages + owner_total(owner_number("page descriptions"));
}

static bool every_kind_fails(void)
{
    void *page = page_alloc(1, 0, "boot test");
    void *object = kmalloc(100000);
    void *range = vm_alloc(100 * PAGE_SIZE, MMU_READ | MMU_WRITE, "boot test");
    bool is_failure = !page && !object && !range;

    page_free(page);
    kfree(object);
    vm_free(range);
    return is_failure;
}

BOOT_TEST(mm, out_of_memory_is_an_error)
{
    uint64_t deadline = deadline_after_ns(20 * NS_PER_S);
    size_t free_before = free_or_describing();
    struct page_statistics before;
    bool all_failed;
    void **chain = NULL;

    page_statistics(&before);
    EXPECT(!page_alloc(before.total_pages + 1, 0, "boot test"));
    EXPECT(!kmalloc(before.total_pages * PAGE_SIZE));
    EXPECT(!vm_alloc(before.total_pages * PAGE_SIZE, MMU_READ | MMU_WRITE, "boot test"));
    EXPECT(free_or_describing() + 256 >= free_before);
    if (before.free_pages > EXHAUST_MAX) {
        log_info("mm", "too much memory to exhaust in a boot test");
        return;
    }
    boot_cache_fill();
    do { /* the task that shrinks caches may give back more when all that there was is taken */
        chain = take_everything(chain);
        all_failed = every_kind_fails();
    } while (!all_failed && clock_now_ns() < deadline);
    while (chain) {
        void **run = chain;

        chain = *run;
        page_free(run);
    }
    EXPECT(all_failed);
    EXPECT_EQ(boot_cache_count(), 0);
    EXPECT(free_or_describing() + 256 >= free_before); /* others go on meanwhile */
    chain = page_alloc(128, PAGE_ZERO, "boot test");
    EXPECT(chain);
    page_free(chain);
}
