/*
 * virtio: what all devices do alike - reset, features, queues, restart - over a transport's ops.
 *
 * Above: virtio_blk, virtio_net, virtio_scsi, virtio_rng. Below: virtio_pci.c, virtio_pci_legacy.c,
 * virtio_mmio.c. Devices register at INIT_DRIVER, one after another: the list needs no lock then,
 * and is constant afterwards.
 */
#include "drivers/virtio/virtio.h"

#include "arch/cpu.h"
#include "kernel/irq/irq.h"
#include "kernel/log.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"

#define RESET_TIMEOUT_NS  (2 * NS_PER_S)
#define QUEUE_SIZE_MAX    1024
#define CONFIG_READ_TRIES 100

static struct list virtio_devices = LIST_INIT(virtio_devices); /* const after INIT_DRIVER */

static void add_status(struct virtio_device *device, uint8_t status)
{
    device->transport->set_status(device, device->transport->get_status(device) | status);
}

/* What does not answer must not write to memory that others will use. */
static void revoke(struct virtio_device *device)
{
    if (device->transport->revoke)
        device->transport->revoke(device);
}

/* Reset is done when the status reads 0 (2.4.2), which a device may take its time for. */
static int reset_device(struct virtio_device *device)
{
    uint64_t deadline = deadline_after_ns(RESET_TIMEOUT_NS);

    device->transport->set_status(device, 0);
    while (device->transport->get_status(device) != 0) {
        if (clock_now_ns() > deadline) {
            log_error("virtio", "%s: no answer to reset", device->name);
            revoke(device);
            return -EIO;
        }
        clock_busy_wait_ns(10 * NS_PER_US);
    }
    return 0;
}

/* Feature selection up to FEATURES_OK (3.1.1, steps 4 to 6). */
static int set_features(struct virtio_device *device)
{
    device->transport->set_features(device, device->features);
    if (device->is_legacy)
        return 0;
    add_status(device, VIRTIO_STATUS_FEATURES_OK);
    if (!(device->transport->get_status(device) & VIRTIO_STATUS_FEATURES_OK)) {
        log_error("virtio", "%s: features %#llx refused", device->name,
                  (unsigned long long)device->features);
        add_status(device, VIRTIO_STATUS_FAILED);
        return -ENOTSUP;
    }
    return 0;
}

int virtio_negotiate(struct virtio_device *device, uint64_t wanted)
{
    const uint64_t common =
        VIRTIO_FEATURE(VIRTIO_F_INDIRECT_DESC) | VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX) |
        VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM);
    int error = reset_device(device);

    if (error)
        return error;
    add_status(device, VIRTIO_STATUS_ACKNOWLEDGE);
    add_status(device, VIRTIO_STATUS_DRIVER);
    device->features = device->transport->get_features(device) & (wanted | common);
    if (device->is_legacy)
        device->features &= UINT32_MAX;
    else if (!virtio_has_feature(device, VIRTIO_F_VERSION_1)) {
        log_error("virtio", "%s: a modern device without VERSION_1", device->name);
        return -ENOTSUP;
    }
    return set_features(device);
}

void virtio_config_read(struct virtio_device *device, size_t offset, void *buffer, size_t length)
{
    for (int turn = 0; turn < CONFIG_READ_TRIES; turn++) {
        uint32_t before = device->transport->config_generation(device);
        device->transport->config_read(device, offset, buffer, length);
        if (device->transport->config_generation(device) == before)
            return;
    }
    log_warning("virtio", "%s: configuration changes without end", device->name);
}

#define DEFINE_CONFIG_READ_(bits)                                                                  \
    uint##bits##_t virtio_config_read##bits(struct virtio_device *device, size_t offset)           \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        virtio_config_read(device, offset, &value, sizeof(value));                                 \
        return value;                                                                              \
    }
DEFINE_CONFIG_READ_(8)
DEFINE_CONFIG_READ_(16)
DEFINE_CONFIG_READ_(32)
DEFINE_CONFIG_READ_(64)
#undef DEFINE_CONFIG_READ_

/* Only powers of two are legal; a size of the device's choosing on legacy transports, exactly. */
static uint16_t queue_size(struct virtio_device *device, unsigned int index, uint16_t wanted)
{
    uint16_t offered = device->transport->queue_max_size(device, index);
    uint16_t limit = wanted ? MIN(wanted, (uint16_t)QUEUE_SIZE_MAX) : QUEUE_SIZE_MAX;
    uint16_t size = offered;

    if (offered & (offered - 1)) {
        log_error("virtio", "%s: queue %u: size %u is no power of two", device->name, index,
                  offered);
        return 0;
    }
    if (device->is_legacy)
        return size;
    while (size > limit)
        size /= 2;
    return size;
}

