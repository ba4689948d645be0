/*
 * Boot tests of the block layer over a RAM disk: the device table, buffers of every kind, many
 * tasks on all CPUs at once.
 */
#include "arch/cpu.h"
#include "arch/mmu.h"
#include "drivers/block/ramdisk.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/vm.h"
#include "tests/boot_test.h"

#define SECTORS 8192 /* 4 MiB */
#define MIB     (1UL << 20)

static struct block_device *make_disk(uint32_t block_size)
{
    struct block_device *disk;

    EXPECT_EQ(ramdisk_create(SECTORS, block_size, &disk), 0);
    return disk;
}

static void fill(uint8_t *buffer, size_t length, uint32_t seed)
{
    for (size_t i = 0; i < length; i++) {
        seed = seed * 1664525u + 1013904223u;
        buffer[i] = (uint8_t)(seed >> 24);
    }
}

/* ---- the table ----------------------------------------------------------------------------- */

struct search {
    const struct block_device *wanted;
    unsigned int seen, before;
};

static bool look(struct block_device *device, void *arg)
{
    struct search *search = arg;

    search->seen += device == search->wanted;
    search->before += !search->seen;
    return true;
}

BOOT_TEST(block, device_table)
{
    struct block_device *first = make_disk(512), *second = make_disk(512);
    struct search search_first = { .wanted = first }, search_second = { .wanted = second };
    const char *holder;

    EXPECT(strcmp(first->name, second->name) < 0);
    struct block_device *found = block_device_find(second->name);
    EXPECT(found == second);
    block_device_for_each(look, &search_first);
    block_device_for_each(look, &search_second);
    EXPECT_EQ(search_first.seen + search_second.seen, 2);
    EXPECT(search_first.before < search_second.before);
    EXPECT_EQ(block_claim(second, "one", &holder), 0);
    EXPECT_EQ(block_claim(second, "two", &holder), -EBUSY);
    EXPECT(strcmp(holder, "one") == 0);
    block_release(second);

    char name[BLOCK_NAME_MAX];
    uint8_t *sector = kmalloc(SECTOR_SIZE);
    EXPECT(sector != NULL);
    strlcpy(name, second->name, sizeof(name));
    block_device_remove(second);
    EXPECT(block_device_find(name) == NULL);
    EXPECT_EQ(block_read(second, 0, 1, sector), -ENODEV); /* our reference keeps it */
    block_device_put(second);
    block_device_remove(first);
    kfree(sector);
}

BOOT_TEST(block, range_and_discard)
{
    struct block_device *disk = make_disk(512);
    uint8_t *buffer = kmalloc(4 * SECTOR_SIZE);

    EXPECT(buffer != NULL);
    EXPECT_EQ(block_read(disk, SECTORS, 1, buffer), -EINVAL);
    EXPECT_EQ(block_read(disk, SECTORS - 1, 2, buffer), -EINVAL);
    EXPECT_EQ(block_write(disk, UINT64_MAX, 2, buffer), -EINVAL);
    memset(buffer, 0x5a, 4 * SECTOR_SIZE);
    EXPECT_EQ(block_write(disk, 6, 4, buffer), 0);
    EXPECT_EQ(block_discard(disk, 7, 2), 0);
    EXPECT_EQ(block_read(disk, 6, 4, buffer), 0);
    EXPECT_EQ(buffer[0], 0x5a);
    EXPECT_EQ(buffer[SECTOR_SIZE], 0);
    EXPECT_EQ(buffer[3 * SECTOR_SIZE - 1], 0);
    EXPECT_EQ(buffer[3 * SECTOR_SIZE], 0x5a);
    kfree(buffer);
    block_device_remove(disk);
}

/* ---- buffers ------------------------------------------------------------------------------- */

/* There and back between two buffers that lie differently. */
static void check_transfer(struct block_device *disk, uint8_t *out, uint8_t *in, lba_t lba,
                           uint64_t sectors, uint32_t seed)
{
    fill(out, sectors * SECTOR_SIZE, seed);
    memset(in, 0, sectors * SECTOR_SIZE);
    EXPECT_EQ(block_write(disk, lba, sectors, out), 0);
    EXPECT_EQ(block_read(disk, lba, sectors, in), 0);
    EXPECT_EQ(memcmp(in, out, sectors * SECTOR_SIZE), 0);
}

static void check_buffers(uint32_t block_size)
{
    static const size_t shifts[] = { 0, 1, 4, 511, 512, 2049, 4092, 4095 };
    struct block_device *disk = make_disk(block_size);
    uint8_t *out = vm_alloc(MIB + 2 * PAGE_SIZE, MMU_READ | MMU_WRITE, "test");
    uint8_t *in = vm_alloc(MIB + 2 * PAGE_SIZE, MMU_READ | MMU_WRITE, "test");

    EXPECT(out && in);
    for (size_t i = 0; i < ARRAY_SIZE(shifts); i++) {
        uint8_t *a = out + shifts[i], *b = in + PAGE_SIZE - shifts[i];
        check_transfer(disk, a, b, 3, MIB / SECTOR_SIZE, (uint32_t)i);
        check_transfer(disk, a, b, SECTORS - 1, 1, (uint32_t)i + 100);
        check_transfer(disk, a, b, 8, 8, (uint32_t)i + 200);
        check_transfer(disk, a, b, 1001, 17, (uint32_t)i + 300);
    }
    vm_free(in);
    vm_free(out);
    block_device_remove(disk);
}

BOOT_TEST(block, any_buffer)
{
    check_buffers(512);
}

BOOT_TEST(block, any_buffer_and_large_blocks)
{
    check_buffers(4096);
}

/* ---- many at once -------------------------------------------------------------------------- */

#define WORKERS 32
#define ROUNDS  20
#define AREA    (SECTORS / WORKERS)

struct worker {
    struct block_device *disk;
    struct wait_group *group;
    unsigned int number;
};

/* Each on sectors of its own. */
static int hammer(const struct worker *worker)
{
    size_t size = 32 * SECTOR_SIZE;
    uint8_t *out = kmalloc(size), *in = kmalloc(size);
    int error = out && in ? 0 : -ENOMEM;

    for (unsigned int round = 0; !error && round < ROUNDS; round++) {
        lba_t lba = (lba_t)worker->number * AREA + round * 7 % (AREA - 32);
        fill(out, size, worker->number * 1000 + round);
        error = block_write(worker->disk, lba, 32, out);
        if (!error)
            error = block_read(worker->disk, lba, 32, in);
        if (!error && memcmp(in, out, size) != 0)
            error = -EILSEQ;
    }
    kfree(out);
    kfree(in);
    return error;
}

static int worker_task(void *arg)
{
    struct worker *worker = arg;

    wait_group_done(worker->group, hammer(worker));
    return 0;
}

BOOT_TEST(block, many_tasks)
{
    static struct worker workers[WORKERS];
    struct block_device *disk = make_disk(512);
    struct wait_group group;

    wait_group_init(&group, "block test");
    wait_group_add(&group, WORKERS);
    for (unsigned int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){ disk, &group, i };
        EXPECT_EQ(task_create("block-test", worker_task, &workers[i], NULL), 0);
    }
    EXPECT_EQ(wait_group_wait(&group, deadline_after_ns(30 * NS_PER_S), WAIT_UNCANCELLABLE), 0);
    EXPECT_EQ(disk->statistics.in_flight, 0);
    EXPECT_EQ(disk->statistics.errors, 0);
    block_device_remove(disk);
}
