/*
 * Names for return addresses.
 */
#include "mm/caller.h"

#include "kernel/symbols.h"
#include "lib/printf.h"

struct caller_text caller_text(uintptr_t caller)
{
    struct caller_text result;
    size_t offset = 0;
    /* The call itself is before the address it returns to, which may begin another function. */
    const char *name = caller ? symbol_name(caller - 1, &offset) : NULL;

    if (name)
        snprintf(result.text, sizeof(result.text), "%s+%#zx", name, offset + 1);
    else if (caller)
        snprintf(result.text, sizeof(result.text), "%#lx", (unsigned long)caller);
    else
        snprintf(result.text, sizeof(result.text), "(unknown)");
    return result;
}
