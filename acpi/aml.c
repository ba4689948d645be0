/*
 * Patterns in AML. Every step takes bytes off a cursor that knows how many are left.
 */
#include "acpi/aml.h"

#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/string.h"

enum aml_op {
    AML_ZERO = 0x00,
    AML_ONE = 0x01,
    AML_NAME = 0x08,
    AML_BYTE = 0x0a,
    AML_WORD = 0x0b,
    AML_DWORD = 0x0c,
    AML_STRING = 0x0d,
    AML_QWORD = 0x0e,
    AML_BUFFER = 0x11,
    AML_PACKAGE = 0x12,
    AML_EXTENDED = 0x5b,
    AML_DEVICE = 0x82, /* after AML_EXTENDED */
};

enum resource {
    RESOURCE_END = 0x79, /* small, any length: top bits and type 15 */
    RESOURCE_IRQ = 0x04, /* small type */
    RESOURCE_MEMORY32 = 0x85,
    RESOURCE_MEMORY32_FIXED = 0x86,
    RESOURCE_EXTENDED_IRQ = 0x89,
};

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
};

static size_t left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

static bool take_byte(struct cursor *c, uint8_t *byte)
{
    if (left(c) == 0)
        return false;
    *byte = *c->at++;
    return true;
}

static bool take_literal(struct cursor *c, const void *bytes, size_t length)
{
    if (left(c) < length || memcmp(c->at, bytes, length) != 0)
        return false;
    c->at += length;
    return true;
}

/* PkgLength, which counts itself: *@body becomes the bytes behind it that it spans. */
static bool take_package(struct cursor *c, struct cursor *body)
{
    const uint8_t *start = c->at;
    uint8_t lead;

    if (!take_byte(c, &lead))
        return false;
    unsigned int more = lead >> 6;
    size_t length = more ? lead & 0x0fu : lead & 0x3fu;
    for (unsigned int i = 0; i < more; i++) {
        uint8_t byte;
        if (!take_byte(c, &byte))
            return false;
        length |= (size_t)byte << (4 + 8 * i);
    }
    size_t header = (size_t)(c->at - start);
    if (length < header || length - header > left(c))
        return false;
    *body = (struct cursor){ c->at, c->at + (length - header) };
    c->at = body->end;
    return true;
}

static bool take_integer(struct cursor *c, uint64_t *value)
{
    static const uint8_t sizes[] = {
        [AML_BYTE] = 1, [AML_WORD] = 2, [AML_DWORD] = 4, [AML_QWORD] = 8
    };
    uint8_t op;

    if (!take_byte(c, &op))
        return false;
    if (op == AML_ZERO || op == AML_ONE) {
        *value = op;
        return true;
    }
    size_t size = op < ARRAY_SIZE(sizes) ? sizes[op] : 0;
    if (size == 0 || left(c) < size)
        return false;
    *value = 0;
    for (size_t i = 0; i < size; i++)
        *value |= (uint64_t)*c->at++ << (8 * i);
    return true;
}

/* Moves @c behind the next `Name (NAME, ...` and before its value. */
static bool find_name(struct cursor *c, const char name[4])
{
    for (; left(c) > 5; c->at++) {
        struct cursor look = *c;
        uint8_t op;
        if (!take_byte(&look, &op) || op != AML_NAME)
            continue;
        (void)take_literal(&look, "\\", 1);
        if (take_literal(&look, name, 4)) {
            *c = look;
            return true;
        }
    }
    return false;
}

/* Package () { pm1a, pm1b, ... }; the second may be left out. */
static bool parse_s5(struct cursor c, struct acpi_sleep_type *sleep)
{
    struct cursor body;
    uint8_t op;
    uint8_t count;
    uint64_t pm1a;
    uint64_t pm1b = 0;

    if (!take_byte(&c, &op) || op != AML_PACKAGE || !take_package(&c, &body))
        return false;
    if (!take_byte(&body, &count) || count == 0 || !take_integer(&body, &pm1a))
        return false;
    if (count > 1 && !take_integer(&body, &pm1b))
        return false;
    if (pm1a > 7 || pm1b > 7)
        return false;
    *sleep = (struct acpi_sleep_type){ (uint8_t)pm1a, (uint8_t)pm1b };
    return true;
}

int acpi_aml_find_s5(const void *aml, size_t length, struct acpi_sleep_type *sleep)
{
    struct cursor c = { aml, (const uint8_t *)aml + length };

    while (find_name(&c, "_S5_")) {
        if (parse_s5(c, sleep))
            return 0;
    }
    return -ENOENT;
}

/*
 * How far into a device's body the names are looked for; a virtio-mmio slot takes some 60 bytes.
 * It bounds the work on a table that is all device starts.
 */
