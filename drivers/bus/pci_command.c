/*
 * The pci command: functions, their BARs, capabilities and drivers.
 */
#include "drivers/bus/pci.h"
#include "drivers/bus/pci_config.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "shell/command.h"

static const struct class_name {
    uint8_t class_code;
    uint8_t subclass; /* ANY_SUBCLASS: whatever the table has no line for */
    const char *name;
} class_names[] = {
#define ANY_SUBCLASS 0xff
    { 0x01, 0x00, "SCSI controller" },
    { 0x01, 0x01, "IDE controller" },
    { 0x01, 0x06, "SATA controller" },
    { 0x01, 0x08, "NVMe controller" },
    { 0x01, ANY_SUBCLASS, "storage controller" },
    { 0x02, 0x00, "Ethernet controller" },
    { 0x02, ANY_SUBCLASS, "network controller" },
    { 0x03, 0x00, "VGA controller" },
    { 0x03, ANY_SUBCLASS, "display controller" },
    { 0x04, ANY_SUBCLASS, "multimedia device" },
    { 0x05, ANY_SUBCLASS, "memory controller" },
    { 0x06, 0x00, "host bridge" },
    { 0x06, 0x01, "ISA bridge" },
    { 0x06, 0x04, "PCI bridge" },
    { 0x06, ANY_SUBCLASS, "bridge" },
    { 0x07, ANY_SUBCLASS, "communication controller" },
    { 0x08, ANY_SUBCLASS, "system peripheral" },
    { 0x09, ANY_SUBCLASS, "input device" },
    { 0x0c, 0x03, "USB controller" },
    { 0x0c, 0x05, "SMBus controller" },
    { 0x0c, ANY_SUBCLASS, "serial bus controller" },
};

static const char *class_text(const struct pci_device *device)
{
    for (size_t i = 0; i < ARRAY_SIZE(class_names); i++)
        if (class_names[i].class_code == device->class_code &&
            (class_names[i].subclass == device->subclass ||
             class_names[i].subclass == ANY_SUBCLASS))
            return class_names[i].name;
    return "device";
}

static const char *capability_text(uint8_t id)
{
    switch (id) {
    case PCI_CAPABILITY_POWER:
        return "power";
    case PCI_CAPABILITY_MSI:
        return "MSI";
    case PCI_CAPABILITY_VENDOR:
        return "vendor";
    case 0x04:
        return "slot-id";
    case 0x0c:
        return "hot-plug";
    case 0x0d:
        return "bridge-id";
    case PCI_CAPABILITY_EXPRESS:
        return "express";
    case PCI_CAPABILITY_MSIX:
        return "MSI-X";
    case 0x12:
        return "SATA";
    default:
        return NULL;
    }
}

static void print_capabilities(struct shell *shell, const struct pci_device *device)
{
    unsigned int offset = pci_next_capability(device, 0);
    const char *separator = "    capabilities: ";

    if (offset == 0)
        return;
    for (int turn = 0; offset != 0 && turn < PCI_CAPABILITIES_MAX; turn++) {
        uint8_t id = pci_read8(device, offset);
        const char *text = capability_text(id);
        if (text)
            shell_printf(shell, "%s%s", separator, text);
        else
            shell_printf(shell, "%s%#x", separator, id);
        shell_printf(shell, "@%02x", offset);
        separator = " ";
        offset = pci_next_capability(device, offset);
    }
    shell_printf(shell, "\n");
}

static void print_bars(struct shell *shell, const struct pci_device *device)
{
    for (unsigned int i = 0; i < PCI_BAR_COUNT; i++) {
        const struct pci_bar *bar = &device->bars[i];
        if (!bar->size)
            continue;
        shell_printf(shell, "    BAR%u: %s %#llx, %llu bytes%s%s%s\n", i,
                     bar->is_io ? "I/O ports" : "memory", (unsigned long long)bar->base,
                     (unsigned long long)bar->size, bar->is_64bit ? ", 64-bit" : "",
                     bar->is_prefetchable ? ", prefetchable" : "",
                     bar->base ? "" : ", not assigned");
    }
}

struct pci_listing {
    struct shell *shell;
    const char *wanted; /* NULL: all */
    bool is_detailed;
    unsigned int shown;
};

static bool print_function(struct pci_device *device, void *arg)
{
    struct pci_listing *listing = arg;
    struct shell *shell = listing->shell;

    if (listing->wanted && !strstr(device->name, listing->wanted))
        return true;
    listing->shown++;
    shell_printf(shell, "%s %04x:%04x %s", device->name, device->vendor_id, device->device_id,
                 class_text(device));
    if (device->header_type == PCI_HEADER_BRIDGE)
        shell_printf(shell, " to bus %02x", device->secondary_bus);
    if (device->interrupt_pin)
        shell_printf(shell, ", INT%c line %u", 'A' + (device->interrupt_pin - 1) % 4,
                     device->interrupt_line);
    shell_printf(shell, "%s%s\n", device->driver ? ", driver " : "",
                 device->driver ? device->driver->name : "");
    if (listing->is_detailed) {
        print_bars(shell, device);
        print_capabilities(shell, device);
    }
    return true;
}

static int pci_command(struct shell *shell, int argc, char **argv)
{
    struct pci_listing listing = { .shell = shell, .is_detailed = true };

    if (argc > 2)
        return -EINVAL;
    if (argc == 2 && strcmp(argv[1], "-s") == 0)
        listing.is_detailed = false;
    else if (argc == 2)
        listing.wanted = argv[1];
    pci_for_each(print_function, &listing);
    if (listing.wanted && !listing.shown) {
        shell_error(shell, "no function named %s; `pci -s` lists them", listing.wanted);
        return -ENOENT;
    }
    if (!listing.shown)
        shell_printf(shell, "no PCI functions\n");
    return 0;
}
SHELL_COMMAND(pci, "pci [-s | BUS:DEVICE.FUNCTION]",
              "list PCI functions, BARs and capabilities\n"
              "-s: one line each. A part of the name, such as 00:04.0, selects.",
              pci_command, CMD_PANIC_OK);
