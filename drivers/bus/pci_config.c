/*
 * PCI configuration space: ECAM (PCI Express Base 4.0, 7.2.2) or mechanism #1 (PCI Local Bus 3.0,
 * 3.2.2.3.2).
 *
 * ECAM windows are mapped bus by bus, when a bus is first touched: a whole segment would be
 * 256 MiB of address space for a handful of functions.
 */
#include "drivers/bus/pci_config.h"

#include "acpi/acpi.h"
#include "arch/io.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/sync/spinlock.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"
#include "mm/vm.h"

#define PORT_CONFIG_ADDRESS 0xcf8
#define PORT_CONFIG_DATA    0xcfc
#define CONFIG_ENABLE       0x80000000u
#define CONFIG_SIZE         256
#define ECAM_BUS_SHIFT      20 /* 32 devices of 8 functions of 4 KiB */
#define ECAM_DEVICE_SHIFT   15
#define ECAM_FUNCTION_SHIFT 12
#define ECAM_FUNCTION_SIZE  4096

struct ecam_window {
    struct ecam_window *next;
    paddr_t base; /* of bus 0 of the segment, whether or not the window starts there */
    uint16_t segment;
    uint8_t first_bus, last_bus;
    uint8_t *buses[256]; /* mapped registers of each bus, NULL until touched; guarded by pci_lock */
};

/* The port pair is two steps, and buses are mapped once: both under one lock. */
static DEFINE_SPINLOCK(pci_lock, "pci", LOCK_RANK_DEVICE);
static struct ecam_window *ecam_windows; /* const after pci_config_init() */
static bool has_ports;                   /* const after pci_config_init() */

static void add_ecam_window(const struct acpi_ecam *region)
{
    struct ecam_window *window = kzalloc(sizeof(*window));

    if (!window) {
        log_error("pci", "out of memory for the ECAM window of segment %u", region->segment);
        return;
    }
    window->base = region->base;
    window->segment = region->segment;
    window->first_bus = region->first_bus;
    window->last_bus = region->last_bus;
    window->next = ecam_windows;
    ecam_windows = window;
}

/* The address register holds what is written to it only where there is a host bridge. */
static bool probe_ports(void)
{
    port_write32(PORT_CONFIG_ADDRESS, CONFIG_ENABLE);
    bool found = port_read32(PORT_CONFIG_ADDRESS) == CONFIG_ENABLE;
    port_write32(PORT_CONFIG_ADDRESS, 0);
    return found;
}

int __init pci_config_init(void)
{
    const struct acpi_mcfg *mcfg = acpi_mcfg();

    for (size_t i = 0; mcfg && i < mcfg->count; i++)
        add_ecam_window(&mcfg->regions[i]);
    has_ports = probe_ports();
    return has_ports || ecam_windows ? 0 : -ENODEV;
}

bool pci_config_is_extended(uint16_t segment)
{
    for (struct ecam_window *window = ecam_windows; window; window = window->next)
        if (window->segment == segment)
            return true;
    return false;
}

void pci_config_segments(void (*visit)(uint16_t segment, uint8_t first_bus, uint8_t last_bus))
{
    bool has_segment_0 = false;

    for (struct ecam_window *window = ecam_windows; window; window = window->next) {
        has_segment_0 |= window->segment == 0;
        visit(window->segment, window->first_bus, window->last_bus);
    }
    if (has_ports && !has_segment_0)
        visit(0, 0, 255);
}

static struct ecam_window *find_window(struct pci_address address)
{
    for (struct ecam_window *window = ecam_windows; window; window = window->next)
        if (window->segment == address.segment && address.bus >= window->first_bus &&
            address.bus <= window->last_bus)
            return window;
    return NULL;
}

/* The function's 4 KiB, or NULL when no window reaches it or there is no room to map it. */
static uint8_t *ecam_function(struct pci_address address)
{
    struct ecam_window *window = find_window(address);

    if (!window)
        return NULL;
    if (!READ_ONCE(window->buses[address.bus])) {
        paddr_t base = window->base + ((paddr_t)address.bus << ECAM_BUS_SHIFT);
        uint8_t *mapped =
            vm_map_device(base, 1UL << ECAM_BUS_SHIFT, MMU_READ | MMU_WRITE | MMU_UNCACHED);
        irqflags_t flags = spin_lock_irqsave(&pci_lock);
        if (mapped && !window->buses[address.bus])
            WRITE_ONCE(window->buses[address.bus], mapped);
        spin_unlock_irqrestore(&pci_lock, flags);
    }
    uint8_t *bus = READ_ONCE(window->buses[address.bus]);
    if (!bus)
        return NULL;
    return bus + (address.device << ECAM_DEVICE_SHIFT) + (address.function << ECAM_FUNCTION_SHIFT);
}

static uint32_t port_address(struct pci_address address, unsigned int offset)
{
    return CONFIG_ENABLE | (uint32_t)address.bus << 16 | (uint32_t)address.device << 11 |
           (uint32_t)address.function << 8 | (offset & 0xfc);
}

static uint32_t port_config_read(struct pci_address address, unsigned int offset, unsigned int bits)
{
    irqflags_t flags = spin_lock_irqsave(&pci_lock);

    port_write32(PORT_CONFIG_ADDRESS, port_address(address, offset));
    uint32_t value = port_read32(PORT_CONFIG_DATA);
    spin_unlock_irqrestore(&pci_lock, flags);
    value >>= (offset & 3) * 8;
    return bits == 32 ? value : value & ((1u << bits) - 1);
}

static void port_config_write(struct pci_address address, unsigned int offset, unsigned int bits,
                              uint32_t value)
{
    irqflags_t flags = spin_lock_irqsave(&pci_lock);
    uint16_t port = (uint16_t)(PORT_CONFIG_DATA + (offset & 3));

    port_write32(PORT_CONFIG_ADDRESS, port_address(address, offset));
    if (bits == 8)
        port_write8(port, (uint8_t)value);
    else if (bits == 16)
        port_write16(port, (uint16_t)value);
    else
        port_write32(port, value);
    spin_unlock_irqrestore(&pci_lock, flags);
}

static bool is_reachable_by_port(struct pci_address address, unsigned int offset)
{
    return has_ports && address.segment == 0 && offset < CONFIG_SIZE;
}

uint32_t pci_config_read(struct pci_address address, unsigned int offset, unsigned int bits)
{
    uint8_t *registers = ecam_function(address);

    if (registers && offset < ECAM_FUNCTION_SIZE) {
        if (bits == 8)
            return mmio_read8(registers + offset);
        return bits == 16 ? mmio_read16(registers + offset) : mmio_read32(registers + offset);
    }
    if (is_reachable_by_port(address, offset))
        return port_config_read(address, offset, bits);
    return UINT32_MAX >> (32 - bits);
}

void pci_config_write(struct pci_address address, unsigned int offset, unsigned int bits,
                      uint32_t value)
{
    uint8_t *registers = ecam_function(address);

    if (registers && offset < ECAM_FUNCTION_SIZE) {
        if (bits == 8)
            mmio_write8(registers + offset, (uint8_t)value);
        else if (bits == 16)
            mmio_write16(registers + offset, (uint16_t)value);
        else
            mmio_write32(registers + offset, value);
    } else if (is_reachable_by_port(address, offset)) {
        port_config_write(address, offset, bits, value);
    }
}
