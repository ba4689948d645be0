/*
 * Which disks a virtio-scsi adapter has: targets that answer are asked for their units by REPORT
 * LUNS, units for what they are. Ids may have gaps. Commands go the way of the disks' requests.
 */
#include "drivers/block/scsi.h"
#include "drivers/block/virtio_scsi.h"
#include "kernel/log.h"
#include "kernel/time/clock.h"
#include "lib/bitmap.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define LUNS_MAX            256
#define REPORT_LUNS_SIZE    (8 + 8 * LUNS_MAX)
#define COMMAND_TIMEOUT_NS  (5 * NS_PER_S)
#define COMMAND_TRIES       5
#define DISCARD_SECTORS_MAX (1u << 20) /* 512 MiB */
#define MODE_PAGE_ALL       0x3f
#define MODE_WRITE_PROTECT  0x80
#define MODE_SENSE_SIZE     32
#define TARGETS_MAX         256
#define TARGETS_AT_ONCE     32

static void command_done(void *context, struct block_request *request __maybe_unused, int error)
{
    struct scsi_command *command = context;

    command->error = error;
    wait_group_done(command->group, 0);
}

/*
 * Send @count commands at once, whose cdb and buffers are set, and wait for all of them. Each has
 * its result in its error; one that found no room -EBUSY.
 */
static int run_all(struct scsi_adapter *adapter, struct scsi_command *commands, size_t count)
{
    struct wait_group group;

    wait_group_init(&group, "virtio_scsi");
    for (size_t i = 0; i < count; i++) {
        commands[i].group = &group;
        wait_group_add(&group, 1);
        int error = request_submit(&adapter->requests, NULL, command_done, &commands[i]);
        if (error)
            command_done(&commands[i], NULL, error);
    }
    request_kick(&adapter->requests);
    int error = wait_group_wait(&group, deadline_after_ns(COMMAND_TIMEOUT_NS), WAIT_UNCANCELLABLE);
    if (error == -ETIMEDOUT) /* the device lets go of the commands, and so can we */
        return request_recover(&adapter->requests) ? -EIO : -ETIMEDOUT;
    return error;
}

/* The first command after power-on meets a unit attention; a disk may still be spinning up. */
static int run_command(struct scsi_adapter *adapter, struct scsi_command *command)
{
    int error = -EIO;

    for (int try = 0; try < COMMAND_TRIES; try++) {
        error = run_all(adapter, command, 1);
        if (!error)
            error = command->error;
        if (error != -EAGAIN && error != -EBUSY)
            break;
        if (error == -EBUSY && sleep_ns(100 * NS_PER_MS))
            break;
    }
    return error;
}

/* Vital facts of a unit into @disk. */
static int identify_disk(struct scsi_disk *disk, struct scsi_command *command, uint8_t *data)
{
    struct scsi_inquiry inquiry;
    uint64_t blocks;
    uint32_t block_size;

    scsi_cdb_inquiry(command->cdb, 36);
    command->length = 36;
    int error = run_command(disk->adapter, command);
    if (error)
        return error;
    if (!scsi_parse_inquiry(data, 36, &inquiry) || inquiry.type != 0)
        return -ENODEV; /* a tape, a CD: not ours */
    snprintf(disk->block.model, sizeof(disk->block.model), "%s %s at %u:%u", inquiry.vendor,
             inquiry.product, disk->target, disk->lun);
    scsi_cdb_read_capacity_16(command->cdb, 32);
    command->length = 32;
    error = run_command(disk->adapter, command);
    if (error)
        return error;
    if (!scsi_parse_capacity_16(data, 32, &blocks, &block_size))
        return -EIO;
    disk->block.sectors = blocks * (block_size / SECTOR_SIZE);
    disk->block.limits.logical_block_size = block_size;
    disk->block.limits.max_discard_sectors = scsi_can_unmap(data, 32) ? DISCARD_SECTORS_MAX : 0;
    scsi_cdb_mode_sense_6(command->cdb, MODE_PAGE_ALL, MODE_SENSE_SIZE);
    command->length = MODE_SENSE_SIZE;
    memset(data, 0, MODE_SENSE_SIZE);
    if (run_command(disk->adapter, command) == 0 && data[2] & MODE_WRITE_PROTECT)
        disk->block.flags |= BLOCK_DEVICE_READ_ONLY;
    return 0;
}

static void set_limits(struct scsi_disk *disk)
{
    struct block_limits *limits = &disk->block.limits;

    limits->max_sectors = disk->adapter->max_sectors;
    limits->max_segments = disk->adapter->max_segments;
    limits->max_segment_bytes = UINT32_MAX & ~4095u;
    limits->queue_depth =
        disk->adapter->requests.queues[0]->vq->size * disk->adapter->requests.queue_count;
}