static int create_queue(struct virtio_device *device, const struct virtq_spec *spec,
                        unsigned int index)
{
    uint16_t size = queue_size(device, index, spec->max_size);

    if (size == 0)
        return -ENODEV;
    struct virtq *vq = virtq_create(device, index, size);
    if (!vq)
        return -ENOMEM;
    vq->name = spec->name;
    vq->callback = spec->callback;
    vq->context = spec->context;
    vq->ignores_length = spec->ignores_length;
    vq->cpu = spec->has_cpu && cpu_is_online(spec->cpu) ? spec->cpu : IRQ_ANY_CPU;
    device->queues[index] = vq;
    return 0;
}

static int activate_queues(struct virtio_device *device)
{
    if (device->transport->config_vector_activate) {
        int error = device->transport->config_vector_activate(device);
        if (error)
            return error;
    }
    for (unsigned int i = 0; i < device->queue_count; i++) {
        int error = device->transport->queue_activate(device, device->queues[i]);
        if (error) {
            log_error("virtio", "%s: queue %u: cannot be activated: %s", device->name, i,
                      errno_text(error));
            return error;
        }
    }
    return 0;
}

static void destroy_queues(struct virtio_device *device)
{
    for (unsigned int i = 0; device->queues && i < device->queue_count; i++)
        virtq_destroy(device->queues[i]);
    kfree(device->queues);
    device->queues = NULL;
    device->queue_count = 0;
}

int virtio_queues_create(struct virtio_device *device, const struct virtq_spec *specs,
                         unsigned int count)
{
    device->queues = kcalloc(count, sizeof(device->queues[0]));
    if (!device->queues)
        return -ENOMEM;
    device->queue_count = count;
    for (unsigned int i = 0; i < count; i++) {
        int error = create_queue(device, &specs[i], i);
        if (error) {
            destroy_queues(device);
            return error;
        }
    }
    int error = device->transport->interrupts_request(device);
    if (error) {
        destroy_queues(device);
        return error;
    }
    return activate_queues(device); /* on error: virtio_stop() by the failed probe */
}

void virtio_start(struct virtio_device *device)
{
    add_status(device, VIRTIO_STATUS_DRIVER_OK);
}

int virtio_restart(struct virtio_device *device, void (*drop)(struct virtq *vq, void *token))
{
    int error = reset_device(device);

    device->restarts++;
    if (error)
        return error;
    for (unsigned int i = 0; i < device->queue_count; i++)
        virtq_reset(device->queues[i], drop);
    add_status(device, VIRTIO_STATUS_ACKNOWLEDGE);
    add_status(device, VIRTIO_STATUS_DRIVER);
    error = set_features(device);
    if (!error)
        error = activate_queues(device);
    if (error)
        return -EIO;
    virtio_start(device);
    log_warning("virtio", "%s: was reset and works again", device->name);
    return 0;
}

void virtio_stop(struct virtio_device *device)
{
    if (reset_device(device) != 0)
        return; /* on MMIO it may still use its rings: better leaked than overwritten */
    if (device->queues)
        device->transport->interrupts_free(device);
    destroy_queues(device);
}

bool virtio_needs_reset(struct virtio_device *device)
{
    for (unsigned int i = 0; i < device->queue_count; i++)
        if (device->queues[i]->is_broken)
            return true;
    return device->transport->get_status(device) & VIRTIO_STATUS_NEEDS_RESET;
}

static const struct virtio_driver *find_driver(uint32_t id)
{
    const struct virtio_driver *driver;

    registry_for_each(driver, virtio_driver)
        if (driver->id == id)
            return driver;
    return NULL;
}

int virtio_device_register(struct virtio_device *device)
{
    const struct virtio_driver *driver = find_driver(device->id);

    list_push_back(&virtio_devices, &device->node);
    if (!driver) {
        log_info("virtio", "%s: no driver for device type %u", device->name, device->id);
        return 0;
    }
    int error = driver->probe(device);
    if (error) {
        log_error("virtio", "%s: %s does not start: %s", device->name, driver->name,
                  errno_text(error));
        return error; /* the probe has stopped it */
    }
    device->driver = driver;
    return 0;
}

void virtio_for_each(bool (*visit)(struct virtio_device *device, void *arg), void *arg)
{
    struct virtio_device *device;

    list_for_each_entry(device, &virtio_devices, node)
        if (!visit(device, arg))
            return;
}

void virtio_queue_interrupt_isr(struct virtq *vq)
{
    vq->interrupts++;
    if (vq->callback)
        vq->callback(vq);
}

void virtio_all_queues_interrupt_isr(struct virtio_device *device)
{
    for (unsigned int i = 0; i < device->queue_count; i++)
        virtio_queue_interrupt_isr(device->queues[i]);
}

void virtio_config_interrupt_isr(struct virtio_device *device)
{
    if (device->config_changed)
        device->config_changed(device);
}
