/*
 * virtio over MMIO (VIRTIO 1.2, 4.2): version 1 (legacy) and 2, one interrupt line each.
 *
 * Devices are named by the kernel command line, virtio_mmio.device=SIZE@BASE:IRQ (the form that
 * Firecracker and QEMU's microvm append), and by the DSDT.
 */
#include "acpi/acpi.h"
#include "arch/io.h"
#include "arch/mmu.h"
#include "drivers/virtio/virtio.h"
#include "kernel/init.h"
#include "kernel/irq/irq.h"
#include "kernel/log.h"
#include "kernel/parameter.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/vm.h"

enum mmio_register {
    MAGIC_VALUE = 0x000,
    VERSION = 0x004,
    DEVICE_ID = 0x008,
    DEVICE_FEATURES = 0x010,
    DEVICE_FEATURES_SEL = 0x014,
    DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_SEL = 0x024,
    GUEST_PAGE_SIZE = 0x028, /* legacy */
    QUEUE_SEL = 0x030,
    QUEUE_SIZE_MAX = 0x034,
    QUEUE_SIZE = 0x038,
    QUEUE_ALIGN = 0x03c, /* legacy */
    QUEUE_PFN = 0x040,   /* legacy */
    QUEUE_READY = 0x044,
    QUEUE_NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060,
    INTERRUPT_ACK = 0x064,
    STATUS = 0x070,
    QUEUE_DESC = 0x080,
    QUEUE_DRIVER = 0x090,
    QUEUE_DEVICE = 0x0a0,
    CONFIG_GENERATION = 0x0fc,
    CONFIG = 0x100,
};

#define MMIO_MAGIC       0x74726976u /* "virt" */
#define MMIO_MINIMUM     0x100
#define VERSION_LEGACY   1
#define VERSION_MODERN   2
#define INTERRUPT_QUEUE  1u
#define INTERRUPT_CONFIG 2u

struct virtio_mmio {
    struct virtio_device device;
    uint8_t *registers;
    size_t length;
    unsigned int gsi;
    enum irq_trigger trigger;
    enum irq_polarity polarity;
    struct irq *irq;
};

/* Where the command line says a device is. Parameters are read before there is a heap. */
struct mmio_place {
    paddr_t base;
    uint64_t length;
    uint64_t irq;
};
#define COMMAND_LINE_DEVICES_MAX 64
static struct mmio_place command_line_devices[COMMAND_LINE_DEVICES_MAX]; /* const after parsing */
static unsigned int command_line_device_count;

static struct virtio_mmio *mmio_of(struct virtio_device *device)
{
    return container_of(device, struct virtio_mmio, device);
}

static uint32_t read_register(struct virtio_device *device, unsigned int offset)
{
    return mmio_read32(mmio_of(device)->registers + offset);
}

static void write_register(struct virtio_device *device, unsigned int offset, uint32_t value)
{
    mmio_write32(mmio_of(device)->registers + offset, value);
}

static uint8_t get_status(struct virtio_device *device)
{
    return (uint8_t)read_register(device, STATUS);
}

static void set_status(struct virtio_device *device, uint8_t status)
{
    write_register(device, STATUS, status);
    if (status == 0 && device->is_legacy)
        write_register(device, GUEST_PAGE_SIZE, PAGE_SIZE);
}

static uint64_t get_features(struct virtio_device *device)
{
    write_register(device, DEVICE_FEATURES_SEL, 0);
    uint64_t features = read_register(device, DEVICE_FEATURES);
    write_register(device, DEVICE_FEATURES_SEL, 1);
    return features | (uint64_t)read_register(device, DEVICE_FEATURES) << 32;
}

static void set_features(struct virtio_device *device, uint64_t features)
{
    write_register(device, DRIVER_FEATURES_SEL, 0);
    write_register(device, DRIVER_FEATURES, (uint32_t)features);
    write_register(device, DRIVER_FEATURES_SEL, 1);
    write_register(device, DRIVER_FEATURES, (uint32_t)(features >> 32));
}

