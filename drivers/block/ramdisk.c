/*
 * Disks in memory.
 *
 * Above: block/. Requests are put on a list, and carried out in SOFTIRQ_BLOCK as if an interrupt
 * had come. Pages exist once they are written; what was not reads as zeros. One lock per disk for
 * the list; pages are touched by one run of the poll at a time.
 */
#include "drivers/block/ramdisk.h"

#include "arch/mmu.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "mm/vm.h"
#include "shell/command.h"

#define RING_DEPTH      128
#define SEGMENTS_MAX    128
#define SECTORS_MAX     2048
#define PAGE_SECTORS    ((uint64_t)(PAGE_SIZE / SECTOR_SIZE))
#define RAMDISKS_MAX    100
#define RAMDISK_LARGEST (1ULL << 40)

struct ramdisk {
    struct block_device block;
    void **pages; /* NULL: zeros; guarded by is_busy */
    size_t page_count;
    struct block_poll poll;

    struct spinlock lock; /* rank: LOCK_RANK_DEVICE */
    struct block_request *ring[RING_DEPTH] __guarded_by(lock);
    unsigned int first, count __guarded_by(lock);
    bool is_busy __guarded_by(lock); /* somebody carries requests out */
};

static struct ramdisk *ramdisk_of(struct block_device *device)
{
    return container_of(device, struct ramdisk, block);
}

/* ---- requests ------------------------------------------------------------------------------ */

static int copy_within_page(struct ramdisk *disk, uint64_t at, uint8_t *memory, size_t length,
                            bool is_write)
{
    void **page = &disk->pages[at / PAGE_SIZE];
    size_t offset = at % PAGE_SIZE;

    if (!is_write) {
        if (*page)
            memcpy(memory, (uint8_t *)*page + offset, length);
        else
            memset(memory, 0, length);
        return 0;
    }
    if (!*page)
        *page = page_alloc(1, PAGE_ZERO, "ramdisk");
    if (!*page)
        return -ENOSPC;
    memcpy((uint8_t *)*page + offset, memory, length);
    return 0;
}

static int transfer(struct ramdisk *disk, const struct block_request *request)
{
    uint64_t at = request->device_lba * SECTOR_SIZE;
    int error = 0;

    for (size_t i = 0; !error && i < request->segment_count; i++) {
        uint8_t *memory = phys_to_virt(request->segments[i].paddr);
        uint32_t left = request->segments[i].length;
        while (!error && left > 0) {
            uint32_t length = MIN(left, (uint32_t)(PAGE_SIZE - at % PAGE_SIZE));
            error = copy_within_page(disk, at, memory, length, request->operation == BLOCK_WRITE);
            at += length;
            memory += length;
            left -= length;
        }
    }
    return error;
}

/* Whole pages are given back, the rest is cleared. */
static void discard(struct ramdisk *disk, lba_t lba, uint64_t sectors)
{
    while (sectors > 0) {
        void **page = &disk->pages[lba / PAGE_SECTORS];
        uint64_t inside = lba % PAGE_SECTORS;
        uint64_t count = MIN(sectors, PAGE_SECTORS - inside);
        if (count == PAGE_SECTORS) {
            page_free(*page);
            *page = NULL;
        } else if (*page) {
            memset((uint8_t *)*page + inside * SECTOR_SIZE, 0, count * SECTOR_SIZE);
        }
        lba += count;
        sectors -= count;
    }
}

static int carry_out(struct ramdisk *disk, const struct block_request *request)
{
    if (request->operation == BLOCK_FLUSH)
        return 0;
    if (request->operation == BLOCK_DISCARD) {
        discard(disk, request->device_lba, request->sectors);
        return 0;
    }
    return transfer(disk, request);
}

/*
 * The next request. NULL: there is none, or another CPU is at it already, which will look again
 * before it stops. @is_mine: this CPU is the one.
 */
static struct block_request *next_request(struct ramdisk *disk, bool is_mine)
{
    struct block_request *request = NULL;
    irqflags_t flags = spin_lock_irqsave(&disk->lock);

    if (is_mine || !disk->is_busy) {
        if (disk->count > 0) {
            request = disk->ring[disk->first];
            disk->first = (disk->first + 1) % RING_DEPTH;
            disk->count--;
        }
        disk->is_busy = request != NULL;
    }
    spin_unlock_irqrestore(&disk->lock, flags);
    return request;
}

static void run(struct ramdisk *disk)
{
    struct block_request *request = next_request(disk, false);

    for (; request; request = next_request(disk, true))
        block_complete(request, carry_out(disk, request));
}

static void run_softirq(struct block_poll *poll)
{
    run(container_of(poll, struct ramdisk, poll));
}

