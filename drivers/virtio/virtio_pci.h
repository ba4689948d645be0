/*
 * What the two PCI transports share: the device's structure and its interrupts. In-folder header.
 */
#pragma once

#include "drivers/bus/pci.h"
#include "drivers/virtio/virtio.h"

#define VIRTIO_PCI_NO_VECTOR 0xffff

struct virtio_pci {
    struct virtio_device device;
    struct pci_device *pci;
    bool uses_msix;
    bool has_vector_per_queue;
    struct irq *intx;
    uint8_t (*read_isr)(struct virtio_pci *vp);                       /* reading acknowledges */
    int (*set_config_vector)(struct virtio_pci *vp, uint16_t vector); /* 0, or -EBUSY refused */

    /* modern */
    uint8_t *common;
    uint8_t *isr;
    uint8_t *config;
    size_t config_length;
    uint8_t *notify;
    size_t notify_length;
    uint32_t notify_multiplier;

    /* legacy */
    uint16_t port;
};

static inline struct virtio_pci *virtio_pci_of(struct virtio_device *device)
{
    return container_of(device, struct virtio_pci, device);
}

/* Members of both transports' ops. */
int virtio_pci_interrupts_request(struct virtio_device *device);
int virtio_pci_config_vector_activate(struct virtio_device *device);
void virtio_pci_interrupts_free(struct virtio_device *device);
void virtio_pci_revoke(struct virtio_device *device);

/** virtio_pci_queue_vector() - MSI-X table entry of queue @index, VIRTIO_PCI_NO_VECTOR for none. */
uint16_t virtio_pci_queue_vector(const struct virtio_pci *vp, unsigned int index);

/** virtio_pci_modern_init() - find the capabilities; -ENODEV: the device has none (legacy only). */
int __must_check virtio_pci_modern_init(struct virtio_pci *vp);
/** virtio_pci_legacy_init() - -ENODEV when BAR 0 is not an I/O BAR. */
int __must_check virtio_pci_legacy_init(struct virtio_pci *vp);