static void add_unit(struct scsi_adapter *adapter, uint16_t target, uint16_t lun, uint8_t *data)
{
    struct scsi_disk *disk = kzalloc(sizeof(*disk));
    struct scsi_command *command = kzalloc(sizeof(*command));
    int error = -ENOMEM;

    if (disk && command) {
        disk->adapter = adapter;
        disk->target = command->target = target;
        disk->lun = command->lun = lun;
        command->data = data;
        disk->block.ops = &virtio_scsi_ops;
        disk->block.flags = BLOCK_DEVICE_WRITE_CACHE;
        error = identify_disk(disk, command, data);
    }
    if (!error) {
        set_limits(disk);
        list_push_back(&adapter->disks, &disk->node);
        error = block_device_register(&disk->block, "sd");
        if (error)
            list_remove(&disk->node);
    }
    if (error && error != -ENODEV)
        log_warning("virtio_scsi", "%s: unit %u:%u: %s", adapter->requests.virtio->name, target,
                    lun, errno_text(error));
    if (error)
        kfree(disk);
    kfree(command);
}

/* REPORT LUNS goes to LUN 0, which answers it even where there is no such unit. */
static void scan_target(struct scsi_adapter *adapter, struct scsi_command *command, uint8_t *data,
                        uint16_t *luns)
{
    scsi_cdb_report_luns(command->cdb, REPORT_LUNS_SIZE);
    command->lun = 0;
    command->length = REPORT_LUNS_SIZE;
    memset(data, 0, REPORT_LUNS_SIZE);
    int error = run_command(adapter, command);
    if (error == -ENODEV)
        return;
    size_t count = error ? 0 : scsi_parse_luns(data, REPORT_LUNS_SIZE, luns, LUNS_MAX);
    if (error == -ENOTSUP) { /* an old unit that has only LUN 0 */
        luns[0] = 0;
        count = 1;
    } else if (error) {
        log_warning("virtio_scsi", "%s: target %u: %s", adapter->requests.virtio->name,
                    command->target, errno_text(error));
    }
    for (size_t i = 0; i < count; i++)
        add_unit(adapter, command->target, luns[i], data);
}

/*
 * Which of the targets from @first on answer at all: asked together, for most of them do not exist.
 * Those that do are marked in @present.
 */
static int find_targets(struct scsi_adapter *adapter, struct scsi_command *commands,
                        unsigned int first, unsigned int count, uint64_t *present)
{
    for (unsigned int i = 0; i < count; i++) {
        commands[i] = (struct scsi_command){ .target = (uint16_t)(first + i) };
        scsi_cdb_test_unit_ready(commands[i].cdb);
    }
    int error = run_all(adapter, commands, count);
    for (unsigned int i = 0; !error && i < count; i++)
        if (commands[i].error != -ENODEV) /* -EBUSY and all else: there is somebody */
            bitmap_set(present, first + i);
    return error;
}

static int scan_targets(struct scsi_adapter *adapter, struct scsi_command *commands, uint8_t *data,
                        uint16_t *luns)
{
    unsigned int count = virtio_config_read16(adapter->requests.virtio, CONFIG_MAX_TARGET) + 1u;
    DECLARE_BITMAP(present, TARGETS_MAX) = { 0 };
    size_t target;

    count = MIN(count, (unsigned int)TARGETS_MAX);
    for (unsigned int first = 0; first < count; first += TARGETS_AT_ONCE) {
        unsigned int some = MIN(count - first, (unsigned int)TARGETS_AT_ONCE);
        int error = find_targets(adapter, commands, first, some, present);
        if (error)
            return error;
    }
    bitmap_for_each_set(target, present, TARGETS_MAX) {
        commands[0] = (struct scsi_command){ .target = (uint16_t)target, .data = data };
        scan_target(adapter, &commands[0], data, luns);
    }
    return 0;
}

int virtio_scsi_scan(struct scsi_adapter *adapter)
{
    struct scsi_command *commands = kcalloc(TARGETS_AT_ONCE, sizeof(*commands));
    uint8_t *data = kmalloc(REPORT_LUNS_SIZE);
    uint16_t *luns = kcalloc(LUNS_MAX, sizeof(*luns));
    int error = commands && data && luns ? scan_targets(adapter, commands, data, luns) : -ENOMEM;

    kfree(luns);
    kfree(data);
    kfree(commands);
    return error;
}
