/*
 * virtio-rng (VIRTIO 1.2, 5.4): random bytes from the host.
 *
 * Above: kernel/random, which asks once at registration and then now and then. One buffer, one
 * request in flight; it is the device's from the request to the interrupt, ours otherwise.
 */
#include "arch/mmu.h"
#include "drivers/virtio/virtio.h"
#include "kernel/log.h"
#include "kernel/random/entropy.h"
#include "kernel/sync/spinlock.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define RNG_BYTES 64 /* what the generator takes at a time */

struct virtio_rng {
    struct entropy_source entropy;
    struct virtio_device *virtio;
    struct spinlock lock; /* rank: LOCK_RANK_DEVICE */
    bool is_asked __guarded_by(lock);
    uint8_t *buffer; /* the device's while is_asked */
};

static void request_bytes(struct entropy_source *source)
{
    struct virtio_rng *rng = container_of(source, struct virtio_rng, entropy);
    struct virtq *vq = rng->virtio->queues[0];
    struct scatter_segment segment = { direct_map_to_phys(rng->buffer), RNG_BYTES };
    irqflags_t flags = spin_lock_irqsave(&rng->lock);

    if (!rng->is_asked && virtq_add(vq, NULL, 0, &segment, 1, rng) == 0) {
        rng->is_asked = true;
        virtq_kick(vq);
    }
    spin_unlock_irqrestore(&rng->lock, flags);
}

/* The bytes are few: they are handed over right here. */
static void queue_isr(struct virtq *vq)
{
    struct virtio_rng *rng = vq->context;
    uint8_t bytes[RNG_BYTES];
    uint32_t length = 0;
    irqflags_t flags = spin_lock_irqsave(&rng->lock);
    bool is_done = virtq_pop(vq, &length) != NULL;

    if (is_done) {
        memcpy(bytes, rng->buffer, length);
        memset(rng->buffer, 0, RNG_BYTES);
        rng->is_asked = false;
    }
    spin_unlock_irqrestore(&rng->lock, flags);
    if (is_done)
        entropy_add(&rng->entropy, bytes, length);
    memset(bytes, 0, sizeof(bytes));
}

static int setup(struct virtio_rng *rng)
{
    const struct virtq_spec spec = { .name = "virtio_rng", .callback = queue_isr, .context = rng };
    int error = virtio_negotiate(rng->virtio, 0);

    rng->buffer = kmalloc(RNG_BYTES);
    if (!error && !rng->buffer)
        error = -ENOMEM;
    return error ? error : virtio_queues_create(rng->virtio, &spec, 1);
}

static int virtio_rng_probe(struct virtio_device *virtio)
{
    struct virtio_rng *rng = kzalloc(sizeof(*rng));

    if (!rng)
        return -ENOMEM;
    rng->virtio = virtio;
    rng->entropy.name = "virtio-rng";
    rng->entropy.bits_per_byte = 8;
    rng->entropy.request = request_bytes;
    spin_lock_init(&rng->lock, "virtio_rng", LOCK_RANK_DEVICE);
    virtio->driver_data = rng;
    int error = setup(rng);
    if (error) {
        virtio_stop(virtio);
        kfree(rng->buffer);
        kfree(rng);
        return error;
    }
    virtio_start(virtio);
    entropy_register(&rng->entropy);
    return 0;
}
VIRTIO_DRIVER(virtio_rng, VIRTIO_ID_ENTROPY, virtio_rng_probe);
