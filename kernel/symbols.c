/*
 * Addresses to function names, by binary search in the generated table.
 */
#include "kernel/symbols.h"

/* The last entry at or below @offset, by binary search; the table is not empty. */
static const struct kernel_symbol *find_symbol(uint32_t offset)
{
    uint32_t low = 0;
    uint32_t high = kernel_symbol_count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (kernel_symbols[middle].offset <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &kernel_symbols[low];
}

const char *symbol_name(vaddr_t address, size_t *offset)
{
    *offset = 0;
    if (kernel_symbol_count == 0 || address < kernel_symbol_base ||
        address - kernel_symbol_base > UINT32_MAX) {
        return NULL;
    }

    uint32_t distance = (uint32_t)(address - kernel_symbol_base);
    const struct kernel_symbol *symbol = find_symbol(distance);
    const char *name = kernel_symbol_names + symbol->name;
    /* An entry without a name marks the end of the code before it. */
    if (symbol->offset > distance || name[0] == '\0') {
        return NULL;
    }

    *offset = distance - symbol->offset;
    return name;
}
