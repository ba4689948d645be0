/*
 * The common half of the boot parsers: nothing enters struct boot_info that later code would have
 * to check again.
 */
#include "kernel/boot/boot_info_fill.h"

#include "kernel/init.h"
#include "lib/string.h"

#define FRAMEBUFFER_SIDE_MAX 16384

void __init boot_info_init(struct boot_info *boot, const char *protocol)
{
    static char no_cmdline[1]; /* parameters_parse() may write the end of an empty line */

    memset(boot, 0, sizeof(*boot));
    boot->protocol = protocol;
    boot->loader_name = "";
    boot->cmdline = no_cmdline;
}

static enum boot_memory_type __init memory_type(uint32_t type)
{
    return type >= BOOT_MEMORY_USABLE && type <= BOOT_MEMORY_BAD ? (enum boot_memory_type)type
                                                                 : BOOT_MEMORY_RESERVED;
}

void __init boot_info_add_memory(struct boot_info *boot, uint64_t base, uint64_t length,
                                 uint32_t type)
{
    if (length == 0 || length > UINT64_MAX - base || boot->memory_count == BOOT_MEMORY_RANGES_MAX) {
        boot->memory_dropped++;
        return;
    }
    boot->memory[boot->memory_count++] =
        (struct boot_memory_range){ .base = base, .length = length, .type = memory_type(type) };
}

static bool __init is_colour_sane(uint8_t shift, uint8_t bits, uint8_t bits_per_pixel)
{
    return bits >= 1 && bits <= 16 && shift + bits <= bits_per_pixel;
}

bool __init boot_framebuffer_is_sane(const struct boot_framebuffer *fb)
{
    uint8_t depth = fb->bits_per_pixel;

    if (depth != 16 && depth != 24 && depth != 32)
        return false;
    if (fb->base == 0 || fb->width == 0 || fb->height == 0 || fb->width > FRAMEBUFFER_SIDE_MAX ||
        fb->height > FRAMEBUFFER_SIDE_MAX)
        return false;
    if (fb->pitch < fb->width * (depth / 8u) || fb->pitch > FRAMEBUFFER_SIDE_MAX * 8u)
        return false;
    if ((uint64_t)fb->pitch * fb->height > UINT64_MAX - fb->base)
        return false;
    return is_colour_sane(fb->red_shift, fb->red_bits, depth) &&
           is_colour_sane(fb->green_shift, fb->green_bits, depth) &&
           is_colour_sane(fb->blue_shift, fb->blue_bits, depth);
}
