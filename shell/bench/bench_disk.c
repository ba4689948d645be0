/*
 * Benchmark of disks: sequential and random requests, one and many in flight. Reads only, unless
 * `write` is asked for, which destroys what is on the disk.
 */
#include "arch/mmu.h"
#include "block/block_device.h"
#include "kernel/random.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "shell/bench/bench.h"

#define IN_FLIGHT_MAX 32
#define LARGE_SECTORS 256                                 /* 128 KiB */
#define SMALL_SECTORS 8                                   /* 4 KiB */
#define LARGE_TOTAL   (512UL * 1024 * 1024 / SECTOR_SIZE) /* round and round a smaller disk */
#define SMALL_COUNT   10000

struct disk_run;

struct disk_slot {
    struct disk_run *run;
    struct block_request request;
    struct scatter_segment segment;
};

struct disk_run {
    struct block_device *device;
    enum block_operation operation;
    uint64_t sectors; /* of a request */
    bool is_random;
    uint64_t left;     /* requests still to send; atomic */
    uint64_t next_lba; /* atomic */
    int error;         /* atomic */
    struct wait_group slots;
    struct disk_slot slot[IN_FLIGHT_MAX];
};

static lba_t choose_lba(struct disk_run *run)
{
    uint64_t places = run->device->sectors / run->sectors;

    if (run->is_random)
        return random_u64() % places * run->sectors;
    uint64_t number = __atomic_fetch_add(&run->next_lba, 1, __ATOMIC_RELAXED);
    return number % places * run->sectors;
}

/* Send the slot's next request; when there is none, the slot is done. */
static void send_next(struct disk_slot *slot)
{
    struct disk_run *run = slot->run;
    uint64_t left = __atomic_load_n(&run->left, __ATOMIC_RELAXED);

    do {
        if (left == 0 || __atomic_load_n(&run->error, __ATOMIC_RELAXED)) {
            wait_group_done(&run->slots, 0);
            return;
        }
    } while (!__atomic_compare_exchange_n(&run->left, &left, left - 1, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    slot->request.lba = choose_lba(run);
    slot->request.deadline_ns = 0;
    block_submit(&slot->request);
}

static void slot_complete(struct block_request *request)
{
    struct disk_slot *slot = container_of(request, struct disk_slot, request);

    if (request->error)
        __atomic_store_n(&slot->run->error, request->error, __ATOMIC_RELAXED);
    send_next(slot);
}

static int run_slots(struct disk_run *run, uint8_t *buffers, unsigned int in_flight)
{
    wait_group_init(&run->slots, "bench disk");
    wait_group_add(&run->slots, (int)in_flight);
    for (unsigned int i = 0; i < in_flight; i++) {
        struct disk_slot *slot = &run->slot[i];
        slot->run = run;
        slot->segment =
            (struct scatter_segment){ direct_map_to_phys(buffers + i * LARGE_SECTORS * SECTOR_SIZE),
                                      (uint32_t)(run->sectors * SECTOR_SIZE) };
        slot->request = (struct block_request){ .device = run->device,
                                                .operation = run->operation,
                                                .sectors = run->sectors,
                                                .segments = &slot->segment,
                                                .segment_count = 1,
                                                .complete = slot_complete };
        send_next(slot);
    }
    int error = wait_group_wait(&run->slots, DEADLINE_NEVER, WAIT_UNCANCELLABLE);
    return error ? error : run->error;
}

static int measure(struct bench *bench, struct disk_run *run, uint8_t *buffers,
                   unsigned int in_flight)
{
    uint64_t count = bench_count(bench, run->is_random ? SMALL_COUNT : LARGE_TOTAL / run->sectors);
    char name[48];

    run->left = count;
    run->next_lba = 0;
    run->error = 0;
    uint64_t start = bench_now_ns();
    int error = run_slots(run, buffers, in_flight);
    uint64_t ns = bench_now_ns() - start;
    if (error) {
        shell_error(bench->shell, "%s: %s", run->device->name, errno_text(error));
        return error;
    }
    snprintf(name, sizeof(name), "disk_%s_%s_%u", run->operation == BLOCK_READ ? "read" : "write",
             run->is_random ? "4k_random" : "128k", in_flight);
    if (run->is_random)
        bench_report(bench, name, count * NS_PER_S / MAX(ns, (uint64_t)1), "requests/s");
    else
        bench_report(bench, name, bench_rate(count * run->sectors * SECTOR_SIZE, ns), "MB/s");
    return task_is_cancelled() ? -ECANCELED : 0;
}

static int measure_all(struct bench *bench, struct disk_run *run, uint8_t *buffers)
{
    static const unsigned int depths[] = { 1, IN_FLIGHT_MAX };
    int error = 0;

    for (size_t i = 0; !error && i < ARRAY_SIZE(depths); i++) {
        run->is_random = false;
        run->sectors = LARGE_SECTORS;
        error = measure(bench, run, buffers, depths[i]);
        run->is_random = true;
        run->sectors = SMALL_SECTORS;
        if (!error && run->operation == BLOCK_READ)
            error = measure(bench, run, buffers, depths[i]);
    }
    if (!error && run->operation == BLOCK_WRITE)
        error = block_flush(run->device);
    return error;
}

static int run_on(struct bench *bench, struct block_device *device, bool is_write)
{
    struct disk_run *run = kzalloc(sizeof(*run));
    uint8_t *buffers =
        page_alloc(IN_FLIGHT_MAX * LARGE_SECTORS * SECTOR_SIZE / PAGE_SIZE, PAGE_ZERO, "bench");
    const char *holder = NULL;
    int error = run && buffers ? 0 : -ENOMEM;

    if (!error && is_write) {
        error = block_claim(device, "bench", &holder);
        if (error)
            shell_error(bench->shell, "%s is in use by %s", device->name, holder);
    }
    if (!error) {
        run->device = device;
        run->operation = is_write ? BLOCK_WRITE : BLOCK_READ;
        error = measure_all(bench, run, buffers);
        if (is_write)
            block_release(device);
    }
    page_free(buffers);
    kfree(run);
    return error;
}

static int disk_bench(struct bench *bench)
{
    bool is_write = bench->argc == 2 && strcmp(bench->argv[1], "write") == 0;

    if (bench->argc < 1 || bench->argc > 2 || (bench->argc == 2 && !is_write)) {
        shell_error(bench->shell, "usage: bench disk DISK [write]; write destroys what is on it");
        return -EINVAL;
    }
    struct block_device *device = block_device_find(bench->argv[0]);
    if (!device) {
        shell_error(bench->shell, "no disk named %s; `disks` lists them", bench->argv[0]);
        return -ENODEV;
    }
    int error = device->sectors >= LARGE_SECTORS ? run_on(bench, device, is_write) : -ENOSPC;
    block_device_put(device);
    return error;
}
BENCH(disk, "128 KiB sequential and 4 KiB random requests, 1 and 32 in flight", "DISK [write]",
      disk_bench);
