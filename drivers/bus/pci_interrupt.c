/*
 * Interrupts of PCI functions: MSI-X (PCI Local Bus 3.0, 6.8.2) and the INTx lines.
 *
 * INTx routing without an AML interpreter: the firmware's interrupt line register names the ISA
 * interrupt, whose GSI, trigger and polarity the MADT's overrides give. True on QEMU's pc and q35.
 */
#include "arch/io.h"
#include "drivers/bus/pci.h"
#include "kernel/log.h"
#include "kernel/parameter.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/vm.h"

#define MSIX_CONTROL           2 /* offsets in the capability */
#define MSIX_TABLE             4
#define MSIX_CONTROL_SIZE_MASK 0x07ff
#define MSIX_CONTROL_MASK_ALL  0x4000
#define MSIX_CONTROL_ENABLE    0x8000
#define MSIX_TABLE_BAR_MASK    0x7u

#define MSIX_ENTRY_SIZE    16 /* table entry: address low, high, data, vector control */
#define MSIX_ENTRY_ADDRESS 0
#define MSIX_ENTRY_UPPER   4
#define MSIX_ENTRY_DATA    8
#define MSIX_ENTRY_CONTROL 12
#define MSIX_ENTRY_MASKED  1u

#define INTERRUPT_LINE_NONE 0xff

struct pci_msix {
    unsigned int capability;
    unsigned int count;
    uint8_t *table;
    struct irq *irqs[]; /* one per table entry; NULL: not requested */
};

static void set_control(struct pci_device *device, uint16_t clear, uint16_t set)
{
    unsigned int offset = device->msix->capability + MSIX_CONTROL;
    uint16_t control = pci_read16(device, offset);

    pci_write16(device, offset, (uint16_t)((control & ~clear) | set));
}

static void mask_entry(struct pci_msix *msix, unsigned int index, bool masked)
{
    mmio_write32(msix->table + (size_t)index * MSIX_ENTRY_SIZE + MSIX_ENTRY_CONTROL,
                 masked ? MSIX_ENTRY_MASKED : 0);
}

static bool is_msix_wanted = true; /* const after the parameters are read */

static int msix_parameter(const char *value)
{
    if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        return -EINVAL;
    is_msix_wanted = strcmp(value, "on") == 0;
    return 0;
}
PARAMETER(pci_msix, "pci.msix", "on|off", "message-signalled interrupts; off: the INTx lines",
          msix_parameter);

int pci_msix_enable(struct pci_device *device)
{
    unsigned int capability = pci_find_capability(device, PCI_CAPABILITY_MSIX, 0);

    if (!capability || !is_msix_wanted)
        return -ENODEV;
    uint16_t control = pci_read16(device, capability + MSIX_CONTROL);
    uint32_t where = pci_read32(device, capability + MSIX_TABLE);
    unsigned int count = (control & MSIX_CONTROL_SIZE_MASK) + 1u;
    struct pci_msix *msix = kzalloc(sizeof(*msix) + count * sizeof(msix->irqs[0]));
    if (!msix)
        return -ENOMEM;
    msix->capability = capability;
    msix->count = count;
    msix->table = pci_map_bar(device, where & MSIX_TABLE_BAR_MASK, where & ~MSIX_TABLE_BAR_MASK,
                              (size_t)count * MSIX_ENTRY_SIZE);
    if (!msix->table) {
        log_warning("pci", "%s: MSI-X table of %u entries is not in its BAR", device->name, count);
        kfree(msix);
        return -EIO;
    }
    device->msix = msix;
    set_control(device, 0, MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK_ALL);
    for (unsigned int index = 0; index < count; index++)
        mask_entry(msix, index, true);
    set_control(device, MSIX_CONTROL_MASK_ALL, 0);
    pci_write16(device, PCI_COMMAND, pci_read16(device, PCI_COMMAND) | PCI_COMMAND_INTX_DISABLE);
    return (int)count;
}

int pci_msix_request(struct pci_device *device, unsigned int index, const char *name,
                     unsigned int cpu, irq_handler_t handler, void *context)
{
    struct pci_msix *msix = device->msix;
    uint64_t address;
    uint32_t data;

    if (!msix || index >= msix->count || msix->irqs[index])
        return -EINVAL;
    int error = irq_request_msi(name, cpu, handler, context, &address, &data, &msix->irqs[index]);
    if (error)
        return error;
    uint8_t *entry = msix->table + (size_t)index * MSIX_ENTRY_SIZE;
    mmio_write32(entry + MSIX_ENTRY_ADDRESS, (uint32_t)address);
    mmio_write32(entry + MSIX_ENTRY_UPPER, (uint32_t)(address >> 32));
    mmio_write32(entry + MSIX_ENTRY_DATA, data);
    mask_entry(msix, index, false);
    return 0;
}

void pci_msix_disable(struct pci_device *device)
{
    struct pci_msix *msix = device->msix;

    if (!msix)
        return;
    for (unsigned int index = 0; index < msix->count; index++) {
        mask_entry(msix, index, true);
        if (msix->irqs[index])
            irq_free(msix->irqs[index]);
    }
    set_control(device, MSIX_CONTROL_ENABLE, 0);
    pci_write16(device, PCI_COMMAND,
                (uint16_t)(pci_read16(device, PCI_COMMAND) & ~PCI_COMMAND_INTX_DISABLE));
    device->msix = NULL;
    vm_unmap_device(msix->table);
    kfree(msix);
}

int pci_intx_request(struct pci_device *device, const char *name, irq_handler_t handler,
                     void *context, struct irq **irq)
{
    if (!device->interrupt_pin || device->interrupt_line == INTERRUPT_LINE_NONE)
        return -ENODEV;
    return irq_request_isa(name, device->interrupt_line, handler, context, irq);
}