#define HID_REACH 64
#define CRS_REACH 256

static struct cursor first_bytes(struct cursor c, size_t count)
{
    return (struct cursor){ c.at, c.at + MIN(left(&c), count) };
}

/* ---- devices ------------------------------------------------------------------------------- */

static void parse_extended_irq(const uint8_t *data, size_t length, struct acpi_mmio_device *device,
                               bool *has_irq)
{
    if (length < 6 || data[1] == 0)
        return;
    device->is_level = !(data[0] & 2u);
    device->is_active_low = data[0] & 4u;
    device->gsi = load_le32(data + 2);
    *has_irq = true;
}

static void parse_small_irq(const uint8_t *data, size_t length, struct acpi_mmio_device *device,
                            bool *has_irq)
{
    uint16_t mask = length >= 2 ? load_le16(data) : 0;

    if (mask == 0)
        return;
    device->gsi = (uint32_t)__builtin_ctz(mask);
    device->is_level = length >= 3 && !(data[2] & 1u);
    device->is_active_low = length >= 3 && data[2] & 8u;
    *has_irq = true;
}

static void parse_memory(uint8_t tag, const uint8_t *data, size_t length,
                         struct acpi_mmio_device *device)
{
    if (tag == RESOURCE_MEMORY32_FIXED && length >= 9) {
        device->base = load_le32(data + 1);
        device->size = load_le32(data + 5);
    } else if (tag == RESOURCE_MEMORY32 && length >= 17) {
        device->base = load_le32(data + 1);
        device->size = load_le32(data + 13);
    }
}

/* The bytes of a resource template. Return: whether it had memory and an interrupt. */
static bool parse_resources(struct cursor c, struct acpi_mmio_device *device)
{
    bool has_irq = false;
    uint8_t tag;

    *device = (struct acpi_mmio_device){ 0 };
    while (take_byte(&c, &tag) && (tag & 0xf8u) != (RESOURCE_END & 0xf8u)) {
        size_t length = tag & 7u;
        if (tag & 0x80u) {
            if (left(&c) < 2)
                break;
            length = load_le16(c.at);
            c.at += 2;
        }
        if (length > left(&c))
            break;
        if (tag == RESOURCE_EXTENDED_IRQ)
            parse_extended_irq(c.at, length, device, &has_irq);
        else if (tag & 0x80u)
            parse_memory(tag, c.at, length, device);
        else if (tag >> 3 == RESOURCE_IRQ)
            parse_small_irq(c.at, length, device, &has_irq);
        c.at += length;
    }
    return has_irq && device->base != 0 && device->size != 0;
}

/* Name (_CRS, Buffer (size) { resource template }) */
static bool parse_crs(struct cursor body, struct acpi_mmio_device *device)
{
    struct cursor device_body = first_bytes(body, CRS_REACH);
    struct cursor buffer;
    uint64_t size;
    uint8_t op;

    if (!find_name(&device_body, "_CRS"))
        return false;
    if (!take_byte(&device_body, &op) || op != AML_BUFFER || !take_package(&device_body, &buffer))
        return false;
    return take_integer(&buffer, &size) && parse_resources(buffer, device);
}

static bool has_hid(struct cursor body, const char *hid)
{
    struct cursor device_body = first_bytes(body, HID_REACH);
    uint8_t op;

    return find_name(&device_body, "_HID") && take_byte(&device_body, &op) && op == AML_STRING &&
           take_literal(&device_body, hid, strlen(hid) + 1);
}

size_t acpi_aml_find_devices(const void *aml, size_t length, const char *hid,
                             struct acpi_mmio_device *devices, size_t max)
{
    static const uint8_t device_op[] = { AML_EXTENDED, AML_DEVICE };
    struct cursor c = { aml, (const uint8_t *)aml + length };
    size_t count = 0;

    /* Byte by byte: devices lie within packages of others, and a false start costs nothing. */
    for (; left(&c) > sizeof(device_op) && count < max; c.at++) {
        struct cursor look = c;
        struct cursor body;
        if (!take_literal(&look, device_op, sizeof(device_op)) || !take_package(&look, &body))
            continue;
        if (has_hid(body, hid) && parse_crs(body, &devices[count]))
            count++;
    }
    return count;
}

bool acpi_aml_has_hid(const void *aml, size_t length, const char *text, uint32_t eisa_id)
{
    struct cursor c = { aml, (const uint8_t *)aml + length };

    while (find_name(&c, "_HID")) {
        struct cursor number = c, string = c;
        uint64_t value;
        uint8_t op;

        if (take_integer(&number, &value) && value == eisa_id)
            return true;
        if (take_byte(&string, &op) && op == AML_STRING &&
            take_literal(&string, text, strlen(text) + 1))
            return true;
    }
    return false;
}
