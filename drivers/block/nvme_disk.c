/*
 * NVMe namespaces as block devices (NVMe 1.4, chapter 6): nvme0n1, nvme0n2, ...
 *
 * Above: block/. All disks of a controller share its queues: a request goes to the queue of the CPU
 * that submits it, and when commands end, disks that found their queue full are told.
 */
#include "arch/cpu.h"
#include "drivers/block/nvme.h"
#include "kernel/log.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

#define IO_FUA              (1u << 30) /* cdw12 of a write */
#define DATASET_DEALLOCATE  0x4
#define DISCARD_SECTORS_MAX (1u << 22) /* 2 GiB: keeps one request from holding up the others */
#define DISKS_MAX           256
#define LIST_ENTRIES        (NVME_PAGE_SIZE / sizeof(uint32_t))

struct nvme_disk {
    struct block_device block;
    struct nvme_controller *controller;
    uint32_t nsid;
};

static struct nvme_disk *disk_of(struct block_device *device)
{
    return container_of(device, struct nvme_disk, block);
}

/* ---- requests ------------------------------------------------------------------------------ */

static void request_done(void *owner, int error, uint32_t result __maybe_unused)
{
    block_complete(owner, error);
}

static void fill_transfer(struct nvme_request *command, const struct block_request *request,
                          uint64_t lba, uint32_t blocks)
{
    command->command.opcode = request->operation == BLOCK_READ ? NVME_READ : NVME_WRITE;
    command->command.cdw10 = (uint32_t)lba;
    command->command.cdw11 = (uint32_t)(lba >> 32);
    command->command.cdw12 = blocks - 1;
    if (request->operation == BLOCK_WRITE && request->flags & BLOCK_FUA)
        command->command.cdw12 |= IO_FUA;
    command->segments = request->segments;
    command->segment_count = request->segment_count;
}

static int nvme_submit(struct block_device *device, struct block_request *request)
{
    struct nvme_disk *disk = disk_of(device);
    struct nvme_controller *controller = disk->controller;
    uint32_t scale = device->limits.logical_block_size / SECTOR_SIZE;
    uint64_t lba = request->device_lba / scale;
    uint32_t blocks = (uint32_t)(request->sectors / scale);
    struct nvme_range range = { .blocks = blocks, .lba = lba };
    struct nvme_request command = { .command.nsid = disk->nsid,
                                    .done = request_done,
                                    .owner = request };

    if (request->operation == BLOCK_FLUSH) {
        command.command.opcode = NVME_FLUSH;
    } else if (request->operation == BLOCK_DISCARD) {
        command.command.opcode = NVME_DATASET_MANAGEMENT;
        command.command.cdw11 = DATASET_DEALLOCATE;
        command.range = &range;
    } else {
        fill_transfer(&command, request, lba, blocks);
    }
    return nvme_queue_submit(controller->queues[cpu_current() % controller->queue_count], &command);
}

static void nvme_kick(struct block_device *device)
{
    struct nvme_controller *controller = disk_of(device)->controller;

    for (unsigned int i = 0; i < controller->queue_count; i++)
        nvme_queue_kick(controller->queues[i]);
}

static void nvme_poll(struct block_device *device)
{
    struct nvme_controller *controller = disk_of(device)->controller;

    for (unsigned int i = 0; i < controller->queue_count; i++)
        nvme_queue_reap(controller->queues[i]);
}

/* One overdue request resets the controller; those of other namespaces are sent again. */
static int nvme_recover(struct block_device *device)
{
    return nvme_reset(disk_of(device)->controller);
}

static const struct block_device_ops nvme_ops = {
    .submit = nvme_submit,
    .kick = nvme_kick,
    .poll = nvme_poll,
    .recover = nvme_recover,
};

/* ---- all disks of a controller ------------------------------------------------------------- */

void nvme_disks_retry(struct nvme_controller *controller)
{
    if (!__atomic_load_n(&controller->is_scanned, __ATOMIC_ACQUIRE))
        return; /* the scan comes here itself when it is done */
    if (controller->disk_count < 2)
        return; /* nobody else uses the queues */
    for (unsigned int i = 0; i < controller->disk_count; i++)
        block_device_retry(&controller->disks[i]->block);
}

