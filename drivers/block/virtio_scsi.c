/*
 * virtio-scsi (VIRTIO 1.2, 5.6): an adapter with targets, each with logical units.
 *
 * Above: block/, one disk per logical unit. Below: the queues of drivers/block/virtio_request.c,
 * which all disks of the adapter share: when requests end, disks that found the ring full are told.
 * Units are found by REPORT LUNS on every target that answers; ids may have gaps.
 */
#include "drivers/block/scsi.h"
#include "drivers/block/virtio_request.h"
#include "kernel/log.h"
#include "kernel/time/clock.h"
#include "lib/bitmap.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

/* Configuration (5.6.4). */
enum {
    CONFIG_NUM_QUEUES = 0,
    CONFIG_SEG_MAX = 4,
    CONFIG_MAX_SECTORS = 8,
    CONFIG_SENSE_SIZE = 20,
    CONFIG_CDB_SIZE = 24,
    CONFIG_MAX_TARGET = 30,
    CONFIG_MAX_LUN = 32,
};

#define QUEUE_CONTROL 0
#define QUEUE_EVENT   1
#define QUEUE_REQUEST 2
#define CDB_SIZE      32 /* as it is after reset */

enum response { /* 5.6.6.1 */
    S_OK = 0,
    S_OVERRUN = 1,
    S_BAD_TARGET = 3,
    S_BUSY = 5,
    S_INCORRECT_LUN = 10,
};

#define LUNS_MAX            256
#define REPORT_LUNS_SIZE    (8 + 8 * LUNS_MAX)
#define COMMAND_TIMEOUT_NS  (5 * NS_PER_S)
#define COMMAND_TRIES       5
#define SECTORS_MAX         8192
#define DISCARD_SECTORS_MAX (1u << 20) /* 512 MiB */
#define MODE_PAGE_ALL       0x3f
#define MODE_WRITE_PROTECT  0x80
#define MODE_SENSE_SIZE     32

struct command_header { /* virtio_scsi_req_cmd */
    uint8_t lun[8];
    uint64_t tag;
    uint8_t task_attribute;
    uint8_t priority;
    uint8_t command_reference;
    uint8_t cdb[CDB_SIZE];
} __packed;

struct command_response {
    uint32_t sense_length;
    uint32_t residual;
    uint16_t status_qualifier;
    uint8_t status;
    uint8_t response;
    uint8_t sense[SCSI_SENSE_SIZE];
} __packed;

struct scsi_slot {
    struct request_slot slot;
    struct command_header header;
    struct command_response response;
    uint8_t unmap[SCSI_UNMAP_SIZE];
} __aligned(256);

struct scsi_adapter {
    struct request_device requests;
    struct list disks; /* const once is_scanned */
    bool is_scanned;   /* atomic: pairs release in the probe, acquire in has_room() */
    uint32_t max_segments, max_sectors;
};

struct scsi_disk {
    struct block_device block;
    struct scsi_adapter *adapter;
    struct list_node node;
    uint16_t target, lun;
};

/* A command of our own, waiting for its answer. */
struct scsi_command {
    uint16_t target, lun;
    uint8_t cdb[SCSI_CDB_SIZE];
    void *data; /* to be filled; from the heap */
    uint32_t length;
    struct wait_group *group;
    int error; /* valid once the group is done */
};

static struct scsi_disk *disk_of(struct block_device *device)
{
    return container_of(device, struct scsi_disk, block);
}

static struct scsi_adapter *adapter_of(struct request_device *device)
{
    return container_of(device, struct scsi_adapter, requests);
}

/* ---- requests ------------------------------------------------------------------------------ */

/* Single-level addressing (5.6.6.1): 1, target, then the LUN in flat form. */
static void fill_header(struct scsi_slot *scsi, uint16_t target, uint16_t lun)
{
    memset(&scsi->header, 0, sizeof(scsi->header));
    scsi->header.lun[0] = 1;
    scsi->header.lun[1] = (uint8_t)target;
    scsi->header.lun[2] = (uint8_t)(0x40 | lun >> 8);
    scsi->header.lun[3] = (uint8_t)lun;
    scsi->header.tag = (uintptr_t)scsi;
    scsi->response.response = UINT8_MAX;
    scsi->response.sense_length = 0;
    scsi->response.residual = 0;
}

