/*
 * The life of block requests over a simulated disk: rings that fill, requests too large or laid out
 * badly, parts of logical blocks, errors, a disk that stops answering.
 */
#include "tests/unit/unit.h"

#include "arch/host/host.h"
#include "arch/mmu.h"
#include "block/block_device.h"
#include "kernel/init.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"

#define SECTORS   8192
#define RING_SIZE 8

/* A disk in memory that answers at the next idle moment, or never. */
static struct fake_disk {
    struct block_device device;
    uint8_t data[SECTORS * SECTOR_SIZE];
    struct block_request *ring[RING_SIZE];
    unsigned int count, most, submitted, kicks, recoveries, flushes;
    uint32_t largest_sectors, most_segments;
    bool is_dead;      /* answers nothing */
    bool recovers;     /* a reset brings it back */
    int error;         /* what requests end with */
    lba_t failing_lba; /* only those that cover it; UINT64_MAX: all */
} disk;

static int fake_submit(struct block_device *device, struct block_request *request)
{
    (void)device;
    if (disk.count == RING_SIZE)
        return -EBUSY;
    bool has_data = request->operation != BLOCK_FLUSH;
    assert_true(!has_data || request->segment_count <= disk.device.limits.max_segments);
    assert_true(!has_data || request->sectors <= disk.device.limits.max_sectors);
    assert_int_equal(request->device_lba * SECTOR_SIZE % disk.device.limits.logical_block_size, 0);
    assert_int_equal(request->sectors * SECTOR_SIZE % disk.device.limits.logical_block_size, 0);
    disk.ring[disk.count++] = request;
    disk.submitted++;
    disk.most = disk.count > disk.most ? disk.count : disk.most;
    if (has_data && request->sectors > disk.largest_sectors)
        disk.largest_sectors = (uint32_t)request->sectors;
    if (has_data && request->segment_count > disk.most_segments)
        disk.most_segments = (uint32_t)request->segment_count;
    return 0;
}

static void fake_kick(struct block_device *device)
{
    (void)device;
    disk.kicks++;
}

static void carry_out(struct block_request *request)
{
    uint8_t *at = disk.data + request->device_lba * SECTOR_SIZE;
    uint64_t bytes = 0;

    if (request->operation == BLOCK_FLUSH) {
        disk.flushes++;
        return;
    }
    for (size_t i = 0; i < request->segment_count; i++) {
        const struct scatter_segment *segment = &request->segments[i];
        assert_true(segment->length <= disk.device.limits.max_segment_bytes);
        if (request->operation == BLOCK_READ)
            memcpy(phys_to_virt(segment->paddr), at + bytes, segment->length);
        else
            memcpy(at + bytes, phys_to_virt(segment->paddr), segment->length);
        bytes += segment->length;
    }
    assert_int_equal(bytes, request->sectors * SECTOR_SIZE);
}

static int error_of(const struct block_request *request)
{
    bool is_hit = disk.failing_lba == UINT64_MAX ||
                  (disk.failing_lba >= request->device_lba &&
                   disk.failing_lba < request->device_lba + request->sectors);
    return is_hit ? disk.error : 0;
}

/* The newest first, so that nothing may rely on order. */
static bool answer(void *arg, uint64_t next_event_ns)
{
    (void)arg;
    (void)next_event_ns;
    if (disk.is_dead || disk.count == 0)
        return false;
    struct block_request *request = disk.ring[--disk.count];
    int error = error_of(request);
    if (!error)
        carry_out(request);
    block_complete(request, error);
    return true;
}

static void fake_poll(struct block_device *device)
{
    (void)device;
}

static int fake_recover(struct block_device *device)
{
    (void)device;
    disk.recoveries++;
    if (!disk.recovers)
        return -EIO;
    while (disk.count > 0)
        block_complete(disk.ring[--disk.count], -EAGAIN);
    return 0;
}

static const struct block_device_ops fake_ops = {
    .submit = fake_submit,
    .kick = fake_kick,
    .poll = fake_poll,
    .recover = fake_recover,
};

static void start_kernel(void)
{
    host_kernel_start();
    init_run_level(INIT_SCHED);
    init_run_level(INIT_BUS);
    host_set_idle_hook(answer, NULL);
}

/* A new disk in place of the last test's. */
static void start(uint32_t logical_block_size)
{
    if (disk.device.ops && !disk.device.is_gone)
        block_device_remove(&disk.device);
    memset(&disk, 0, sizeof(disk));
    disk.failing_lba = UINT64_MAX;
    disk.device.ops = &fake_ops;
    disk.device.flags = BLOCK_DEVICE_WRITE_CACHE;
    disk.device.sectors = SECTORS;
    disk.device.limits = (struct block_limits){ .logical_block_size = logical_block_size,
                                                .max_sectors = 64,
                                                .max_segments = 6,
                                                .max_segment_bytes = 8192,
                                                .queue_depth = RING_SIZE };
    assert_int_equal(block_device_register(&disk.device, "vd"), 0);
    assert_string_equal(disk.device.name, "vda");
}

