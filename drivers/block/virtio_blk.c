/*
 * virtio-blk (VIRTIO 1.2, 5.2): disks.
 *
 * Above: block/. Below: drivers/virtio/, by way of the queues of drivers/block/virtio_request.c. A
 * request is a chain of header, data and status byte.
 */
#include "drivers/block/virtio_request.h"
#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "mm/kmalloc.h"

/* Feature bits (5.2.3). */
#define VIRTIO_BLK_F_SIZE_MAX   1
#define VIRTIO_BLK_F_SEG_MAX    2
#define VIRTIO_BLK_F_RO         5
#define VIRTIO_BLK_F_BLK_SIZE   6
#define VIRTIO_BLK_F_FLUSH      9
#define VIRTIO_BLK_F_CONFIG_WCE 11
#define VIRTIO_BLK_F_MQ         12
#define VIRTIO_BLK_F_DISCARD    13

/* Configuration (5.2.4). */
enum {
    CONFIG_CAPACITY = 0,
    CONFIG_SIZE_MAX = 8,
    CONFIG_SEG_MAX = 12,
    CONFIG_BLK_SIZE = 20,
    CONFIG_WRITEBACK = 32,
    CONFIG_NUM_QUEUES = 34,
    CONFIG_MAX_DISCARD_SECTORS = 36,
};

/* Requests (5.2.6). */
enum {
    T_IN = 0,
    T_OUT = 1,
    T_FLUSH = 4,
    T_DISCARD = 11
};
enum {
    S_OK = 0,
    S_IOERR = 1,
    S_UNSUPP = 2,
    S_NONE = 0xff
};

#define SECTORS_MAX 8192 /* 4 MiB: keeps one request from holding up the others */

struct blk_header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
} __packed;

struct blk_discard {
    uint64_t sector;
    uint32_t sectors;
    uint32_t flags;
} __packed;

struct blk_slot {
    struct request_slot slot;
    struct blk_header header;
    struct blk_discard discard;
    uint8_t status;
} __aligned(128);

struct virtio_blk {
    struct block_device block;
    struct request_device requests;
};

static struct virtio_blk *blk_of(struct block_device *device)
{
    return container_of(device, struct virtio_blk, block);
}

/* ---- requests ------------------------------------------------------------------------------ */

static int build(struct request_device *device __maybe_unused, struct request_slot *slot,
                 struct request_chain *chain)
{
    static const uint32_t types[] = { [BLOCK_READ] = T_IN,
                                      [BLOCK_WRITE] = T_OUT,
                                      [BLOCK_FLUSH] = T_FLUSH,
                                      [BLOCK_DISCARD] = T_DISCARD };
    struct blk_slot *blk = container_of(slot, struct blk_slot, slot);
    const struct block_request *request = slot->request;
    bool has_data = request->operation == BLOCK_READ || request->operation == BLOCK_WRITE;

    blk->header.type = types[request->operation];
    blk->header.sector = has_data ? request->device_lba : 0;
    blk->status = S_NONE;
    request_chain_add(chain, request_segment(&blk->header, sizeof(blk->header)));
    if (request->operation == BLOCK_DISCARD) {
        blk->discard.sector = request->device_lba;
        blk->discard.sectors = (uint32_t)request->sectors;
        request_chain_add(chain, request_segment(&blk->discard, sizeof(blk->discard)));
    }
    if (has_data)
        request_chain_add_data(chain, request);
    chain->readable = request->operation == BLOCK_READ ? 1 : chain->count;
    request_chain_add(chain, request_segment(&blk->status, sizeof(blk->status)));
    return 0;
}

static int result(struct request_slot *slot, uint32_t written __maybe_unused)
{
    switch (container_of(slot, struct blk_slot, slot)->status) {
    case S_OK:
        return 0;
    case S_UNSUPP:
        return -ENOTSUP;
    default:
        return -EIO;
    }
}

static void broken(struct request_device *device)
{
    block_device_recover(&container_of(device, struct virtio_blk, requests)->block);
}

static const struct request_ops request_ops = {
    .name = "virtio_blk",
    .slot_size = sizeof(struct blk_slot),
    .build = build,
    .result = result,
    .broken = broken,
};

static void done(void *context __maybe_unused, struct block_request *request, int error)
{
    block_complete(request, error);
}

static int virtio_blk_submit(struct block_device *device, struct block_request *request)
{
    return request_submit(&blk_of(device)->requests, request, done, NULL);
}

static void virtio_blk_kick(struct block_device *device)
{
    request_kick(&blk_of(device)->requests);
}

static void virtio_blk_poll(struct block_device *device)
{
    request_poll(&blk_of(device)->requests);
}

static int virtio_blk_recover(struct block_device *device)
{
    return request_recover(&blk_of(device)->requests);
}