static uint32_t config_generation(struct virtio_device *device)
{
    return device->is_legacy ? 0 : read_register(device, CONFIG_GENERATION);
}

static void config_read(struct virtio_device *device, size_t offset, void *buffer, size_t length)
{
    struct virtio_mmio *vm = mmio_of(device);
    uint8_t *bytes = buffer;

    for (size_t i = 0; i < length; i++)
        bytes[i] =
            CONFIG + offset + i < vm->length ? mmio_read8(vm->registers + CONFIG + offset + i) : 0;
}

static void config_write(struct virtio_device *device, size_t offset, const void *buffer,
                         size_t length)
{
    struct virtio_mmio *vm = mmio_of(device);
    const uint8_t *bytes = buffer;

    for (size_t i = 0; i < length && CONFIG + offset + i < vm->length; i++)
        mmio_write8(vm->registers + CONFIG + offset + i, bytes[i]);
}

static uint16_t queue_max_size(struct virtio_device *device, unsigned int index)
{
    write_register(device, QUEUE_SEL, index);
    return (uint16_t)MIN(read_register(device, QUEUE_SIZE_MAX), (uint32_t)UINT16_MAX);
}

static void write_address(struct virtio_device *device, unsigned int offset,
                          const volatile void *ring)
{
    paddr_t paddr = direct_map_to_phys((const void *)ring);

    write_register(device, offset, (uint32_t)paddr);
    write_register(device, offset + 4, (uint32_t)(paddr >> 32));
}

static int queue_activate(struct virtio_device *device, struct virtq *vq)
{
    write_register(device, QUEUE_SEL, vq->index);
    write_register(device, QUEUE_SIZE, vq->size);
    if (device->is_legacy) {
        paddr_t page = direct_map_to_phys(vq->ring_memory) >> PAGE_SHIFT;
        if (page > UINT32_MAX)
            return -EFAULT;
        write_register(device, QUEUE_ALIGN, PAGE_SIZE);
        write_register(device, QUEUE_PFN, (uint32_t)page);
        return 0;
    }
    write_address(device, QUEUE_DESC, vq->desc);
    write_address(device, QUEUE_DRIVER, vq->avail);
    write_address(device, QUEUE_DEVICE, vq->used);
    write_register(device, QUEUE_READY, 1);
    return read_register(device, QUEUE_READY) == 1 ? 0 : -EIO;
}

static void notify(struct virtio_device *device, struct virtq *vq)
{
    write_register(device, QUEUE_NOTIFY, vq->index);
}

static bool mmio_isr(void *context)
{
    struct virtio_device *device = context;
    uint32_t status = read_register(device, INTERRUPT_STATUS);

    if (!status)
        return false;
    write_register(device, INTERRUPT_ACK, status);
    if (status & INTERRUPT_QUEUE)
        virtio_all_queues_interrupt_isr(device);
    if (status & INTERRUPT_CONFIG)
        virtio_config_interrupt_isr(device);
    return true;
}

static int interrupts_request(struct virtio_device *device)
{
    struct virtio_mmio *vm = mmio_of(device);

    return irq_request_gsi(device->name, vm->gsi, vm->trigger, vm->polarity, mmio_isr, device,
                           &vm->irq);
}

static void interrupts_free(struct virtio_device *device)
{
    struct virtio_mmio *vm = mmio_of(device);

    if (vm->irq)
        irq_free(vm->irq);
    vm->irq = NULL;
}

static const struct virtio_transport_ops virtio_mmio_ops = {
    .name = "mmio",
    .get_status = get_status,
    .set_status = set_status,
    .get_features = get_features,
    .set_features = set_features,
    .config_generation = config_generation,
    .config_read = config_read,
    .config_write = config_write,
    .queue_max_size = queue_max_size,
    .queue_activate = queue_activate,
    .notify = notify,
    .interrupts_request = interrupts_request,
    .interrupts_free = interrupts_free,
};