static void fill_pattern(uint8_t *buffer, size_t length, uint64_t seed)
{
    struct unit_random random = { seed };

    for (size_t i = 0; i < length; i++)
        buffer[i] = (uint8_t)unit_random_u64(&random);
}

static int late_error;
static void note_late(struct block_request *request)
{
    late_error = request->error;
}

/* ---- whole transfers ----------------------------------------------------------------------- */

static void test_any_length_and_alignment(void **state)
{
    static uint8_t out[1 << 20], in[1 << 20];
    struct unit_random random = { 1 };
    (void)state;

    start(512);
    for (int turn = 0; turn < 200; turn++) {
        uint64_t sectors = 1 + unit_random_u64(&random) % (turn < 190 ? 300 : 2000);
        lba_t lba = unit_random_u64(&random) % (SECTORS - sectors);
        size_t shift = unit_random_u64(&random) % 4096;
        fill_pattern(out + shift, sectors * SECTOR_SIZE, (uint64_t)turn + 10);
        assert_int_equal(block_write(&disk.device, lba, sectors, out + shift), 0);
        assert_memory_equal(disk.data + lba * SECTOR_SIZE, out + shift, sectors * SECTOR_SIZE);
        assert_int_equal(block_read(&disk.device, lba, sectors, in + shift), 0);
        assert_memory_equal(in + shift, out + shift, sectors * SECTOR_SIZE);
    }
    assert_true(disk.largest_sectors <= 64 && disk.most_segments <= 6);
    assert_int_equal(disk.device.statistics.in_flight, 0);
}

static void test_parts_of_logical_blocks(void **state)
{
    static uint8_t expected[SECTORS * SECTOR_SIZE], buffer[64 * SECTOR_SIZE];
    struct unit_random random = { 2 };
    (void)state;

    start(4096);
    fill_pattern(disk.data, sizeof(disk.data), 3);
    memcpy(expected, disk.data, sizeof(expected));
    for (int turn = 0; turn < 300; turn++) {
        uint64_t sectors = 1 + unit_random_u64(&random) % 60;
        lba_t lba = unit_random_u64(&random) % (SECTORS - sectors);
        if (unit_random_u64(&random) % 2) {
            fill_pattern(buffer, sectors * SECTOR_SIZE, (uint64_t)turn);
            memcpy(expected + lba * SECTOR_SIZE, buffer, sectors * SECTOR_SIZE);
            assert_int_equal(block_write(&disk.device, lba, sectors, buffer), 0);
        } else {
            assert_int_equal(block_read(&disk.device, lba, sectors, buffer), 0);
            assert_memory_equal(buffer, expected + lba * SECTOR_SIZE, sectors * SECTOR_SIZE);
        }
    }
    assert_memory_equal(disk.data, expected, sizeof(expected));
    assert_true(disk.device.statistics.bounces > 0);
}

/* NVMe's rule: middle segments start and end on pages. What does not is bounced. */
static void test_boundary(void **state)
{
    static uint8_t a[4096], b[4096];
    const struct scatter_segment segments[] = { { direct_map_to_phys(a + 8), 512 },
                                                { direct_map_to_phys(b + 100), 512 } };
    (void)state;

    start(512);
    disk.device.limits.boundary_mask = 4095;
    fill_pattern(a, sizeof(a), 4);
    fill_pattern(b, sizeof(b), 5);
    struct block_request request = { .device = &disk.device,
                                     .operation = BLOCK_WRITE,
                                     .lba = 7,
                                     .sectors = 2,
                                     .segments = segments,
                                     .segment_count = 2,
                                     .complete = note_late };
    late_error = 1;
    block_submit(&request);
    host_advance_ns(1000);
    assert_int_equal(late_error, 0);
    assert_memory_equal(disk.data + 7 * SECTOR_SIZE, a + 8, 512);
    assert_memory_equal(disk.data + 8 * SECTOR_SIZE, b + 100, 512);
    assert_int_equal(disk.device.statistics.bounces, 1);
}

/* ---- many at once -------------------------------------------------------------------------- */

#define MANY 500

static int many_results[MANY];

static void note_result(struct block_request *request)
{
    many_results[(uintptr_t)request->context]++;
    assert_int_equal(request->error, 0);
}

