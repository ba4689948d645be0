/*
 * virtio over PCI (VIRTIO 1.2, 4.1): probing, and the interrupts of both register layouts.
 *
 * MSI-X: entry 0 is the configuration, then one entry per queue where there are enough, else entry
 * 1 for all queues. Without MSI-X (vectors=0): the INTx line and the ISR status register.
 */
#include "drivers/virtio/virtio_pci.h"

#include "kernel/irq/irq.h"
#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "mm/kmalloc.h"

#define VIRTIO_PCI_VENDOR        0x1af4
#define VIRTIO_PCI_DEVICE_FIRST  0x1000 /* transitional: the type is the subsystem id */
#define VIRTIO_PCI_DEVICE_MODERN 0x1040 /* plus the type */
#define VIRTIO_PCI_DEVICE_LAST   0x107f

#define VECTOR_CONFIG      0
#define VECTOR_FIRST_QUEUE 1

#define ISR_QUEUE  1
#define ISR_CONFIG 2

static bool config_vector_isr(void *context)
{
    virtio_config_interrupt_isr(context);
    return true;
}

static bool queue_vector_isr(void *context)
{
    virtio_queue_interrupt_isr(context);
    return true;
}

static bool shared_vector_isr(void *context)
{
    virtio_all_queues_interrupt_isr(context);
    return true;
}

static bool intx_isr(void *context)
{
    struct virtio_pci *vp = context;
    uint8_t isr = vp->read_isr(vp);

    if (isr & ISR_QUEUE)
        virtio_all_queues_interrupt_isr(&vp->device);
    if (isr & ISR_CONFIG)
        virtio_config_interrupt_isr(&vp->device);
    return isr != 0;
}

static int request_queue_vectors(struct virtio_pci *vp, unsigned int count)
{
    struct virtio_device *device = &vp->device;

    if (!vp->has_vector_per_queue)
        return pci_msix_request(vp->pci, VECTOR_FIRST_QUEUE, device->name, IRQ_ANY_CPU,
                                shared_vector_isr, device);
    for (unsigned int i = 0; i < count; i++) {
        struct virtq *vq = device->queues[i];
        int error = vq->callback ? pci_msix_request(vp->pci, VECTOR_FIRST_QUEUE + i, vq->name,
                                                    vq->cpu, queue_vector_isr, vq)
                                 : 0;
        if (error)
            return error;
    }
    return 0;
}

static int request_msix(struct virtio_pci *vp)
{
    int vectors = pci_msix_enable(vp->pci);

    if (vectors < 0)
        return vectors;
    vp->uses_msix = true;
    vp->has_vector_per_queue = (unsigned int)vectors > vp->device.queue_count;
    int error = vectors < 2 ? -ENOSPC
                            : pci_msix_request(vp->pci, VECTOR_CONFIG, vp->device.name, IRQ_ANY_CPU,
                                               config_vector_isr, &vp->device);
    if (!error)
        error = request_queue_vectors(vp, vp->device.queue_count);
    if (error) {
        pci_msix_disable(vp->pci);
        vp->uses_msix = false;
    }
    return error;
}

int virtio_pci_config_vector_activate(struct virtio_device *device)
{
    struct virtio_pci *vp = virtio_pci_of(device);

    return vp->uses_msix ? vp->set_config_vector(vp, VECTOR_CONFIG) : 0;
}

int virtio_pci_interrupts_request(struct virtio_device *device)
{
    struct virtio_pci *vp = virtio_pci_of(device);
    int error = request_msix(vp);

    if (!error)
        return 0;
    if (error != -ENODEV)
        log_warning("virtio", "%s: MSI-X: %s; trying INTx", device->name, errno_text(error));
    return pci_intx_request(vp->pci, device->name, intx_isr, vp, &vp->intx);
}

void virtio_pci_interrupts_free(struct virtio_device *device)
{
    struct virtio_pci *vp = virtio_pci_of(device);

    if (vp->uses_msix)
        pci_msix_disable(vp->pci);
    vp->uses_msix = false;
    if (vp->intx)
        irq_free(vp->intx);
    vp->intx = NULL;
}

void virtio_pci_revoke(struct virtio_device *device)
{
    pci_disable_bus_master(virtio_pci_of(device)->pci);
}

uint16_t virtio_pci_queue_vector(const struct virtio_pci *vp, unsigned int index)
{
    if (!vp->uses_msix || !vp->device.queues[index]->callback)
        return VIRTIO_PCI_NO_VECTOR;
    return (uint16_t)(vp->has_vector_per_queue ? VECTOR_FIRST_QUEUE + index : VECTOR_FIRST_QUEUE);
}

static int virtio_pci_probe(struct pci_device *pci)
{
    if (pci->device_id < VIRTIO_PCI_DEVICE_FIRST || pci->device_id > VIRTIO_PCI_DEVICE_LAST)
        return -ENODEV;
    struct virtio_pci *vp = kzalloc(sizeof(*vp));
    if (!vp)
        return -ENOMEM;
    vp->pci = pci;
    vp->device.id = pci->device_id >= VIRTIO_PCI_DEVICE_MODERN
                        ? (uint32_t)pci->device_id - VIRTIO_PCI_DEVICE_MODERN
                        : pci->subsystem_id;
    snprintf(vp->device.name, sizeof(vp->device.name), "%s", pci->name);
    pci_enable(pci);
    int error = virtio_pci_modern_init(vp);
    if (error == -ENODEV)
        error = virtio_pci_legacy_init(vp);
    if (error) {
        kfree(vp);
        return error;
    }
    /* From here the device is listed, also when its driver fails: it is not freed any more. */
    return virtio_device_register(&vp->device);
}

static const struct pci_id virtio_pci_ids[] = {
    { VIRTIO_PCI_VENDOR, PCI_ANY_ID, PCI_ANY_ID },
    { 0 },
};
PCI_DRIVER(virtio_pci, virtio_pci_ids, virtio_pci_probe);
