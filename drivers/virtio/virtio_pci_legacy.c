/*
 * The legacy register layout of virtio over PCI (VIRTIO 1.2, 4.1.4.10): I/O ports in BAR 0, rings
 * named by page number.
 */
#include "arch/io.h"
#include "arch/mmu.h"
#include "drivers/virtio/virtio_pci.h"
#include "lib/errno.h"

enum legacy_register {
    DEVICE_FEATURES = 0,
    DRIVER_FEATURES = 4,
    QUEUE_ADDRESS = 8,
    QUEUE_SIZE = 12,
    QUEUE_SELECT = 14,
    QUEUE_NOTIFY = 16,
    DEVICE_STATUS = 18,
    ISR_STATUS = 19,
    CONFIG_MSIX_VECTOR = 20, /* these two only while MSI-X is enabled */
    QUEUE_MSIX_VECTOR = 22,
    CONFIG_WITHOUT_MSIX = 20,
    CONFIG_WITH_MSIX = 24,
};

#define LEGACY_PORTS 20 /* at least */

static uint16_t port_of(struct virtio_device *device, unsigned int offset)
{
    return (uint16_t)(virtio_pci_of(device)->port + offset);
}

static uint16_t config_port(struct virtio_device *device, size_t offset)
{
    unsigned int base = virtio_pci_of(device)->uses_msix ? CONFIG_WITH_MSIX : CONFIG_WITHOUT_MSIX;
    return port_of(device, base + (unsigned int)offset);
}

static uint8_t get_status(struct virtio_device *device)
{
    return port_read8(port_of(device, DEVICE_STATUS));
}

static void set_status(struct virtio_device *device, uint8_t status)
{
    port_write8(port_of(device, DEVICE_STATUS), status);
}

static uint64_t get_features(struct virtio_device *device)
{
    return port_read32(port_of(device, DEVICE_FEATURES));
}

static void set_features(struct virtio_device *device, uint64_t features)
{
    port_write32(port_of(device, DRIVER_FEATURES), (uint32_t)features);
}

static uint32_t config_generation(struct virtio_device *device __maybe_unused)
{
    return 0;
}

static void config_read(struct virtio_device *device, size_t offset, void *buffer, size_t length)
{
    uint8_t *bytes = buffer;

    for (size_t i = 0; i < length; i++)
        bytes[i] = port_read8(config_port(device, offset + i));
}

static void config_write(struct virtio_device *device, size_t offset, const void *buffer,
                         size_t length)
{
    const uint8_t *bytes = buffer;

    for (size_t i = 0; i < length; i++)
        port_write8(config_port(device, offset + i), bytes[i]);
}

static uint16_t queue_max_size(struct virtio_device *device, unsigned int index)
{
    port_write16(port_of(device, QUEUE_SELECT), (uint16_t)index);
    return port_read16(port_of(device, QUEUE_SIZE));
}

static int queue_activate(struct virtio_device *device, struct virtq *vq)
{
    paddr_t ring = direct_map_to_phys(vq->ring_memory);
    uint16_t vector = virtio_pci_queue_vector(virtio_pci_of(device), vq->index);

    if (ring >> PAGE_SHIFT > UINT32_MAX)
        return -EFAULT;
    port_write16(port_of(device, QUEUE_SELECT), (uint16_t)vq->index);
    if (virtio_pci_of(device)->uses_msix) {
        port_write16(port_of(device, QUEUE_MSIX_VECTOR), vector);
        if (port_read16(port_of(device, QUEUE_MSIX_VECTOR)) != vector)
            return -EBUSY;
    }
    port_write32(port_of(device, QUEUE_ADDRESS), (uint32_t)(ring >> PAGE_SHIFT));
    return 0;
}

static void notify(struct virtio_device *device, struct virtq *vq)
{
    port_write16(port_of(device, QUEUE_NOTIFY), (uint16_t)vq->index);
}

static uint8_t read_isr(struct virtio_pci *vp)
{
    return port_read8((uint16_t)(vp->port + ISR_STATUS));
}

static int set_config_vector(struct virtio_pci *vp, uint16_t vector)
{
    uint16_t port = (uint16_t)(vp->port + CONFIG_MSIX_VECTOR);

    port_write16(port, vector);
    return port_read16(port) == vector ? 0 : -EBUSY;
}

static const struct virtio_transport_ops virtio_pci_legacy_ops = {
    .name = "pci-legacy",
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

int virtio_pci_legacy_init(struct virtio_pci *vp)
{
    const struct pci_bar *bar = &vp->pci->bars[0];

    if (!bar->is_io || !bar->base || bar->size < LEGACY_PORTS)
        return -ENODEV;
    vp->port = (uint16_t)bar->base;
    vp->read_isr = read_isr;
    vp->set_config_vector = set_config_vector;
    vp->device.is_legacy = true;
    vp->device.transport = &virtio_pci_legacy_ops;
    return 0;
}