static void fill_cdb(struct scsi_slot *scsi, const struct block_request *request)
{
    uint8_t *cdb = scsi->header.cdb;
    uint32_t scale = request->device->whole->limits.logical_block_size / SECTOR_SIZE;
    uint64_t lba = request->device_lba / scale;
    uint32_t blocks = (uint32_t)(request->sectors / scale);

    if (request->operation == BLOCK_READ)
        scsi_cdb_read_16(cdb, lba, blocks);
    else if (request->operation == BLOCK_WRITE)
        scsi_cdb_write_16(cdb, lba, blocks, request->flags & BLOCK_FUA);
    else if (request->operation == BLOCK_DISCARD)
        scsi_cdb_unmap(cdb, scsi->unmap, lba, blocks);
    else
        scsi_cdb_synchronize_cache(cdb);
}

static int build_command(struct scsi_slot *scsi, const struct scsi_command *command,
                         struct request_chain *chain)
{
    fill_header(scsi, command->target, command->lun);
    memcpy(scsi->header.cdb, command->cdb, SCSI_CDB_SIZE);
    request_chain_add(chain, request_segment(&scsi->header, sizeof(scsi->header)));
    chain->readable = 1;
    request_chain_add(chain, request_segment(&scsi->response, sizeof(scsi->response)));
    if (command->length)
        request_chain_add(chain, request_segment(command->data, command->length));
    return 0;
}

/* Order (5.6.6.1): header, data to the device; response, data from it. */
static int build(struct request_device *device __maybe_unused, struct request_slot *slot,
                 struct request_chain *chain)
{
    struct scsi_slot *scsi = container_of(slot, struct scsi_slot, slot);
    const struct block_request *request = slot->request;

    if (!request)
        return build_command(scsi, slot->context, chain);
    struct scsi_disk *disk = disk_of(request->device->whole);
    fill_header(scsi, disk->target, disk->lun);
    fill_cdb(scsi, request);
    request_chain_add(chain, request_segment(&scsi->header, sizeof(scsi->header)));
    if (request->operation == BLOCK_WRITE)
        request_chain_add_data(chain, request);
    else if (request->operation == BLOCK_DISCARD)
        request_chain_add(chain, request_segment(scsi->unmap, sizeof(scsi->unmap)));
    chain->readable = chain->count;
    request_chain_add(chain, request_segment(&scsi->response, sizeof(scsi->response)));
    if (request->operation == BLOCK_READ)
        request_chain_add_data(chain, request);
    return 0;
}

static int response_error(uint8_t response)
{
    switch (response) {
    case S_OK:
        return 0;
    case S_BAD_TARGET:
    case S_INCORRECT_LUN:
        return -ENODEV;
    case S_BUSY:
        return -EAGAIN;
    default:
        return -EIO;
    }
}

static int result(struct request_slot *slot, uint32_t written __maybe_unused)
{
    struct command_response *response = &container_of(slot, struct scsi_slot, slot)->response;
    int error = response_error(response->response);

    if (!error)
        error = scsi_error(response->status, response->sense,
                           MIN(response->sense_length, (uint32_t)SCSI_SENSE_SIZE));
    if (!error && slot->request && response->residual > 0)
        error = -EIO; /* not all of the data came or went */
    return error;
}

static void has_room(struct request_device *device)
{
    struct scsi_adapter *adapter = adapter_of(device);
    struct scsi_disk *disk;

    if (!__atomic_load_n(&adapter->is_scanned, __ATOMIC_ACQUIRE))
        return; /* the probe comes here itself when it is done */
    list_for_each_entry(disk, &adapter->disks, node)
        block_device_retry(&disk->block);
}

static void broken(struct request_device *device)
{
    struct list_node *first = list_front(&adapter_of(device)->disks);

    if (first)
        block_device_recover(&container_of(first, struct scsi_disk, node)->block);
}

