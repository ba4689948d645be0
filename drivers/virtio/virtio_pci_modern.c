/*
 * The modern register layout of virtio over PCI (VIRTIO 1.2, 4.1.4): structures in memory BARs,
 * found through vendor capabilities.
 */
#include "arch/io.h"
#include "drivers/virtio/virtio_pci.h"
#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/vm.h"

/* struct virtio_pci_cap (4.1.4): offsets in configuration space. */
enum {
    CAP_CFG_TYPE = 3,
    CAP_BAR = 4,
    CAP_OFFSET = 8,
    CAP_LENGTH = 12,
    CAP_NOTIFY_MULTIPLIER = 16
};
enum {
    CFG_TYPE_COMMON = 1,
    CFG_TYPE_NOTIFY = 2,
    CFG_TYPE_ISR = 3,
    CFG_TYPE_DEVICE = 4
};

/* struct virtio_pci_common_cfg (4.1.4.3). */
enum common_register {
    DEVICE_FEATURE_SELECT = 0,
    DEVICE_FEATURE = 4,
    DRIVER_FEATURE_SELECT = 8,
    DRIVER_FEATURE = 12,
    CONFIG_MSIX_VECTOR = 16,
    DEVICE_STATUS = 20,
    CONFIG_GENERATION = 21,
    QUEUE_SELECT = 22,
    QUEUE_SIZE = 24,
    QUEUE_MSIX_VECTOR = 26,
    QUEUE_ENABLE = 28,
    QUEUE_NOTIFY_OFF = 30,
    QUEUE_DESC = 32,
    QUEUE_DRIVER = 40,
    QUEUE_DEVICE = 48,
    COMMON_LENGTH = 56,
};

static uint8_t get_status(struct virtio_device *device)
{
    return mmio_read8(virtio_pci_of(device)->common + DEVICE_STATUS);
}

static void set_status(struct virtio_device *device, uint8_t status)
{
    mmio_write8(virtio_pci_of(device)->common + DEVICE_STATUS, status);
}

static uint64_t get_features(struct virtio_device *device)
{
    uint8_t *common = virtio_pci_of(device)->common;

    mmio_write32(common + DEVICE_FEATURE_SELECT, 0);
    uint64_t features = mmio_read32(common + DEVICE_FEATURE);
    mmio_write32(common + DEVICE_FEATURE_SELECT, 1);
    return features | (uint64_t)mmio_read32(common + DEVICE_FEATURE) << 32;
}

static void set_features(struct virtio_device *device, uint64_t features)
{
    uint8_t *common = virtio_pci_of(device)->common;

    mmio_write32(common + DRIVER_FEATURE_SELECT, 0);
    mmio_write32(common + DRIVER_FEATURE, (uint32_t)features);
    mmio_write32(common + DRIVER_FEATURE_SELECT, 1);
    mmio_write32(common + DRIVER_FEATURE, (uint32_t)(features >> 32));
}

static uint32_t config_generation(struct virtio_device *device)
{
    return mmio_read8(virtio_pci_of(device)->common + CONFIG_GENERATION);
}

/* Fields past the structure's end read as zero: an older device simply does not have them. */
static void config_read(struct virtio_device *device, size_t offset, void *buffer, size_t length)
{
    struct virtio_pci *vp = virtio_pci_of(device);
    uint8_t *bytes = buffer;

    for (size_t i = 0; i < length; i++)
        bytes[i] = offset + i < vp->config_length ? mmio_read8(vp->config + offset + i) : 0;
}

static void config_write(struct virtio_device *device, size_t offset, const void *buffer,
                         size_t length)
{
    struct virtio_pci *vp = virtio_pci_of(device);
    const uint8_t *bytes = buffer;

    for (size_t i = 0; i < length && offset + i < vp->config_length; i++)
        mmio_write8(vp->config + offset + i, bytes[i]);
}

static uint16_t queue_max_size(struct virtio_device *device, unsigned int index)
{
    uint8_t *common = virtio_pci_of(device)->common;

    mmio_write16(common + QUEUE_SELECT, (uint16_t)index);
    return mmio_read16(common + QUEUE_SIZE);
}

static void write_address(uint8_t *at, const volatile void *ring)
{
    paddr_t paddr = direct_map_to_phys((const void *)ring);

    mmio_write32(at, (uint32_t)paddr);
    mmio_write32(at + 4, (uint32_t)(paddr >> 32));
}