static void test_full_ring_retries(void **state)
{
    static struct block_request requests[MANY];
    static uint8_t buffers[MANY][512];
    static struct scatter_segment segments[MANY];
    (void)state;

    start(512);
    memset(many_results, 0, sizeof(many_results));
    for (uintptr_t i = 0; i < MANY; i++) {
        fill_pattern(buffers[i], 512, i);
        segments[i] = (struct scatter_segment){ direct_map_to_phys(buffers[i]), 512 };
        requests[i] = (struct block_request){ .device = &disk.device,
                                              .operation = BLOCK_WRITE,
                                              .lba = i,
                                              .sectors = 1,
                                              .segments = &segments[i],
                                              .segment_count = 1,
                                              .complete = note_result,
                                              .context = (void *)i };
        block_submit(&requests[i]);
    }
    assert_int_equal(disk.count, RING_SIZE);
    host_advance_ns(1000);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(many_results[i], 1);
        assert_memory_equal(disk.data + i * 512, buffers[i], 512);
    }
    assert_int_equal(disk.most, RING_SIZE);
    assert_int_equal(disk.device.statistics.in_flight_max, RING_SIZE);
    assert_true(disk.device.statistics.retries > 0);
}

static void test_plug_rings_once(void **state)
{
    static struct block_request requests[4];
    static uint8_t buffer[512];
    static struct scatter_segment segment;
    (void)state;

    start(512);
    memset(many_results, 0, sizeof(many_results));
    segment = (struct scatter_segment){ direct_map_to_phys(buffer), 512 };
    disk.kicks = 0;
    block_plug(&disk.device);
    for (uintptr_t i = 0; i < 4; i++) {
        requests[i] = (struct block_request){ .device = &disk.device,
                                              .sectors = 1,
                                              .segments = &segment,
                                              .segment_count = 1,
                                              .complete = note_result,
                                              .context = (void *)i };
        block_submit(&requests[i]);
    }
    assert_int_equal(disk.kicks, 0);
    block_unplug(&disk.device);
    assert_int_equal(disk.kicks, 1);
    host_advance_ns(1000);
    assert_int_equal(many_results[3], 1);
}

/* A disk that knows only flushes gets one after the write, one that knows FUA does not. */
static void test_fua(void **state)
{
    static uint8_t buffer[200 * SECTOR_SIZE];
    (void)state;

    start(512);
    fill_pattern(buffer, sizeof(buffer), 9);
    assert_int_equal(block_transfer(&disk.device, BLOCK_WRITE, 3, 1, buffer, BLOCK_FUA), 0);
    assert_int_equal(disk.flushes, 1);
    assert_memory_equal(disk.data + 3 * SECTOR_SIZE, buffer, SECTOR_SIZE);
    assert_int_equal(block_transfer(&disk.device, BLOCK_WRITE, 3, 200, buffer, BLOCK_FUA), 0);
    assert_int_equal(disk.flushes, 2); /* after all pieces, once */
    disk.device.flags |= BLOCK_DEVICE_FUA;
    assert_int_equal(block_transfer(&disk.device, BLOCK_WRITE, 3, 200, buffer, BLOCK_FUA), 0);
    disk.device.flags = 0;
    assert_int_equal(block_transfer(&disk.device, BLOCK_WRITE, 3, 200, buffer, BLOCK_FUA), 0);
    assert_int_equal(disk.flushes, 2);
    disk.device.flags = BLOCK_DEVICE_WRITE_CACHE;
    disk.error = -EIO;
    assert_int_equal(block_transfer(&disk.device, BLOCK_WRITE, 3, 1, buffer, BLOCK_FUA), -EIO);
    assert_int_equal(disk.flushes, 2);
}

/* ---- what is wrong ------------------------------------------------------------------------- */

static void test_refusals(void **state)
{
    static uint8_t buffer[1024];
    (void)state;

    start(512);
    assert_int_equal(block_read(&disk.device, SECTORS, 1, buffer), -EINVAL);
    assert_int_equal(block_read(&disk.device, SECTORS - 1, 2, buffer), -EINVAL);
    assert_int_equal(block_read(&disk.device, UINT64_MAX, 2, buffer), -EINVAL);
    assert_int_equal(block_read(&disk.device, 5, 0, buffer), 0);
    disk.device.flags |= BLOCK_DEVICE_READ_ONLY;
    assert_int_equal(block_write(&disk.device, 0, 1, buffer), -EROFS);
    disk.device.flags = 0;
    disk.submitted = 0;
    assert_int_equal(block_flush(&disk.device), 0); /* no cache: nothing to do */
    assert_int_equal(disk.submitted, 0);
    block_device_remove(&disk.device);
    assert_int_equal(block_read(&disk.device, 0, 1, buffer), -ENODEV);
    assert_null(block_device_find("vda"));
}

static void test_error_of_one_piece(void **state)
{
    static uint8_t buffer[512 * SECTOR_SIZE];
    (void)state;

    start(512);
    disk.error = -EIO;
    disk.failing_lba = 300;
    assert_int_equal(block_read(&disk.device, 0, 512, buffer), -EIO);
    assert_int_equal(block_read(&disk.device, 0, 300, buffer), 0);
    assert_int_equal(disk.device.statistics.in_flight, 0);
}