void nvme_disks_recover(struct nvme_controller *controller, unsigned int count)
{
    if (!__atomic_load_n(&controller->is_scanned, __ATOMIC_ACQUIRE))
        return; /* requests end by their deadlines */
    for (unsigned int i = 0; i < MIN(count, controller->disk_count); i++)
        block_device_recover(&controller->disks[i]->block);
}

/* ---- finding them -------------------------------------------------------------------------- */

static void set_limits(struct nvme_disk *disk, const struct nvme_namespace_data *found)
{
    struct block_limits *limits = &disk->block.limits;
    const struct nvme_controller *controller = disk->controller;
    uint32_t scale = found->block_size / SECTOR_SIZE;

    limits->logical_block_size = found->block_size;
    limits->max_sectors =
        MIN(controller->max_transfer / SECTOR_SIZE, UINT16_MAX * (unsigned long)scale);
    limits->max_segments = NVME_LIST_ENTRIES + 1;
    limits->max_segment_bytes = NVME_TRANSFER_MAX;
    limits->boundary_mask = NVME_PAGE_SIZE - 1;
    limits->queue_depth = controller->queue_count * (controller->queues[0]->size - 1u);
    limits->max_discard_sectors = controller->has_discard ? DISCARD_SECTORS_MAX : 0;
    disk->block.sectors = found->blocks * scale;
    disk->block.flags = BLOCK_DEVICE_FUA;
    if (controller->has_write_cache)
        disk->block.flags |= BLOCK_DEVICE_WRITE_CACHE;
    if (found->is_read_only)
        disk->block.flags |= BLOCK_DEVICE_READ_ONLY;
}

static int add_namespace(struct nvme_controller *controller, uint32_t nsid, uint8_t *data)
{
    struct nvme_namespace_data found;
    char name[BLOCK_NAME_MAX];
    int error = nvme_identify_namespace(controller, nsid, data);

    if (!error)
        error = nvme_parse_namespace(data, &found);
    if (error)
        return error;
    struct nvme_disk *disk = kzalloc(sizeof(*disk));
    if (!disk)
        return -ENOMEM;
    disk->controller = controller;
    disk->nsid = nsid;
    disk->block.ops = &nvme_ops;
    snprintf(disk->block.model, sizeof(disk->block.model), "%s", controller->model);
    set_limits(disk, &found);
    snprintf(name, sizeof(name), "%sn%u", controller->name, nsid);
    error = block_device_register(&disk->block, name);
    if (error)
        kfree(disk);
    else
        controller->disks[controller->disk_count++] = disk;
    return error;
}

/* A page of namespace ids, in order. Return: the last one, 0 when there is none any more. */
static uint32_t add_listed(struct nvme_controller *controller, const uint8_t *list, uint8_t *data)
{
    uint32_t nsid = 0;

    for (size_t i = 0; i < LIST_ENTRIES && controller->disk_count < DISKS_MAX; i++) {
        uint32_t next = load_le32(list + i * sizeof(uint32_t));
        if (next <= nsid)
            return 0;
        nsid = next;
        int error = add_namespace(controller, nsid, data);
        if (error && error != -ENODEV)
            log_warning("nvme", "%s: namespace %u: %s", controller->name, nsid, errno_text(error));
    }
    return controller->disk_count < DISKS_MAX ? nsid : 0;
}

static int scan(struct nvme_controller *controller, uint8_t *list, uint8_t *data)
{
    uint32_t last = 0;

    do {
        int error = nvme_identify_list(controller, last, list);
        if (error)
            return error;
        last = add_listed(controller, list, data);
    } while (last > 0);
    return 0;
}

int nvme_disks_scan(struct nvme_controller *controller)
{
    uint8_t *pages = page_alloc(2, 0, "nvme");
    int error = -ENOMEM;

    controller->disks = kcalloc(DISKS_MAX, sizeof(controller->disks[0]));
    if (pages && controller->disks)
        error = scan(controller, pages, pages + NVME_PAGE_SIZE);
    page_free(pages);
    __atomic_store_n(&controller->is_scanned, true, __ATOMIC_RELEASE);
    nvme_disks_retry(controller);
    return controller->disk_count > 0 ? 0 : error;
}
