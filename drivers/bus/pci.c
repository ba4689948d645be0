/*
 * PCI: finding the functions on all buses and handing them to drivers.
 *
 * Above: drivers (PCI_DRIVER) and the pci command. Below: drivers/bus/pci_config.c. The firmware
 * has numbered the buses and assigned the BARs; bridges are walked as they were set up. The list of
 * functions is built once, by one CPU, at INIT_BUS, and constant from then on: no lock.
 */
#include "drivers/bus/pci.h"

#include "acpi/acpi.h"
#include "drivers/bus/pci_config.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "lib/bitmap.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "mm/kmalloc.h"
#include "mm/vm.h"

#define PCI_DEVICES_PER_BUS      32
#define PCI_FUNCTIONS_PER_DEVICE 8
#define PCI_CAPABILITY_FIRST     0x40

#define PCI_BAR_IO           0x1u
#define PCI_BAR_TYPE_MASK    0x6u
#define PCI_BAR_TYPE_64      0x4u
#define PCI_BAR_PREFETCHABLE 0x8u
#define PCI_BAR_IO_MASK      (~0x3u)
#define PCI_BAR_MEMORY_MASK  (~0xfu)

static struct list pci_devices = LIST_INIT(pci_devices); /* const after INIT_BUS */

uint8_t pci_read8(const struct pci_device *device, unsigned int offset)
{
    return (uint8_t)pci_config_read(device->address, offset, 8);
}

uint16_t pci_read16(const struct pci_device *device, unsigned int offset)
{
    return (uint16_t)pci_config_read(device->address, offset, 16);
}

uint32_t pci_read32(const struct pci_device *device, unsigned int offset)
{
    return pci_config_read(device->address, offset, 32);
}

void pci_write8(const struct pci_device *device, unsigned int offset, uint8_t value)
{
    pci_config_write(device->address, offset, 8, value);
}

void pci_write16(const struct pci_device *device, unsigned int offset, uint16_t value)
{
    pci_config_write(device->address, offset, 16, value);
}

void pci_write32(const struct pci_device *device, unsigned int offset, uint32_t value)
{
    pci_config_write(device->address, offset, 32, value);
}

unsigned int pci_next_capability(const struct pci_device *device, unsigned int after)
{
    unsigned int pointer = after ? after + 1 : PCI_CAPABILITIES; /* it follows the id */

    if (!(pci_read16(device, PCI_STATUS) & PCI_STATUS_CAPABILITIES))
        return 0;
    unsigned int offset = pci_read8(device, pointer) & ~3u;
    return offset < PCI_CAPABILITY_FIRST ? 0 : offset;
}

unsigned int pci_find_capability(const struct pci_device *device, uint8_t id, unsigned int after)
{
    unsigned int offset = after;

    for (int turn = 0; turn < PCI_CAPABILITIES_MAX; turn++) {
        offset = pci_next_capability(device, offset);
        if (offset == 0 || pci_read8(device, offset) == id)
            return offset;
    }
    return 0;
}

void pci_enable(struct pci_device *device)
{
    uint16_t command = pci_read16(device, PCI_COMMAND);

    command |= PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER;
    pci_write16(device, PCI_COMMAND, command);
}

void pci_disable_bus_master(struct pci_device *device)
{
    uint16_t command = pci_read16(device, PCI_COMMAND);

    pci_write16(device, PCI_COMMAND, (uint16_t)(command & ~PCI_COMMAND_BUS_MASTER));
}

void *pci_map_bar(const struct pci_device *device, unsigned int bar, uint64_t offset, size_t length)
{
    const struct pci_bar *b = &device->bars[bar];

    if (bar >= PCI_BAR_COUNT || b->is_io || !b->base || !length)
        return NULL;
    if (offset > b->size || length > b->size - offset)
        return NULL;
    return vm_map_device(b->base + offset, length, MMU_READ | MMU_WRITE | MMU_UNCACHED);
}

void pci_for_each(bool (*visit)(struct pci_device *device, void *arg), void *arg)
{
    struct pci_device *device;

    list_for_each_entry(device, &pci_devices, node)
        if (!visit(device, arg))
            return;
}

