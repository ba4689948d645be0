/*
 * The frame of ACPI tables: signatures, lengths, checksums, the roots.
 */
#include "acpi/table.h"

#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/string.h"

bool acpi_checksum_is_good(const void *bytes, size_t length)
{
    const uint8_t *from = bytes;
    uint8_t sum = 0;

    for (size_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + from[i]);
    return sum == 0;
}

int acpi_rsdp_parse(const void *bytes, size_t length, struct acpi_rsdp *rsdp)
{
    const uint8_t *from = bytes;

    if (length < ACPI_RSDP_SIZE_1 || memcmp(from, "RSD PTR ", 8) != 0)
        return -EINVAL;
    if (!acpi_checksum_is_good(from, ACPI_RSDP_SIZE_1))
        return -EBADMSG;
    *rsdp = (struct acpi_rsdp){ .revision = from[15], .rsdt = load_le32(from + 16) };
    if (rsdp->revision < 2 || length < ACPI_RSDP_SIZE_2)
        return 0;

    size_t own_length = load_le32(from + 20);
    if (own_length < ACPI_RSDP_SIZE_2 || own_length > length ||
        !acpi_checksum_is_good(from, own_length))
        return rsdp->rsdt ? 0 : -EBADMSG;
    rsdp->xsdt = load_le64(from + 24);
    return 0;
}

size_t acpi_table_length(const void *header)
{
    return load_le32((const uint8_t *)header + 4);
}

int acpi_table_check(const void *bytes, size_t length, const char signature[4])
{
    if (length < ACPI_HEADER_SIZE)
        return -EMSGSIZE;
    if (memcmp(bytes, signature, 4) != 0)
        return -EINVAL;

    size_t own_length = acpi_table_length(bytes);
    if (own_length < ACPI_HEADER_SIZE || own_length > length)
        return -EMSGSIZE;
    return acpi_checksum_is_good(bytes, own_length) ? 0 : -EBADMSG;
}

paddr_t acpi_root_entry(const void *bytes, size_t index)
{
    const uint8_t *from = bytes;
    bool is_xsdt = memcmp(from, "XSDT", 4) == 0;
    size_t entry_size = is_xsdt ? 8 : 4;
    size_t count = (acpi_table_length(from) - ACPI_HEADER_SIZE) / entry_size;

    if (index >= count)
        return 0;
    from += ACPI_HEADER_SIZE + index * entry_size;
    return is_xsdt ? load_le64(from) : load_le32(from);
}

struct acpi_address acpi_address_parse(const void *bytes)
{
    const uint8_t *from = bytes;

    return (struct acpi_address){
        .space = from[0],
        .bit_width = from[1],
        .access_size = from[3],
        .address = load_le64(from + 4),
    };
}
