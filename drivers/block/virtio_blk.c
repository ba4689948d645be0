/*
 * virtio-blk (VIRTIO 1.2, 5.2): disks.
 *
 * Above: block/. Below: drivers/virtio/. A request is a chain of header, data and status byte; the
 * headers are slots allocated with the queue, one for each request that it can hold. Requests of a
 * CPU go to queue CPU mod queues; each queue has its lock, taken by submitters and by the poll that
 * runs in SOFTIRQ_BLOCK after its interrupt.
 */
#include "arch/cpu.h"
#include "arch/mmu.h"
#include "block/block_device.h"
#include "drivers/virtio/virtio.h"
#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

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

#define SEGMENTS_MAX   254  /* of data in a request; header and status make it 256 descriptors */
#define SECTORS_MAX    8192 /* 4 MiB: keeps one request from holding up the others */
#define QUEUES_MAX     64
#define QUEUE_NAME_MAX 40

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

/* What the device reads and writes besides the data; lies within one page. */
struct blk_slot {
    struct blk_header header;
    struct blk_discard discard;
    uint8_t status;
    struct block_request *request;
    struct blk_slot *next_free;
} __aligned(64);

struct blk_queue {
    struct virtio_blk *disk;
    struct virtq *vq;
    struct spinlock lock; /* rank: LOCK_RANK_DEVICE */
    struct blk_slot *slots;
    struct blk_slot *free_slots __guarded_by(lock);
    struct block_poll poll;
    bool needs_kick __guarded_by(lock);
    char name[QUEUE_NAME_MAX];
    /* The chain being built: header, data, status. */
    struct scatter_segment chain[SEGMENTS_MAX + 2] __guarded_by(lock);
};

struct virtio_blk {
    struct block_device block;
    struct virtio_device *virtio;
    unsigned int queue_count;
    struct blk_queue *queues[QUEUES_MAX];
};

static struct virtio_blk *blk_of(struct block_device *device)
{
    return container_of(device, struct virtio_blk, block);
}

static struct blk_queue *queue_of_this_cpu(struct virtio_blk *disk)
{
    return disk->queues[cpu_current() % disk->queue_count];
}

/* ---- submission ---------------------------------------------------------------------------- */

static bool has_data(const struct block_request *request)
{
    return request->operation == BLOCK_READ || request->operation == BLOCK_WRITE;
}

static struct scatter_segment slot_segment(const void *field, uint32_t length)
{
    return (struct scatter_segment){ direct_map_to_phys(field), length };
}

static void fill_slot(struct blk_slot *slot, const struct block_request *request)
{
    static const uint32_t types[] = { [BLOCK_READ] = T_IN,
                                      [BLOCK_WRITE] = T_OUT,
                                      [BLOCK_FLUSH] = T_FLUSH,
                                      [BLOCK_DISCARD] = T_DISCARD };

    slot->header.type = types[request->operation];
    slot->header.sector = has_data(request) ? request->device_lba : 0;
    slot->discard.sector = request->device_lba;
    slot->discard.sectors = (uint32_t)request->sectors;
    slot->status = S_NONE;
}

/* Build the chain of @slot and give it to the device. */
static int add_chain_locked(struct blk_queue *queue, struct blk_slot *slot,
                            const struct block_request *request) __must_hold(queue->lock)
{
    struct scatter_segment *chain = queue->chain;
    size_t count = 0;

    chain[count++] = slot_segment(&slot->header, sizeof(slot->header));
    if (request->operation == BLOCK_DISCARD)
        chain[count++] = slot_segment(&slot->discard, sizeof(slot->discard));
    if (has_data(request)) {
        memcpy(&chain[count], request->segments, request->segment_count * sizeof(chain[0]));
        count += request->segment_count;
    }
    size_t readable = request->operation == BLOCK_READ ? 1 : count;
    chain[count++] = slot_segment(&slot->status, sizeof(slot->status));
    return virtq_add(queue->vq, chain, readable, chain + readable, count - readable, slot);
}

static int submit_locked(struct blk_queue *queue, struct block_request *request)
    __must_hold(queue->lock)
{
    struct blk_slot *slot = queue->free_slots;

    if (!slot || queue->vq->is_broken)
        return -EBUSY;
    fill_slot(slot, request);
    int error = add_chain_locked(queue, slot, request);
    if (error)
        return error;
    queue->free_slots = slot->next_free;
    slot->request = request;
    queue->needs_kick = true;
    return 0;
}

static int virtio_blk_submit(struct block_device *device, struct block_request *request)
{
    struct blk_queue *queue = queue_of_this_cpu(blk_of(device));
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    int error = submit_locked(queue, request);

    spin_unlock_irqrestore(&queue->lock, flags);
    return error;
}