/* All ones, read the mask back, restore (PCI 3.0, 6.2.5.1). Decoding is off meanwhile. */
static uint32_t bar_size_mask(const struct pci_device *device, unsigned int offset)
{
    uint32_t old = pci_read32(device, offset);

    pci_write32(device, offset, UINT32_MAX);
    uint32_t mask = pci_read32(device, offset);
    pci_write32(device, offset, old);
    return mask;
}

/* Return: number of registers the BAR takes, 1 or 2. */
static unsigned int read_bar(struct pci_device *device, unsigned int index, unsigned int count)
{
    struct pci_bar *bar = &device->bars[index];
    unsigned int offset = PCI_BAR0 + index * 4;
    uint32_t low = pci_read32(device, offset);
    uint32_t mask = bar_size_mask(device, offset);

    if (!mask || mask == UINT32_MAX)
        return 1;
    if (low & PCI_BAR_IO) {
        bar->is_io = true;
        bar->base = low & PCI_BAR_IO_MASK & 0xffff;
        bar->size = (~(mask & PCI_BAR_IO_MASK) + 1) & 0xffff;
        return 1;
    }
    bar->is_prefetchable = low & PCI_BAR_PREFETCHABLE;
    bar->is_64bit = (low & PCI_BAR_TYPE_MASK) == PCI_BAR_TYPE_64 && index + 1 < count;
    uint64_t base = low & PCI_BAR_MEMORY_MASK;
    uint64_t wide_mask = 0xffffffff00000000UL | (mask & PCI_BAR_MEMORY_MASK);
    if (bar->is_64bit) {
        base |= (uint64_t)pci_read32(device, offset + 4) << 32;
        wide_mask =
            (uint64_t)bar_size_mask(device, offset + 4) << 32 | (mask & PCI_BAR_MEMORY_MASK);
    }
    bar->base = base;
    bar->size = ~wide_mask + 1;
    return bar->is_64bit ? 2 : 1;
}

