/*
 * virtio-scsi (VIRTIO 1.2, 5.6): an adapter with targets, each with logical units.
 *
 * Above: block/, one disk per logical unit. Below: the queues of drivers/block/virtio_request.c,
 * which all disks of the adapter share: when requests end, disks that found the ring full are told.
 * Its units are found in drivers/block/virtio_scsi_scan.c.
 */
#include "drivers/block/virtio_scsi.h"

#include "drivers/block/scsi.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

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

#define SECTORS_MAX 8192

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

const struct block_device_ops virtio_scsi_ops = {
    .submit = virtio_scsi_submit,
    .kick = virtio_scsi_kick,
    .poll = virtio_scsi_poll,
    .recover = virtio_scsi_recover,
};

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
        error = virtio_scsi_scan(adapter);
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
