/*
 * PCI and PCI Express: functions found on the buses, their registers, their interrupts, and the
 * drivers that want them.
 *
 * A function's structure lives for ever; its fields are constant after INIT_BUS unless said
 * otherwise. Spec: PCI Local Bus 3.0, PCI Express Base 4.0 chapter 7.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/irq/irq.h"
#include "lib/compiler.h"
#include "lib/list.h"
#include "lib/registry.h"
#include "lib/types.h"

#define PCI_BAR_COUNT 6
#define PCI_ANY_ID    0xffff

/* Configuration header. */
enum pci_register {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION_ID = 0x08,
    PCI_PROG_IF = 0x09,
    PCI_SUBCLASS = 0x0a,
    PCI_CLASS = 0x0b,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SECONDARY_BUS = 0x19,
    PCI_SUBORDINATE_BUS = 0x1a,
    PCI_SUBSYSTEM_VENDOR_ID = 0x2c,
    PCI_SUBSYSTEM_ID = 0x2e,
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
};

#define PCI_COMMAND_IO            0x0001
#define PCI_COMMAND_MEMORY        0x0002
#define PCI_COMMAND_BUS_MASTER    0x0004
#define PCI_COMMAND_INTX_DISABLE  0x0400
#define PCI_STATUS_CAPABILITIES   0x0010
#define PCI_HEADER_TYPE_MASK      0x7f
#define PCI_HEADER_MULTI_FUNCTION 0x80
#define PCI_HEADER_BRIDGE         1
#define PCI_CAPABILITY_POWER      0x01
#define PCI_CAPABILITY_MSI        0x05
#define PCI_CAPABILITY_VENDOR     0x09
#define PCI_CAPABILITY_EXPRESS    0x10
#define PCI_CAPABILITY_MSIX       0x11

struct pci_address {
    uint16_t segment;
    uint8_t bus;
    uint8_t device;
    uint8_t function;
};

struct pci_bar {
    uint64_t base; /* bus address; 0 when not assigned */
    uint64_t size; /* 0: no such BAR */
    bool is_io;
    bool is_64bit;
    bool is_prefetchable;
};

struct pci_driver;
struct pci_msix;

struct pci_device {
    struct list_node node;
    struct pci_address address;
    char name[16]; /* "0000:00:04.0" */
    uint16_t vendor_id, device_id, subsystem_vendor_id, subsystem_id;
    uint8_t class_code, subclass, prog_if, revision;
    uint8_t header_type;                   /* without the multi-function bit */
    uint8_t secondary_bus;                 /* bridges only */
    uint8_t interrupt_line, interrupt_pin; /* pin 0: none */
    struct pci_bar bars[PCI_BAR_COUNT];
    const struct pci_driver *driver; /* NULL: nobody took it */
    void *driver_data;
    struct pci_msix *msix; /* NULL: not in use */
};

uint8_t pci_read8(const struct pci_device *device, unsigned int offset);
uint16_t pci_read16(const struct pci_device *device, unsigned int offset);
uint32_t pci_read32(const struct pci_device *device, unsigned int offset);
void pci_write8(const struct pci_device *device, unsigned int offset, uint8_t value);
void pci_write16(const struct pci_device *device, unsigned int offset, uint16_t value);
void pci_write32(const struct pci_device *device, unsigned int offset, uint32_t value);

#define PCI_CAPABILITIES_MAX 48 /* more do not fit between 0x40 and 0xff: a longer list loops */

/** pci_next_capability() - offset of the capability after @after (0: of the first); 0 at the end.
 */
unsigned int pci_next_capability(const struct pci_device *device, unsigned int after);

/**
 * pci_find_capability() - offset of the next capability @id after offset @after (0: the first)
 * Return: 0 when there is none; a list that loops or leaves the header ends there.
 */
unsigned int pci_find_capability(const struct pci_device *device, uint8_t id, unsigned int after);

/** pci_enable() - decode memory and I/O, be a bus master. */
void pci_enable(struct pci_device *device);

/** pci_disable_bus_master() - the device cannot reach memory any more. */
void pci_disable_bus_master(struct pci_device *device);

/**
 * pci_map_bar() - registers of a memory BAR, uncached; unmapped by vm_unmap_device()
 * Return: NULL when the BAR is absent, unassigned, an I/O BAR or shorter than @offset + @length.
 */
void *pci_map_bar(const struct pci_device *device, unsigned int bar, uint64_t offset,
                  size_t length);

/** pci_msix_enable() - vectors the function has (> 0) with all masked, or -ENODEV, -EIO, -ENOMEM.
 */
int __must_check pci_msix_enable(struct pci_device *device);
/** pci_msix_request() - @handler for table entry @index, on @cpu or IRQ_ANY_CPU, unmasked. */
int __must_check pci_msix_request(struct pci_device *device, unsigned int index, const char *name,
                                  unsigned int cpu, irq_handler_t handler, void *context);
/** pci_msix_disable() - free every vector and switch MSI-X off. Context: task. */
void pci_msix_disable(struct pci_device *device);

/** pci_intx_request() - the legacy line; shared. -ENODEV when the function has none. */
int __must_check pci_intx_request(struct pci_device *device, const char *name,
                                  irq_handler_t handler, void *context, struct irq **irq);

/*
 * Drivers.
 *
 *     static const struct pci_id ids[] = { { 0x1af4, PCI_ANY_ID, PCI_ANY_ID }, { 0 } };
 *     PCI_DRIVER(virtio_pci, ids, virtio_pci_probe);
 */
struct pci_id {
    uint16_t vendor_id; /* 0 ends the list; PCI_ANY_ID: any */
    uint16_t device_id;
    uint16_t class_subclass; /* class << 8 | subclass; PCI_ANY_ID: any */
};

struct pci_driver {
    const char *name;
    const struct pci_id *ids;
    /* 0: taken; -ENODEV: not mine after all; other: failed, logged. Context: task. */
    int (*probe)(struct pci_device *device);
};

#define PCI_DRIVER(name_, ids_, probe_)                                                            \
    REGISTRY_ENTRY(pci_driver, name_##_pci_driver,                                                 \
                   { .name = #name_, .ids = (ids_), .probe = (probe_) })

/** pci_for_each() - every function in bus order until @visit returns false. Context: any. */
void pci_for_each(bool (*visit)(struct pci_device *device, void *arg), void *arg);