static const struct block_device_ops virtio_blk_ops = {
    .submit = virtio_blk_submit,
    .kick = virtio_blk_kick,
    .poll = virtio_blk_poll,
    .recover = virtio_blk_recover,
};

/* The device says that something changed: of interest is only that it wants a reset. */
static void config_changed(struct virtio_device *virtio)
{
    struct virtio_blk *disk = virtio->driver_data;

    if (virtio->transport->get_status(virtio) & VIRTIO_STATUS_NEEDS_RESET)
        block_device_recover(&disk->block);
}

/* ---- probing ------------------------------------------------------------------------------- */

static void read_limits(struct virtio_blk *disk)
{
    struct virtio_device *virtio = disk->requests.virtio;
    uint32_t ring_size = disk->requests.queues[0]->vq->size;
    struct block_limits *limits = &disk->block.limits;

    limits->logical_block_size = SECTOR_SIZE;
    limits->max_segment_bytes = UINT32_MAX & ~4095u;
    limits->max_segments = 1;
    limits->max_sectors = SECTORS_MAX;
    limits->queue_depth = ring_size * disk->requests.queue_count;
    if (virtio_has_feature(virtio, VIRTIO_BLK_F_BLK_SIZE))
        limits->logical_block_size = virtio_config_read32(virtio, CONFIG_BLK_SIZE);
    if (virtio_has_feature(virtio, VIRTIO_BLK_F_SIZE_MAX))
        limits->max_segment_bytes = virtio_config_read32(virtio, CONFIG_SIZE_MAX);
    if (virtio_has_feature(virtio, VIRTIO_BLK_F_SEG_MAX))
        limits->max_segments = virtio_config_read32(virtio, CONFIG_SEG_MAX);
    if (virtio_has_feature(virtio, VIRTIO_BLK_F_DISCARD))
        limits->max_discard_sectors = virtio_config_read32(virtio, CONFIG_MAX_DISCARD_SECTORS);
    /* A ring without indirect descriptors holds a request only if all its pieces fit. */
    if (!virtio_has_feature(virtio, VIRTIO_F_INDIRECT_DESC))
        limits->max_segments = MIN(limits->max_segments, ring_size - 2);
    limits->max_segments = MIN_T(uint32_t, limits->max_segments, REQUEST_SEGMENTS_MAX);
}

static void read_flags(struct virtio_blk *disk)
{
    struct virtio_device *virtio = disk->requests.virtio;
    bool can_flush = virtio_has_feature(virtio, VIRTIO_BLK_F_FLUSH);
    bool is_write_through = virtio_has_feature(virtio, VIRTIO_BLK_F_CONFIG_WCE) &&
                            virtio_config_read8(virtio, CONFIG_WRITEBACK) == 0;

    if (virtio_has_feature(virtio, VIRTIO_BLK_F_RO))
        disk->block.flags |= BLOCK_DEVICE_READ_ONLY;
    if (can_flush && !is_write_through)
        disk->block.flags |= BLOCK_DEVICE_WRITE_CACHE;
}

static int setup(struct virtio_blk *disk)
{
    const uint64_t features =
        VIRTIO_FEATURE(VIRTIO_BLK_F_SIZE_MAX) | VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) |
        VIRTIO_FEATURE(VIRTIO_BLK_F_RO) | VIRTIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
        VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) | VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE) |
        VIRTIO_FEATURE(VIRTIO_BLK_F_MQ) | VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD);
    struct virtio_device *virtio = disk->requests.virtio;
    int error = virtio_negotiate(virtio, features);

    if (error)
        return error;
    unsigned int queues = virtio_has_feature(virtio, VIRTIO_BLK_F_MQ)
                              ? virtio_config_read16(virtio, CONFIG_NUM_QUEUES)
                              : 1;
    error = request_queues_create(&disk->requests, queues, NULL);
    if (error)
        return error;
    disk->block.sectors = virtio_config_read64(virtio, CONFIG_CAPACITY);
    disk->block.ops = &virtio_blk_ops;
    snprintf(disk->block.model, sizeof(disk->block.model), "virtio-blk");
    read_limits(disk);
    read_flags(disk);
    return 0;
}

static int virtio_blk_probe(struct virtio_device *virtio)
{
    struct virtio_blk *disk = kzalloc(sizeof(*disk));

    if (!disk)
        return -ENOMEM;
    disk->requests.virtio = virtio;
    disk->requests.ops = &request_ops;
    virtio->driver_data = disk;
    int error = setup(disk);
    if (!error) {
        virtio->config_changed = config_changed;
        virtio_start(virtio);
        error = block_device_register(&disk->block, "vd");
    }
    if (error) {
        virtio->config_changed = NULL;
        virtio_stop(virtio);
        request_queues_destroy(&disk->requests);
        kfree(disk);
    }
    return error;
}
VIRTIO_DRIVER(virtio_blk, VIRTIO_ID_BLOCK, virtio_blk_probe);
