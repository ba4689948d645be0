/*
 * MCFG and HPET.
 */
#include "acpi/mcfg.h"

#include "acpi/table.h"
#include "kernel/log.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/string.h"

#define MCFG_FIXED_SIZE 44 /* header, 8 reserved bytes */
#define MCFG_ENTRY_SIZE 16
#define HPET_SIZE       56

static bool is_region_sane(const struct acpi_ecam *region)
{
    return region->base != 0 && IS_ALIGNED(region->base, 1u << 20) &&
           region->first_bus <= region->last_bus;
}

int acpi_mcfg_parse(const void *table, size_t length, struct acpi_mcfg *mcfg)
{
    const uint8_t *bytes = table;

    memset(mcfg, 0, sizeof(*mcfg));
    if (length < MCFG_FIXED_SIZE)
        return -EMSGSIZE;
    for (size_t offset = MCFG_FIXED_SIZE; length - offset >= MCFG_ENTRY_SIZE;
         offset += MCFG_ENTRY_SIZE) {
        struct acpi_ecam region = {
            .base = load_le64(bytes + offset),
            .segment = load_le16(bytes + offset + 8),
            .first_bus = bytes[offset + 10],
            .last_bus = bytes[offset + 11],
        };
        if (mcfg->count == ACPI_MCFG_MAX || !is_region_sane(&region)) {
            log_warning("acpi", "MCFG: region at 0x%llx for buses %u-%u is left out",
                        (unsigned long long)region.base, region.first_bus, region.last_bus);
            continue;
        }
        mcfg->regions[mcfg->count++] = region;
    }
    return 0;
}

int acpi_hpet_parse(const void *table, size_t length, struct acpi_hpet *hpet)
{
    const uint8_t *bytes = table;

    memset(hpet, 0, sizeof(*hpet));
    if (length < HPET_SIZE)
        return -EMSGSIZE;
    struct acpi_address address = acpi_address_parse(bytes + 40);
    if (address.space != ACPI_SPACE_MEMORY || address.address == 0)
        return -EINVAL;
    hpet->base = address.address;
    hpet->number = bytes[52];
    hpet->minimum_tick = load_le16(bytes + 53);
    return 0;
}