static void read_bars(struct pci_device *device)
{
    unsigned int count = device->header_type == PCI_HEADER_BRIDGE ? 2 : PCI_BAR_COUNT;
    uint16_t command = pci_read16(device, PCI_COMMAND);

    pci_write16(device, PCI_COMMAND, command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
    for (unsigned int index = 0; index < count;)
        index += read_bar(device, index, count);
    pci_write16(device, PCI_COMMAND, command);
}

static void read_header(struct pci_device *device)
{
    device->vendor_id = pci_read16(device, PCI_VENDOR_ID);
    device->device_id = pci_read16(device, PCI_DEVICE_ID);
    device->revision = pci_read8(device, PCI_REVISION_ID);
    device->prog_if = pci_read8(device, PCI_PROG_IF);
    device->subclass = pci_read8(device, PCI_SUBCLASS);
    device->class_code = pci_read8(device, PCI_CLASS);
    device->header_type = pci_read8(device, PCI_HEADER_TYPE) & PCI_HEADER_TYPE_MASK;
    device->interrupt_line = pci_read8(device, PCI_INTERRUPT_LINE);
    device->interrupt_pin = pci_read8(device, PCI_INTERRUPT_PIN);
    if (device->header_type == PCI_HEADER_BRIDGE) {
        device->secondary_bus = pci_read8(device, PCI_SECONDARY_BUS);
        return;
    }
    device->subsystem_vendor_id = pci_read16(device, PCI_SUBSYSTEM_VENDOR_ID);
    device->subsystem_id = pci_read16(device, PCI_SUBSYSTEM_ID);
}

static struct pci_device *add_function(struct pci_address address)
{
    struct pci_device *device = kzalloc(sizeof(*device));

    if (!device) {
        log_error("pci", "out of memory for function %02x:%02x.%x", address.bus, address.device,
                  address.function);
        return NULL;
    }
    device->address = address;
    snprintf(device->name, sizeof(device->name), "%04x:%02x:%02x.%x", address.segment, address.bus,
             address.device, address.function);
    read_header(device);
    if (device->header_type <= PCI_HEADER_BRIDGE)
        read_bars(device);
    list_push_back(&pci_devices, &device->node);
    return device;
}

/*
 * One segment's walk. Buses still to do are a bitmap rather than recursion, so that a bridge which
 * names a bus twice, or its own, is a line in the log and not a loop.
 */
struct bus_walk {
    uint16_t segment;
    uint8_t last_bus;
    DECLARE_BITMAP(seen, 256);
    DECLARE_BITMAP(pending, 256);
};

static void note_bridge(struct bus_walk *walk, const struct pci_device *bridge)
{
    unsigned int bus = bridge->secondary_bus;

    if (bus == 0)
        log_warning("pci", "%s: bridge without a secondary bus, left by the firmware",
                    bridge->name);
    else if (bus > walk->last_bus || bitmap_test(walk->seen, bus))
        log_warning("pci", "%s: bridge to bus %u, which is not below it", bridge->name, bus);
    else
        bitmap_set(walk->pending, bus);
}

static void scan_slot(struct bus_walk *walk, uint8_t bus, uint8_t slot)
{
    uint8_t functions = 1;

    for (uint8_t function = 0; function < functions; function++) {
        struct pci_address address = { walk->segment, bus, slot, function };

        if ((pci_config_read(address, PCI_VENDOR_ID, 32) & 0xffff) == 0xffff)
            continue;
        if (function == 0 &&
            (pci_config_read(address, PCI_HEADER_TYPE, 8) & PCI_HEADER_MULTI_FUNCTION))
            functions = PCI_FUNCTIONS_PER_DEVICE;
        struct pci_device *device = add_function(address);
        if (device && device->header_type == PCI_HEADER_BRIDGE)
            note_bridge(walk, device);
    }
}

static void scan_segment(uint16_t segment, uint8_t first_bus, uint8_t last_bus)
{
    struct bus_walk walk = { .segment = segment, .last_bus = last_bus };
    size_t bus;

    bitmap_set(walk.pending, first_bus);
    while ((bus = bitmap_find_set(walk.pending, 256, 0)) < 256) {
        bitmap_clear(walk.pending, bus);
        bitmap_set(walk.seen, bus);
        for (uint8_t slot = 0; slot < PCI_DEVICES_PER_BUS; slot++)
            scan_slot(&walk, (uint8_t)bus, slot);
    }
}

static int __init pci_init(void)
{
    int error = pci_config_init();

    if (error) {
        if (acpi_has_pci_bridge())
            log_warning("pci",
                        "there is a host bridge, but no MCFG says how to reach what is on it");
        else
            log_info("pci", "no PCI on this machine");
        return 0;
    }
    pci_config_segments(scan_segment);
    log_info("pci", "%zu functions", list_length(&pci_devices));
    return 0;
}
INIT_HOOK(pci_init, INIT_BUS);

static bool id_matches(const struct pci_id *id, const struct pci_device *device)
{
    uint16_t class_subclass = (uint16_t)(device->class_code << 8 | device->subclass);

    return (id->vendor_id == PCI_ANY_ID || id->vendor_id == device->vendor_id) &&
           (id->device_id == PCI_ANY_ID || id->device_id == device->device_id) &&
           (id->class_subclass == PCI_ANY_ID || id->class_subclass == class_subclass);
}

static bool driver_matches(const struct pci_driver *driver, const struct pci_device *device)
{
    for (const struct pci_id *id = driver->ids; id->vendor_id; id++)
        if (id_matches(id, device))
            return true;
    return false;
}

static bool probe_function(struct pci_device *device, void *arg __maybe_unused)
{
    const struct pci_driver *driver;

    registry_for_each(driver, pci_driver) {
        if (!driver_matches(driver, device))
            continue;
        int error = driver->probe(device);
        if (error == 0) {
            device->driver = driver;
            break;
        }
        if (error != -ENODEV)
            log_error("pci", "%s: %s does not start: %s", device->name, driver->name,
                      errno_text(error));
    }
    return true;
}

static int __init pci_probe_drivers(void)
{
    pci_for_each(probe_function, NULL);
    return 0;
}
INIT_HOOK(pci_probe_drivers, INIT_DRIVER);