static int ramdisk_submit(struct block_device *device, struct block_request *request)
{
    struct ramdisk *disk = ramdisk_of(device);
    irqflags_t flags = spin_lock_irqsave(&disk->lock);
    bool is_full = disk->count == RING_DEPTH;

    if (!is_full)
        disk->ring[(disk->first + disk->count++) % RING_DEPTH] = request;
    spin_unlock_irqrestore(&disk->lock, flags);
    return is_full ? -EBUSY : 0;
}

static void ramdisk_kick(struct block_device *device)
{
    block_poll_schedule(&ramdisk_of(device)->poll);
}

static void ramdisk_poll(struct block_device *device)
{
    run(ramdisk_of(device));
}

static void free_disk(struct ramdisk *disk)
{
    for (size_t i = 0; disk->pages && i < disk->page_count; i++)
        page_free(disk->pages[i]);
    if (disk->pages)
        vm_free(disk->pages);
    kfree(disk);
}

static void ramdisk_release(struct block_device *device)
{
    struct ramdisk *disk = ramdisk_of(device);

    block_poll_cancel(&disk->poll);
    free_disk(disk);
}

static const struct block_device_ops ramdisk_ops = {
    .submit = ramdisk_submit,
    .kick = ramdisk_kick,
    .poll = ramdisk_poll,
    .release = ramdisk_release,
};

/* ---- life ---------------------------------------------------------------------------------- */

static struct ramdisk *new_disk(uint64_t sectors, uint32_t logical_block_size)
{
    struct ramdisk *disk = kzalloc(sizeof(*disk));

    if (!disk)
        return NULL;
    disk->page_count = DIV_ROUND_UP(sectors, PAGE_SECTORS);
    disk->pages = vm_alloc(disk->page_count * sizeof(void *), MMU_READ | MMU_WRITE, "ramdisk");
    if (!disk->pages) {
        kfree(disk);
        return NULL;
    }
    spin_lock_init(&disk->lock, "ramdisk", LOCK_RANK_DEVICE);
    block_poll_init(&disk->poll, run_softirq);
    disk->block.ops = &ramdisk_ops;
    disk->block.sectors = sectors;
    disk->block.limits = (struct block_limits){ .logical_block_size = logical_block_size,
                                                .max_sectors = SECTORS_MAX,
                                                .max_segments = SEGMENTS_MAX,
                                                .max_segment_bytes = SECTORS_MAX * SECTOR_SIZE,
                                                .max_discard_sectors = UINT32_MAX,
                                                .queue_depth = RING_DEPTH };
    snprintf(disk->block.model, sizeof(disk->block.model), "RAM disk");
    return disk;
}

int ramdisk_create(uint64_t sectors, uint32_t logical_block_size, struct block_device **device)
{
    char name[BLOCK_NAME_MAX];
    int error = -EEXIST;

    if (sectors == 0 || sectors > RAMDISK_LARGEST / SECTOR_SIZE)
        return -EINVAL;
    struct ramdisk *disk = new_disk(sectors, logical_block_size);
    if (!disk)
        return -ENOMEM;
    for (unsigned int number = 0; error == -EEXIST && number < RAMDISKS_MAX; number++) {
        snprintf(name, sizeof(name), "ram%u", number);
        error = block_device_register(&disk->block, name);
    }
    if (error)
        free_disk(disk);
    else
        *device = &disk->block;
    return error;
}

/* ---- the command --------------------------------------------------------------------------- */

static int create_disk(struct shell *shell, const char *size_text)
{
    struct block_device *device;
    uint64_t size;

    if (parse_size(size_text, &size) || size % SECTOR_SIZE)
        return -EINVAL;
    int error = ramdisk_create(size / SECTOR_SIZE, SECTOR_SIZE, &device);
    if (error)
        shell_error(shell, "%s: %s", size_text, errno_text(error));
    else
        shell_printf(shell, "%s\n", device->name);
    return error;
}

static int remove_disk(struct shell *shell, const char *name)
{
    struct block_device *device = block_device_find(name);
    const char *holder;

    if (!device || device->ops != &ramdisk_ops) {
        shell_error(shell, "no RAM disk named %s", name);
        if (device)
            block_device_put(device);
        return -ENODEV;
    }
    int error = block_claim(device, "ramdisk", &holder);
    if (error)
        shell_error(shell, "%s is in use by %s", name, holder);
    else
        block_device_remove(device);
    block_device_put(device);
    return error;
}

static int ramdisk_command(struct shell *shell, int argc, char **argv)
{
    if (argc == 2)
        return create_disk(shell, argv[1]);
    if (argc == 3 && strcmp(argv[1], "remove") == 0)
        return remove_disk(shell, argv[2]);
    return -EINVAL;
}
SHELL_COMMAND(ramdisk, "ramdisk SIZE | remove DISK",
              "make a disk in memory, of 16M or so, and remove it\n"
              "It takes memory as it is written. What it holds is lost with it.",
              ramdisk_command, CMD_NORMAL);