/* Return: false when there is no device behind the registers: an empty slot says nothing. */
static bool identify(struct virtio_mmio *vm)
{
    uint32_t magic = mmio_read32(vm->registers + MAGIC_VALUE);
    uint32_t version = mmio_read32(vm->registers + VERSION);

    vm->device.id = mmio_read32(vm->registers + DEVICE_ID);
    if (magic != MMIO_MAGIC || (version != VERSION_LEGACY && version != VERSION_MODERN)) {
        log_error("virtio", "%s: no virtio-mmio device (magic %#x, version %u)", vm->device.name,
                  magic, version);
        return false;
    }
    vm->device.is_legacy = version == VERSION_LEGACY;
    return vm->device.id != 0;
}

static void add_device(paddr_t base, uint64_t length, unsigned int gsi, enum irq_trigger trigger,
                       enum irq_polarity polarity)
{
    struct virtio_mmio *vm = kzalloc(sizeof(*vm));

    if (!vm)
        return;
    vm->registers = vm_map_device(base, length, MMU_READ | MMU_WRITE | MMU_UNCACHED);
    vm->length = length;
    vm->gsi = gsi;
    vm->trigger = trigger;
    vm->polarity = polarity;
    vm->device.transport = &virtio_mmio_ops;
    snprintf(vm->device.name, sizeof(vm->device.name), "mmio@%llx", (unsigned long long)base);
    if (!vm->registers || !identify(vm)) {
        if (vm->registers)
            vm_unmap_device(vm->registers);
        kfree(vm);
        return;
    }
    if (virtio_device_register(&vm->device) != 0)
        return; /* listed and logged by then */
}

static bool is_on_command_line(paddr_t base)
{
    for (unsigned int i = 0; i < command_line_device_count; i++)
        if (command_line_devices[i].base == base)
            return true;
    return false;
}

static int __init virtio_mmio_probe(void)
{
    const struct acpi_mmio_device *devices = NULL;
    size_t count = acpi_virtio_mmio(&devices);

    for (unsigned int i = 0; i < command_line_device_count; i++) {
        const struct mmio_place *place = &command_line_devices[i];
        add_device(place->base, place->length, (unsigned int)place->irq, IRQ_TRIGGER_EDGE,
                   IRQ_ACTIVE_HIGH);
    }
    for (size_t i = 0; i < count; i++)
        if (!is_on_command_line(devices[i].base))
            add_device(devices[i].base, devices[i].size, devices[i].gsi,
                       devices[i].is_level ? IRQ_TRIGGER_LEVEL : IRQ_TRIGGER_EDGE,
                       devices[i].is_active_low ? IRQ_ACTIVE_LOW : IRQ_ACTIVE_HIGH);
    return 0;
}
INIT_HOOK(virtio_mmio_probe, INIT_DRIVER);

/* SIZE@BASE:IRQ[:ID], numbers as Linux writes them: 512@0xfeb00e00:12, 4K@0xd0000000:5. */
static int virtio_mmio_parameter(const char *value)
{
    struct mmio_place *place = &command_line_devices[command_line_device_count];
    char text[32];
    const char *at = strchr(value, '@');
    const char *colon = at ? strchr(at, ':') : NULL;

    if (!at || !colon || (size_t)(at - value) >= sizeof(text))
        return -EINVAL;
    if (command_line_device_count == COMMAND_LINE_DEVICES_MAX)
        return -ENOSPC;
    strlcpy(text, value, (size_t)(at - value) + 1);
    const char *id = strchr(colon + 1, ':');
    size_t irq_length = id ? (size_t)(id - colon - 1) : strlen(colon + 1);
    if (parse_size(text, &place->length) ||
        parse_u64_n(at + 1, (size_t)(colon - at - 1), &place->base) ||
        parse_u64_n(colon + 1, irq_length, &place->irq))
        return -EINVAL;
    if (place->length < MMIO_MINIMUM || place->irq > UINT16_MAX)
        return -EINVAL;
    command_line_device_count++;
    return 0;
}
PARAMETER(virtio_mmio_device, "virtio_mmio.device", "SIZE@BASE:IRQ",
          "a virtio device in memory, where no ACPI tells of it", virtio_mmio_parameter);