static void virtio_blk_kick(struct block_device *device)
{
    struct virtio_blk *disk = blk_of(device);

    for (unsigned int i = 0; i < disk->queue_count; i++) {
        struct blk_queue *queue = disk->queues[i];
        if (!READ_ONCE(queue->needs_kick))
            continue;
        irqflags_t flags = spin_lock_irqsave(&queue->lock);
        queue->needs_kick = false;
        virtq_kick(queue->vq);
        spin_unlock_irqrestore(&queue->lock, flags);
    }
}

/* ---- completion ---------------------------------------------------------------------------- */

static int status_error(uint8_t status)
{
    switch (status) {
    case S_OK:
        return 0;
    case S_UNSUPP:
        return -ENOTSUP;
    default:
        return -EIO;
    }
}

static void free_slot_locked(struct blk_queue *queue, struct blk_slot *slot)
{
    slot->request = NULL;
    slot->next_free = queue->free_slots;
    queue->free_slots = slot;
}

/* One completed request with its result; NULL when there is none. */
static struct block_request *pop(struct blk_queue *queue, int *error)
{
    struct block_request *request = NULL;
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    struct blk_slot *slot = virtq_pop(queue->vq, NULL);

    if (slot) {
        request = slot->request;
        *error = status_error(slot->status);
        free_slot_locked(queue, slot);
    }
    spin_unlock_irqrestore(&queue->lock, flags);
    return request;
}

/* Interrupts on again. Return: false when something came meanwhile. */
static bool rearm(struct blk_queue *queue)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);
    bool is_armed = virtq_enable_interrupts(queue->vq);

    spin_unlock_irqrestore(&queue->lock, flags);
    return is_armed;
}

/* The requests that completions make way for are announced together, at the end. */
static void reap(struct blk_queue *queue)
{
    struct block_request *request;
    int error;

    block_plug(&queue->disk->block);
    do {
        while ((request = pop(queue, &error)) != NULL)
            block_complete(request, error);
    } while (!rearm(queue));
    block_unplug(&queue->disk->block);
    if (READ_ONCE(queue->vq->is_broken))
        block_device_recover(&queue->disk->block);
}

static void reap_softirq(struct block_poll *poll)
{
    reap(container_of(poll, struct blk_queue, poll));
}

static void queue_isr(struct virtq *vq)
{
    struct blk_queue *queue = vq->context;

    virtq_disable_interrupts(vq);
    block_poll_schedule(&queue->poll);
}

static void virtio_blk_poll(struct block_device *device)
{
    struct virtio_blk *disk = blk_of(device);

    for (unsigned int i = 0; i < disk->queue_count; i++)
        reap(disk->queues[i]);
}

/* ---- recovery ------------------------------------------------------------------------------ */

static void drop(struct virtq *vq, void *token)
{
    struct blk_queue *queue = vq->context;
    struct blk_slot *slot = token;
    struct block_request *request = slot->request;
    irqflags_t flags = spin_lock_irqsave(&queue->lock);

    free_slot_locked(queue, slot);
    spin_unlock_irqrestore(&queue->lock, flags);
    block_complete(request, -EAGAIN);
}

static int virtio_blk_recover(struct block_device *device)
{
    return virtio_restart(blk_of(device)->virtio, drop);
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
    struct virtio_device *virtio = disk->virtio;
    struct block_limits *limits = &disk->block.limits;

    limits->logical_block_size = SECTOR_SIZE;
    limits->max_segment_bytes = UINT32_MAX & ~(uint32_t)(PAGE_SIZE - 1);
    limits->max_segments = 1;
    limits->max_sectors = SECTORS_MAX;
    if (virtio_has_feature(virtio, VIRTIO_BLK_F_BLK_SIZE))
        limits->logical_block_size = virtio_config_read32(virtio, CONFIG_BLK_SIZE);
    if (virtio_has_feature(virtio, VIRTIO_BLK_F_SIZE_MAX))
        limits->max_segment_bytes = virtio_config_read32(virtio, CONFIG_SIZE_MAX);
    if (virtio_has_feature(virtio, VIRTIO_BLK_F_SEG_MAX))
        limits->max_segments =
            MIN_T(uint32_t, virtio_config_read32(virtio, CONFIG_SEG_MAX), SEGMENTS_MAX);
    if (virtio_has_feature(virtio, VIRTIO_BLK_F_DISCARD))
        limits->max_discard_sectors = virtio_config_read32(virtio, CONFIG_MAX_DISCARD_SECTORS);
    /* A ring without indirect descriptors holds a request only if all its pieces fit. */
    if (!virtio_has_feature(virtio, VIRTIO_F_INDIRECT_DESC))
        limits->max_segments =
            MIN_T(uint32_t, limits->max_segments, disk->queues[0]->vq->size - 2u);
    limits->queue_depth = disk->queues[0]->vq->size * disk->queue_count;
}