static void test_out_of_memory(void **state)
{
    static uint8_t buffer[512 * SECTOR_SIZE];
    (void)state;

    start(512);
    for (unsigned long nth = 1;; nth++) {
        host_fail_allocation(nth);
        int error = block_write(&disk.device, 1, 511, buffer + 3);
        bool has_failed = host_allocation_failed();
        host_fail_allocation(0);
        assert_true(error == 0 || error == -ENOMEM);
        assert_int_equal(disk.device.statistics.in_flight, 0);
        if (!has_failed)
            break;
    }
}

static void test_claims(void **state)
{
    const char *holder;
    (void)state;

    start(512);
    assert_int_equal(block_claim(&disk.device, "nanofs", &holder), 0);
    assert_int_equal(block_claim(&disk.device, "format", &holder), -EBUSY);
    assert_string_equal(holder, "nanofs");
    block_release(&disk.device);
    assert_int_equal(block_claim(&disk.device, "format", &holder), 0);
}

/* ---- a disk that stops answering ----------------------------------------------------------- */

static void test_deadline_with_recovery(void **state)
{
    static uint8_t buffer[512];
    (void)state;

    start(512);
    disk.is_dead = true;
    disk.recovers = true;
    uint64_t before = clock_now_ns();
    assert_int_equal(block_read(&disk.device, 0, 1, buffer), -ETIMEDOUT);
    assert_in_range(clock_now_ns() - before, BLOCK_TIMEOUT_NS, BLOCK_TIMEOUT_NS + 2 * NS_PER_S);
    assert_int_equal(disk.recoveries, 1);
    disk.is_dead = false;
    assert_int_equal(block_read(&disk.device, 0, 1, buffer), 0);
}

/* The overdue ends; the one with time left is sent again and comes through. */
static void test_recovery_resends_the_others(void **state)
{
    static uint8_t buffer[2][512];
    struct scatter_segment segment = { direct_map_to_phys(buffer[1]), 512 };
    (void)state;

    start(512);
    disk.is_dead = true;
    disk.recovers = true;
    struct block_request late = { .device = &disk.device,
                                  .lba = 9,
                                  .sectors = 1,
                                  .segments = &segment,
                                  .segment_count = 1,
                                  .deadline_ns = deadline_after_ns(100 * NS_PER_S),
                                  .complete = note_late };
    late_error = 1;
    disk.data[9 * 512] = 0x5a;
    block_submit(&late);
    assert_int_equal(block_read(&disk.device, 0, 1, buffer[0]), -ETIMEDOUT);
    assert_int_equal(late_error, 1);
    disk.is_dead = false;
    host_advance_ns(1000);
    assert_int_equal(late_error, 0);
    assert_int_equal(buffer[1][0], 0x5a);
}

static void test_given_up(void **state)
{
    static uint8_t buffer[512];
    (void)state;

    start(512);
    disk.is_dead = true;
    assert_int_equal(block_read(&disk.device, 0, 1, buffer), -EIO);
    assert_int_equal(block_read(&disk.device, 0, 1, buffer), -ENODEV);
}

/* Never recovers for good: a request is not sent for ever. */
static void test_recovery_has_a_limit(void **state)
{
    static uint8_t buffer[512];
    struct scatter_segment segment = { direct_map_to_phys(buffer), 512 };
    (void)state;

    start(512);
    disk.is_dead = true;
    disk.recovers = true;
    struct block_request request = { .device = &disk.device,
                                     .sectors = 1,
                                     .segments = &segment,
                                     .segment_count = 1,
                                     .deadline_ns = deadline_after_ns(10000 * NS_PER_S),
                                     .complete = note_late };
    late_error = 1;
    block_submit(&request);
    for (int i = 0; i < 10 && late_error == 1; i++) {
        block_device_recover(&disk.device);
        host_settle();
    }
    assert_int_equal(late_error, -EIO);
    assert_true(disk.recoveries <= 5);
}

UNIT_TESTS_SETUP(start_kernel, UNIT_TEST(test_any_length_and_alignment),
                 UNIT_TEST(test_parts_of_logical_blocks), UNIT_TEST(test_boundary),
                 UNIT_TEST(test_full_ring_retries), UNIT_TEST(test_fua),
                 UNIT_TEST(test_plug_rings_once), UNIT_TEST(test_refusals),
                 UNIT_TEST(test_error_of_one_piece), UNIT_TEST(test_out_of_memory),
                 UNIT_TEST(test_claims), UNIT_TEST(test_deadline_with_recovery),
                 UNIT_TEST(test_recovery_resends_the_others), UNIT_TEST(test_given_up),
                 UNIT_TEST(test_recovery_has_a_limit))
