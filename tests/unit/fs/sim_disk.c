#include "tests/unit/fs/sim_disk.h"

#include <stdlib.h>
#include <string.h>

#include "lib/errno.h"

#define BLOCK 4096u
#define CHUNK 16u

struct sim_disk *sim_disk_current;

static struct sim_disk *of(struct nanofs_device *device)
{
    return container_of(device, struct sim_disk, device);
}

void sim_disk_get(const struct sim_disk *disk, uint64_t block, void *data)
{
    const char *chunk = NULL;

    while (disk && !(chunk = disk->chunks[block / CHUNK]))
        disk = disk->base;
    if (chunk)
        memcpy(data, chunk + block % CHUNK * BLOCK, BLOCK);
    else
        memset(data, 0, BLOCK);
}

void sim_disk_put(struct sim_disk *disk, uint64_t block, const void *data)
{
    uint64_t first = block - block % CHUNK;
    char *chunk = disk->chunks[block / CHUNK];

    if (!chunk) {
        chunk = disk->chunks[block / CHUNK] = malloc((size_t)CHUNK * BLOCK);
        for (uint64_t i = 0; i < CHUNK; i++) {
            if (disk->base)
                sim_disk_get(disk->base, first + i, chunk + i * BLOCK);
            else
                memset(chunk + i * BLOCK, 0, BLOCK);
        }
    }
    memcpy(chunk + block % CHUNK * BLOCK, data, BLOCK);
}

static void record(struct sim_disk *disk, uint64_t block, const void *data)
{
    struct sim_event *event;

    if (!disk->is_recording)
        return;
    if (disk->event_count == disk->event_room) {
        disk->event_room = disk->event_room * 2 + 256;
        disk->events = realloc(disk->events, disk->event_room * sizeof(disk->events[0]));
    }
    event = &disk->events[disk->event_count++];
    event->block = block;
    event->data = data ? malloc(BLOCK) : NULL;
    if (data)
        memcpy(event->data, data, BLOCK);
}

void sim_disk_forget_record(struct sim_disk *disk)
{
    for (size_t i = 0; i < disk->event_count; i++)
        free(disk->events[i].data);
    disk->event_count = 0;
}

static bool fails(struct sim_disk *disk, uint64_t *countdown)
{
    if (!*countdown)
        return false;
    if (*countdown > 1) {
        --*countdown;
        return false;
    }
    if (!disk->is_lasting)
        *countdown = 0;
    return true;
}

static bool is_unlucky(struct sim_disk *disk)
{
    disk->random_state = disk->random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (disk->random_state >> 33) % 100 < disk->fail_percent;
}

static int transfer(struct sim_disk *disk, const struct nanofs_io *io)
{
    if (io->block >= disk->blocks || io->count > disk->blocks - io->block || !io->count)
        return -EIO;
    if (io->is_write ? fails(disk, &disk->fail_write) || is_unlucky(disk)
                     : fails(disk, &disk->fail_read))
        return -EIO;
    for (uint32_t i = 0; i < io->count; i++) {
        if (io->is_write) {
            sim_disk_put(disk, io->block + i, io->pages[i]);
            record(disk, io->block + i, io->pages[i]);
        } else {
            sim_disk_get(disk, io->block + i, io->pages[i]);
        }
    }
    return 0;
}

static void submit(struct nanofs_device *device, struct nanofs_io *io)
{
    struct sim_disk *disk = of(device);

    *(io->is_write ? &disk->writes : &disk->reads) += 1;
    *(io->is_write ? &disk->blocks_written : &disk->blocks_read) += io->count;
    io->complete(io, transfer(disk, io));
}

static int flush(struct nanofs_device *device)
{
    struct sim_disk *disk = of(device);

    disk->flushes++;
    if (fails(disk, &disk->fail_flush))
        return -EIO;
    record(disk, 0, NULL);
    return 0;
}

static void close_device(struct nanofs_device *device)
{
    (void)device; /* the test's */
}

static const struct nanofs_device_ops sim_ops = { .submit = submit,
                                                  .flush = flush,
                                                  .close = close_device };

struct sim_disk *sim_disk_create(uint64_t blocks)
{
    struct sim_disk *disk = calloc(1, sizeof(*disk));

    disk->blocks = blocks;
    disk->chunks = calloc(blocks / CHUNK + 1, sizeof(disk->chunks[0]));
    disk->random_state = 1;
    disk->device = (struct nanofs_device){ .ops = &sim_ops, .block_count = blocks, .name = "sim" };
    return disk;
}

void sim_disk_destroy(struct sim_disk *disk)
{
    sim_disk_forget_record(disk);
    for (uint64_t i = 0; i <= disk->blocks / CHUNK; i++)
        free(disk->chunks[i]);
    free(disk->chunks);
    free(disk->events);
    free(disk);
}

struct sim_disk *sim_disk_overlay(const struct sim_disk *base)
{
    struct sim_disk *disk = sim_disk_create(base->blocks);

    disk->base = base;
    return disk;
}

int nanofs_device_open(const char *name, const char *user, struct nanofs_device **result)
{
    (void)name;
    (void)user;
    if (!sim_disk_current)
        return -ENODEV;
    *result = &sim_disk_current->device;
    return 0;
}