static const struct request_ops request_ops = {
    .name = "virtio_scsi",
    .slot_size = sizeof(struct scsi_slot),
    .build = build,
    .result = result,
    .has_room = has_room,
    .broken = broken,
};

/* ---- disks --------------------------------------------------------------------------------- */

/* -EAGAIN (unit attention, busy) is the block layer's to repeat, within limits. */
static void request_done(void *context __maybe_unused, struct block_request *request, int error)
{
    block_complete(request, error);
}

static int virtio_scsi_submit(struct block_device *device, struct block_request *request)
{
    return request_submit(&disk_of(device)->adapter->requests, request, request_done, NULL);
}

static void virtio_scsi_kick(struct block_device *device)
{
    request_kick(&disk_of(device)->adapter->requests);
}

static void virtio_scsi_poll(struct block_device *device)
{
    request_poll(&disk_of(device)->adapter->requests);
}

/* One overdue disk resets the adapter; the requests of the others are sent again. */
static int virtio_scsi_recover(struct block_device *device)
{
    return request_recover(&disk_of(device)->adapter->requests);
}

static const struct block_device_ops virtio_scsi_ops = {
    .submit = virtio_scsi_submit,
    .kick = virtio_scsi_kick,
    .poll = virtio_scsi_poll,
    .recover = virtio_scsi_recover,
};

/* ---- finding them -------------------------------------------------------------------------- */

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

#define TARGETS_MAX     256
#define TARGETS_AT_ONCE 32

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

static int scan(struct scsi_adapter *adapter)
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

/* ---- probing ------------------------------------------------------------------------------- */

static void read_limits(struct scsi_adapter *adapter)
{
    struct virtio_device *virtio = adapter->requests.virtio;
    uint32_t ring_size = adapter->requests.queues[0]->vq->size;
    uint32_t segments = virtio_config_read32(virtio, CONFIG_SEG_MAX);
    uint32_t sectors = virtio_config_read32(virtio, CONFIG_MAX_SECTORS);

    if (!virtio_has_feature(virtio, VIRTIO_F_INDIRECT_DESC))
        segments = MIN(segments, ring_size - 2);
    adapter->max_segments = CLAMP(segments, 1u, (uint32_t)REQUEST_SEGMENTS_MAX);
    adapter->max_sectors = CLAMP(sectors, 8u, (uint32_t)SECTORS_MAX);
}

static int setup(struct scsi_adapter *adapter)
{
    static const struct virtq_spec others[] = {
        [QUEUE_CONTROL] = { .name = "virtio_scsi control", .max_size = 16 },
        [QUEUE_EVENT] = { .name = "virtio_scsi event", .max_size = 16 },
    };
    struct virtio_device *virtio = adapter->requests.virtio;
    int error = virtio_negotiate(virtio, 0);

    if (error)
        return error;
    adapter->requests.first_virtq = QUEUE_REQUEST;
    error = request_queues_create(&adapter->requests,
                                  virtio_config_read32(virtio, CONFIG_NUM_QUEUES), others);
    if (!error)
        read_limits(adapter);
    return error;
}

static int virtio_scsi_probe(struct virtio_device *virtio)
{
    struct scsi_adapter *adapter = kzalloc(sizeof(*adapter));

    if (!adapter)
        return -ENOMEM;
    adapter->requests.virtio = virtio;
    adapter->requests.ops = &request_ops;
    list_init(&adapter->disks);
    virtio->driver_data = adapter;
    int error = setup(adapter);
    if (!error) {
        virtio_start(virtio);
        error = scan(adapter);
    }
    if (error && list_is_empty(&adapter->disks)) {
        virtio_stop(virtio);
        request_queues_destroy(&adapter->requests);
        kfree(adapter);
        return error;
    }
    __atomic_store_n(&adapter->is_scanned, true, __ATOMIC_RELEASE);
    has_room(&adapter->requests);
    return 0;
}
VIRTIO_DRIVER(virtio_scsi, VIRTIO_ID_SCSI, virtio_scsi_probe);