static void read_flags(struct virtio_blk *disk)
{
    struct virtio_device *virtio = disk->virtio;
    bool can_flush = virtio_has_feature(virtio, VIRTIO_BLK_F_FLUSH);
    bool is_write_through = virtio_has_feature(virtio, VIRTIO_BLK_F_CONFIG_WCE) &&
                            virtio_config_read8(virtio, CONFIG_WRITEBACK) == 0;

    if (virtio_has_feature(virtio, VIRTIO_BLK_F_RO))
        disk->block.flags |= BLOCK_DEVICE_READ_ONLY;
    if (can_flush && !is_write_through)
        disk->block.flags |= BLOCK_DEVICE_WRITE_CACHE;
}

static int allocate_slots(struct blk_queue *queue)
{
    uint16_t count = queue->vq->size;
    size_t bytes = count * sizeof(struct blk_slot);

    queue->slots = page_alloc(DIV_ROUND_UP(bytes, PAGE_SIZE), PAGE_ZERO, "virtio_blk");
    if (!queue->slots)
        return -ENOMEM;
    for (uint16_t i = 0; i < count; i++)
        free_slot_locked(queue, &queue->slots[i]);
    return 0;
}

static struct blk_queue *new_queue(struct virtio_blk *disk, unsigned int index)
{
    struct blk_queue *queue = kzalloc(sizeof(*queue));

    if (!queue)
        return NULL;
    queue->disk = disk;
    spin_lock_init(&queue->lock, "virtio_blk", LOCK_RANK_DEVICE);
    block_poll_init(&queue->poll, reap_softirq);
    snprintf(queue->name, sizeof(queue->name), "virtio_blk %s.%u", disk->virtio->name, index);
    return queue;
}

static int create_virtqs(struct virtio_blk *disk)
{
    struct virtq_spec *specs = kcalloc(disk->queue_count, sizeof(*specs));

    if (!specs)
        return -ENOMEM;
    for (unsigned int i = 0; i < disk->queue_count; i++)
        specs[i] = (struct virtq_spec){ .name = disk->queues[i]->name,
                                        .callback = queue_isr,
                                        .context = disk->queues[i] };
    int error = virtio_queues_create(disk->virtio, specs, disk->queue_count);
    kfree(specs);
    return error;
}

static int create_queues(struct virtio_blk *disk)
{
    for (unsigned int i = 0; i < disk->queue_count; i++) {
        disk->queues[i] = new_queue(disk, i);
        if (!disk->queues[i])
            return -ENOMEM;
    }
    int error = create_virtqs(disk);
    for (unsigned int i = 0; !error && i < disk->queue_count; i++) {
        disk->queues[i]->vq = disk->virtio->queues[i];
        error = allocate_slots(disk->queues[i]);
    }
    return error;
}

static void free_disk(struct virtio_blk *disk)
{
    for (unsigned int i = 0; i < disk->queue_count; i++) {
        if (disk->queues[i])
            page_free(disk->queues[i]->slots);
        kfree(disk->queues[i]);
    }
    kfree(disk);
}

static int setup_disk(struct virtio_blk *disk)
{
    const uint64_t features =
        VIRTIO_FEATURE(VIRTIO_BLK_F_SIZE_MAX) | VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) |
        VIRTIO_FEATURE(VIRTIO_BLK_F_RO) | VIRTIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
        VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) | VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE) |
        VIRTIO_FEATURE(VIRTIO_BLK_F_MQ) | VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD);
    struct virtio_device *virtio = disk->virtio;
    int error = virtio_negotiate(virtio, features);

    if (error)
        return error;
    unsigned int offered = virtio_has_feature(virtio, VIRTIO_BLK_F_MQ)
                               ? virtio_config_read16(virtio, CONFIG_NUM_QUEUES)
                               : 1;
    disk->queue_count = CLAMP(offered, 1u, MIN(cpu_possible_count(), (unsigned int)QUEUES_MAX));
    error = create_queues(disk);
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
    disk->virtio = virtio;
    virtio->driver_data = disk;
    int error = setup_disk(disk);
    if (!error) {
        virtio->config_changed = config_changed;
        virtio_start(virtio);
        error = block_device_register(&disk->block, "vd");
    }
    if (error) {
        virtio->config_changed = NULL;
        virtio_stop(virtio);
        free_disk(disk);
    }
    return error;
}
VIRTIO_DRIVER(virtio_blk, VIRTIO_ID_BLOCK, virtio_blk_probe);
