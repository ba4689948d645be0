/*
 * Names: the short ones of eleven bytes, and the long ones in pieces of thirteen UTF-16 units that
 * come before their entry, the last piece first. Pure functions.
 *
 * What may not be in a name here (control characters, slashes) is shown as '_' in a short name; a
 * long name with such in it, or of more than 255 bytes, gives way to the short one. Bytes above
 * 0x7F of a short name belong to a code page nobody told us: '_' too.
 */
#include "fs/fat/fat.h"
#include "lib/byteorder.h"
#include "lib/ctype.h"
#include "lib/string.h"

#define PIECE_UNITS  13u
#define PIECES_MAX   20u
#define LAST_PIECE   0x40 /* which comes first */
#define LOWER_NAME   0x08 /* of the byte at 12, by Windows NT */
#define LOWER_SUFFIX 0x10

void fat_long_name_add(struct fat_long_name *name, const uint8_t *slot)
{
    static const uint8_t places[PIECE_UNITS] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };
    unsigned int ordinal = slot[0] & ~(unsigned int)LAST_PIECE;

    if (slot[0] & LAST_PIECE && ordinal > 0 && ordinal <= PIECES_MAX) {
        name->is_begun = true;
        name->wanted = ordinal;
        name->checksum = slot[13];
        name->units[ordinal * PIECE_UNITS] = 0;
    }
    if (!name->is_begun || ordinal != name->wanted || slot[13] != name->checksum) {
        name->is_begun = false;
        return;
    }
    name->wanted--;
    for (unsigned int i = 0; i < PIECE_UNITS; i++)
        name->units[name->wanted * PIECE_UNITS + i] = load_le16(slot + places[i]);
}

static uint8_t short_checksum(const uint8_t *slot)
{
    uint8_t sum = 0;

    for (unsigned int i = 0; i < 11; i++)
        sum = (uint8_t)((sum >> 1 | sum << 7) + slot[i]);
    return sum;
}

/* One character of UTF-16 at *@units, which moves on; 0xFFFD for half a pair. */
static uint32_t take_character(const uint16_t **units)
{
    uint32_t first = *(*units)++;

    if (first < 0xD800 || first > 0xDFFF)
        return first;
    if (first > 0xDBFF || **units < 0xDC00 || **units > 0xDFFF)
        return 0xFFFD;
    return 0x10000 + ((first - 0xD800) << 10) + (uint32_t)(*(*units)++ - 0xDC00);
}

static size_t put_utf8(char *to, uint32_t character)
{
    if (character < 0x80) {
        to[0] = (char)character;
        return 1;
    }
    size_t length = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, character >>= 6)
        to[i] = (char)(0x80 | (character & 0x3F));
    to[0] = (char)((0xF00u >> length & 0xFF) | character); /* as many ones as bytes */
    return length;
}

static bool put_long_name(const uint16_t *units, char name[FAT_NAME_SIZE])
{
    size_t length = 0;

    while (*units) {
        uint32_t character = take_character(&units);
        char bytes[4];
        size_t count = put_utf8(bytes, character);

        if (character < 0x20 || character == '/' || character == 0x7F ||
            length + count >= FAT_NAME_SIZE)
            return false;
        memcpy(name + length, bytes, count);
        length += count;
    }
    name[length] = '\0';
    return length > 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static char *put_short_part(char *to, const uint8_t *from, unsigned int length, bool is_lower)
{
    while (length > 0 && from[length - 1] == ' ')
        length--;
    for (unsigned int i = 0; i < length; i++) {
        char c = (char)from[i];

        if (from[i] <= ' ' || from[i] >= 0x7F || c == '/')
            c = '_';
        *to++ = is_lower ? (char)to_lower(c) : c;
    }
    return to;
}

static void put_short_name(const uint8_t *slot, char name[13])
{
    char *end = put_short_part(name, slot, 8, slot[12] & LOWER_NAME);
    char *dot = end;

    end = put_short_part(end + 1, slot + 8, 3, slot[12] & LOWER_SUFFIX);
    if (end == dot + 1)
        end = dot;
    else
        *dot = '.';
    *end = '\0';
}

bool fat_names_of(struct fat_long_name *name, const uint8_t *slot, struct fat_entry *entry)
{
    bool has_long = name->is_begun && name->wanted == 0 && name->checksum == short_checksum(slot);

    name->is_begun = false;
    put_short_name(slot, entry->short_name);
    if (!has_long || !put_long_name(name->units, entry->name))
        strlcpy(entry->name, entry->short_name, sizeof(entry->name));
    return entry->name[0] != '\0' && strcmp(entry->name, ".") != 0 &&
           strcmp(entry->name, "..") != 0;
}
