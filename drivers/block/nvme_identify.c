/*
 * What an NVMe controller says of itself, its namespaces and its commands: see nvme.h.
 */
#include "drivers/block/nvme.h"

#include "lib/errno.h"
#include "lib/string.h"

/* Identify controller (figure 247). */
enum {
    CONTROLLER_MODEL = 24,
    CONTROLLER_MDTS = 77,
    CONTROLLER_ONCS = 520,
    CONTROLLER_VWC = 525,
};
#define MODEL_LENGTH      40
#define ONCS_DATASET      0x0004
#define VWC_PRESENT       0x01
#define MDTS_SHIFT_MAX    19 /* 2 GiB: more is no limit */
#define BLOCK_SHIFT_LEAST 9
#define BLOCK_SHIFT_MOST  16

/* Identify namespace (figure 245). */
enum {
    NAMESPACE_SIZE = 0,
    NAMESPACE_FORMATS = 25,
    NAMESPACE_FORMAT = 26,
    NAMESPACE_ATTRIBUTES = 99,
    NAMESPACE_FORMAT_TABLE = 128,
};
#define FORMAT_INDEX_MASK         0x0f
#define ATTRIBUTE_WRITE_PROTECTED 0x01

static uint64_t read_le(const uint8_t *data, unsigned int bytes)
{
    uint64_t value = 0;

    for (unsigned int i = bytes; i-- > 0;)
        value = value << 8 | data[i];
    return value;
}

/* Padded with blanks, and goes to the screen. */
static void copy_text(char *to, const uint8_t *from, size_t length)
{
    for (size_t i = 0; i < length; i++)
        to[i] = from[i] >= ' ' && from[i] < 0x7f ? (char)from[i] : '?';
    while (length > 0 && to[length - 1] == ' ')
        length--;
    to[length] = '\0';
}

void nvme_parse_controller(const uint8_t *data, struct nvme_controller_data *parsed)
{
    uint8_t mdts = data[CONTROLLER_MDTS]; /* a power of two of pages; 0: no limit */

    copy_text(parsed->model, data + CONTROLLER_MODEL, MODEL_LENGTH);
    parsed->max_transfer =
        mdts == 0 || mdts >= MDTS_SHIFT_MAX ? UINT32_MAX : (uint32_t)NVME_PAGE_SIZE << mdts;
    parsed->has_write_cache = data[CONTROLLER_VWC] & VWC_PRESENT;
    parsed->has_discard = read_le(data + CONTROLLER_ONCS, 2) & ONCS_DATASET;
}

int nvme_parse_namespace(const uint8_t *data, struct nvme_namespace_data *parsed)
{
    unsigned int index = data[NAMESPACE_FORMAT] & FORMAT_INDEX_MASK;
    const uint8_t *format = data + NAMESPACE_FORMAT_TABLE + (size_t)index * 4;
    uint8_t shift = format[2];

    parsed->blocks = read_le(data + NAMESPACE_SIZE, 8);
    if (parsed->blocks == 0)
        return -ENODEV;
    if (index > data[NAMESPACE_FORMATS] || read_le(format, 2) != 0)
        return -ENOTSUP;
    if (shift < BLOCK_SHIFT_LEAST || shift > BLOCK_SHIFT_MOST)
        return -ENOTSUP;
    if (parsed->blocks > UINT64_MAX >> shift)
        return -ENOTSUP;
    parsed->block_size = 1u << shift;
    parsed->is_read_only = data[NAMESPACE_ATTRIBUTES] & ATTRIBUTE_WRITE_PROTECTED;
    return 0;
}

/* Generic command status (figures 127 and 128). */
static int generic_error(uint8_t code, bool is_final)
{
    switch (code) {
    case 0x00:
        return 0;
    case 0x01: /* invalid opcode */
        return -ENOTSUP;
    case 0x05: /* aborted: power loss */
    case 0x07: /* aborted: asked for */
    case 0x08: /* aborted: queue deleted */
        return -EAGAIN;
    case 0x0b: /* no such namespace */
        return -ENODEV;
    case 0x20: /* write protected */
        return -EROFS;
    case 0x81: /* capacity exceeded */
        return -ENOSPC;
    case 0x82: /* namespace not ready */
        return is_final ? -EIO : -EAGAIN;
    default:
        return -EIO;
    }
}

int nvme_status_error(uint16_t status)
{
    uint8_t code = (uint8_t)(status >> 1);
    uint8_t type = status >> 9 & 7;
    bool is_final = status & 0x8000; /* "do not retry" */

    return type == 0 ? generic_error(code, is_final) : -EIO;
}
