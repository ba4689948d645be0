// SPDX-License-Identifier: MIT
/*
 * The rows of nos's `bench` that lie inside the kernel, done the way a Linux subsystem would: the
 * same names, counts and output, one line `NAME VALUE UNIT` each in the kernel log.
 */
#include <linux/completion.h>
#include <linux/crc32.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/semaphore.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>
#include <net/checksum.h>

#define SWITCHES   20000
#define CREATIONS  2000
#define LOCKINGS   200000
#define CONTENDERS 4
#define SLEEPS     300
#define BATCH      256
#define ROUNDS     200
#define LARGE      (1024 * 1024)
#define BYTES_EACH (64UL * 1024 * 1024)

static void report(const char *name, u64 value, const char *unit)
{
    pr_info("bench: %s %llu %s\n", name, value, unit);
}

static void report_per(const char *name, u64 ns, u64 count)
{
    u64 tenths = ns * 10 / count;

    pr_info("bench: %s %llu.%llu ns\n", name, tenths / 10, tenths % 10);
}

struct ping_pong {
    struct semaphore ping, pong;
    struct completion done;
};

static int ponging(void *arg)
{
    struct ping_pong *pair = arg;

    for (int i = 0; i < SWITCHES; i++) {
        down(&pair->ping);
        up(&pair->pong);
    }
    complete(&pair->done);
    return 0;
}

static int pinging(void *arg)
{
    struct ping_pong *pair = arg;

    for (int i = 0; i < SWITCHES; i++) {
        up(&pair->ping);
        down(&pair->pong);
    }
    complete(&pair->done);
    return 0;
}

static void bench_switch(const char *name, int cpu_a, int cpu_b)
{
    struct ping_pong pair;
    struct task_struct *a, *b;
    u64 start;

    sema_init(&pair.ping, 0);
    sema_init(&pair.pong, 0);
    init_completion(&pair.done);
    b = kthread_create(ponging, &pair, "bench-pong");
    a = kthread_create(pinging, &pair, "bench-ping");
    if (IS_ERR(a) || IS_ERR(b))
        return;
    kthread_bind(a, cpu_a);
    kthread_bind(b, cpu_b);
    start = ktime_get_ns();
    wake_up_process(b);
    wake_up_process(a);
    wait_for_completion(&pair.done);
    wait_for_completion(&pair.done);
    report_per(name, ktime_get_ns() - start, 2 * SWITCHES);
}

static int nothing(void *arg)
{
    return 0;
}

/* kthread_stop() waits for the thread to end, as a join does. */
static void bench_create(void)
{
    u64 start = ktime_get_ns();

    for (int i = 0; i < CREATIONS; i++) {
        struct task_struct *task = kthread_run(nothing, NULL, "bench");
        if (IS_ERR(task))
            return;
        kthread_stop(task);
    }
    report_per("task_create_join", ktime_get_ns() - start, CREATIONS);
}

static DEFINE_MUTEX(bench_mutex);
static DEFINE_SPINLOCK(bench_spinlock);
static DECLARE_COMPLETION(contended);

static int contender(void *arg)
{
    for (int i = 0; i < LOCKINGS / CONTENDERS / 4; i++) {
        mutex_lock(&bench_mutex);
        mutex_unlock(&bench_mutex);
    }
    complete(&contended);
    return 0;
}

static void bench_lock(void)
{
    u64 start = ktime_get_ns();

    for (int i = 0; i < LOCKINGS; i++) {
        mutex_lock(&bench_mutex);
        mutex_unlock(&bench_mutex);
    }
    report_per("mutex_uncontended", ktime_get_ns() - start, LOCKINGS);
    start = ktime_get_ns();
    for (int i = 0; i < LOCKINGS; i++) {
        spin_lock(&bench_spinlock);
        spin_unlock(&bench_spinlock);
    }
    report_per("spinlock_uncontended", ktime_get_ns() - start, LOCKINGS);
    start = ktime_get_ns();
    for (int i = 0; i < CONTENDERS; i++)
        if (IS_ERR(kthread_run(contender, NULL, "bench-mutex")))
            complete(&contended);
    for (int i = 0; i < CONTENDERS; i++)
        wait_for_completion(&contended);
    report_per("mutex_contended_4", ktime_get_ns() - start, LOCKINGS / 4);
}

static int compare(const void *a, const void *b)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;

    return x < y ? -1 : x > y;
}

static void bench_sleep(void)
{
    u64 *late = kcalloc(SLEEPS, sizeof(*late), GFP_KERNEL);

    if (!late)
        return;
    for (int i = 0; i < SLEEPS; i++) {
        ktime_t deadline = ktime_add_ns(ktime_get(), NSEC_PER_MSEC);
        set_current_state(TASK_UNINTERRUPTIBLE);
        schedule_hrtimeout(&deadline, HRTIMER_MODE_ABS);
        late[i] = ktime_get_ns() - ktime_to_ns(deadline);
    }
    sort(late, SLEEPS, sizeof(*late), compare, NULL);
    report("sleep_1ms_late_median", late[SLEEPS / 2], "ns");
    report("sleep_1ms_late_p99", late[SLEEPS * 99 / 100], "ns");
    kfree(late);
}

static void heap_batches(const char *name, size_t size)
{
    static void *objects[BATCH];
    u64 start = ktime_get_ns();

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BATCH; i++)
            objects[i] = kmalloc(size, GFP_KERNEL);
        for (int i = 0; i < BATCH; i++)
            kfree(objects[i]);
    }
    report_per(name, ktime_get_ns() - start, BATCH * ROUNDS);
}

static void bench_heap(void)
{
    static struct page *pages[BATCH];
    u64 start;

    heap_batches("kmalloc_kfree_64", 64);
    heap_batches("kmalloc_kfree_1024", 1024);
    start = ktime_get_ns();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BATCH; i++)
            pages[i] = alloc_page(GFP_KERNEL);
        for (int i = 0; i < BATCH; i++)
            if (pages[i])
                __free_page(pages[i]);
    }
    report_per("page_alloc_free", ktime_get_ns() - start, BATCH * ROUNDS);
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

static void bench_bytes(void)
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
    u8 *from = (u8 *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, get_order(LARGE));
    char name[32];

    for (size_t r = 0; to && from && r < ARRAY_SIZE(routines); r++)
        for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
            size_t count = BYTES_EACH / sizes[s] / (sizes[s] == 64 ? 8 : 1);
            u64 start = ktime_get_ns();
            for (size_t i = 0; i < count; i++)
                routines[r].run(to, from, sizes[s]);
            u64 ns = ktime_get_ns() - start;
            snprintf(name, sizeof(name), "%s_%zu", routines[r].name, sizes[s]);
            report(name, ns ? count * sizes[s] * 1000 / ns : 0, "MB/s");
        }
    free_pages((unsigned long)to, get_order(LARGE));
    free_pages((unsigned long)from, get_order(LARGE));
}

static int __init nos_bench_init(void)
{
    bench_switch("switch_same_cpu", 0, 0);
    if (num_online_cpus() > 1)
        bench_switch("switch_across_cpus", 0, 1);
    bench_create();
    bench_lock();
    bench_sleep();
    bench_heap();
    bench_bytes();
    return 0;
}

static void __exit nos_bench_exit(void)
{
}

module_init(nos_bench_init);
module_exit(nos_bench_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("rows of nos's benchmark inside Linux");