static int queue_activate(struct virtio_device *device, struct virtq *vq)
{
    struct virtio_pci *vp = virtio_pci_of(device);
    uint8_t *common = vp->common;
    uint16_t vector = virtio_pci_queue_vector(vp, vq->index);

    mmio_write16(common + QUEUE_SELECT, (uint16_t)vq->index);
    mmio_write16(common + QUEUE_SIZE, vq->size);
    write_address(common + QUEUE_DESC, vq->desc);
    write_address(common + QUEUE_DRIVER, vq->avail);
    write_address(common + QUEUE_DEVICE, vq->used);
    mmio_write16(common + QUEUE_MSIX_VECTOR, vector);
    if (mmio_read16(common + QUEUE_MSIX_VECTOR) != vector)
        return -EBUSY; /* the device has no resources for it (4.1.5.1.2) */
    size_t offset = (size_t)mmio_read16(common + QUEUE_NOTIFY_OFF) * vp->notify_multiplier;
    if (offset + sizeof(uint16_t) > vp->notify_length)
        return -EIO;
    vq->notify_address = vp->notify + offset;
    mmio_write16(common + QUEUE_ENABLE, 1);
    return 0;
}

static void notify(struct virtio_device *device __maybe_unused, struct virtq *vq)
{
    mmio_write16(vq->notify_address, (uint16_t)vq->index);
}

static uint8_t read_isr(struct virtio_pci *vp)
{
    return mmio_read8(vp->isr);
}

static int set_config_vector(struct virtio_pci *vp, uint16_t vector)
{
    mmio_write16(vp->common + CONFIG_MSIX_VECTOR, vector);
    return mmio_read16(vp->common + CONFIG_MSIX_VECTOR) == vector ? 0 : -EBUSY;
}

static const struct virtio_transport_ops virtio_pci_modern_ops = {
    .name = "pci",
    .get_status = get_status,
    .set_status = set_status,
    .get_features = get_features,
    .set_features = set_features,
    .config_generation = config_generation,
    .config_read = config_read,
    .config_write = config_write,
    .queue_max_size = queue_max_size,
    .config_vector_activate = virtio_pci_config_vector_activate,
    .queue_activate = queue_activate,
    .notify = notify,
    .interrupts_request = virtio_pci_interrupts_request,
    .interrupts_free = virtio_pci_interrupts_free,
    .revoke = virtio_pci_revoke,
};

/* Map the first usable structure of @type (the device may offer several, 4.1.4.1); NULL: none. */
static uint8_t *map_structure(struct virtio_pci *vp, uint8_t type, size_t minimum, size_t *length,
                              unsigned int *capability)
{
    unsigned int offset = 0;

    while ((offset = pci_find_capability(vp->pci, PCI_CAPABILITY_VENDOR, offset)) != 0) {
        if (pci_read8(vp->pci, offset + CAP_CFG_TYPE) != type)
            continue;
        uint8_t bar = pci_read8(vp->pci, offset + CAP_BAR);
        uint32_t start = pci_read32(vp->pci, offset + CAP_OFFSET);
        uint32_t size = pci_read32(vp->pci, offset + CAP_LENGTH);
        if (bar >= PCI_BAR_COUNT || size < minimum)
            continue;
        uint8_t *mapped = pci_map_bar(vp->pci, bar, start, size);
        if (!mapped)
            continue;
        *length = size;
        *capability = offset;
        return mapped;
    }
    return NULL;
}

static void unmap_structures(struct virtio_pci *vp)
{
    uint8_t *mapped[] = { vp->common, vp->isr, vp->notify, vp->config };

    for (size_t i = 0; i < ARRAY_SIZE(mapped); i++)
        if (mapped[i])
            vm_unmap_device(mapped[i]);
}

int virtio_pci_modern_init(struct virtio_pci *vp)
{
    size_t length;
    unsigned int capability;

    vp->common = map_structure(vp, CFG_TYPE_COMMON, COMMON_LENGTH, &length, &capability);
    if (!vp->common)
        return -ENODEV;
    vp->isr = map_structure(vp, CFG_TYPE_ISR, 1, &length, &capability);
    vp->config = map_structure(vp, CFG_TYPE_DEVICE, 1, &vp->config_length, &capability);
    vp->notify = map_structure(vp, CFG_TYPE_NOTIFY, 2, &vp->notify_length, &capability);
    if (!vp->isr || !vp->notify) {
        log_error("virtio", "%s: modern device without ISR or notification structure",
                  vp->device.name);
        unmap_structures(vp);
        return -EIO;
    }
    vp->notify_multiplier = pci_read32(vp->pci, capability + CAP_NOTIFY_MULTIPLIER);
    vp->read_isr = read_isr;
    vp->set_config_vector = set_config_vector;
    vp->device.transport = &virtio_pci_modern_ops;
    return 0;
}
