/*
 * Registries: tables that the linker puts together, so that adding an entry touches one file.
 *
 * An entry is a constant structure anywhere in the sources plus a pointer to it in the section
 * "registry_TAG", TAG being the structure's tag; the table is what lies between the __start_ and
 * __stop_ symbols that the linker makes for such a section. It works in the kernel and in host
 * executables, in both with entries or without. Objects must be linked directly: from an archive
 * (.a) nothing would be drawn in.
 *
 *   The header of the registry:
 *       struct animal { const char *name; };
 *       #define ANIMAL(symbol, text) \
 *           REGISTRY_ENTRY(animal, symbol##_animal, { .name = text })
 *   Anywhere:
 *       ANIMAL(cat, "cat");
 *   Its user:
 *       const struct animal *pos;
 *       registry_for_each(pos, animal)
 *           log_info("zoo", "%s", pos->name);
 *
 * The order of entries is unspecified: give them names, and levels where order matters.
 */
#pragma once

#include "lib/compiler.h"

/* Defines the constant struct @tag named @symbol, initialised by the rest, and enters it. */
#define REGISTRY_ENTRY(tag, symbol, ...)                                                           \
    static const struct tag symbol = __VA_ARGS__;                                                  \
    REGISTRY_ADD(tag, symbol)

/* Enters a struct @tag that was defined before. */
#define REGISTRY_ADD(tag, symbol)                                                                  \
    static const struct tag *const PASTE(registry_entry_, symbol)                                  \
        __kept __section("registry_" #tag) = &(symbol)

/*
 * The bounds, read from memory rather than computed from the instruction pointer: an empty
 * registry has bounds of 0, which is out of reach of a kernel linked high; and the compiler must
 * not conclude that the two, being different symbols, differ.
 */
#define REGISTRY_BOUND_(tag, symbol)                                                               \
    ({                                                                                             \
        extern const struct tag *const symbol[] __weak __hidden;                                   \
        static const struct tag *const *const volatile registry_bound_ = symbol;                   \
        registry_bound_;                                                                           \
    })
#define registry_begin(tag) REGISTRY_BOUND_(tag, __start_registry_##tag)
#define registry_end(tag)   REGISTRY_BOUND_(tag, __stop_registry_##tag)
#define registry_count(tag) ((size_t)(registry_end(tag) - registry_begin(tag)))

/* @pos: the caller's variable, const struct @tag *; NULL after a walk over an empty registry. */
#define registry_for_each(pos, tag) REGISTRY_WALK_(pos, tag, UNIQUE(registry_cursor_))
#define REGISTRY_WALK_(pos, tag, cursor)                                                           \
    for (const struct tag *const *cursor = ((pos) = NULL, registry_begin(tag));                    \
         cursor < registry_end(tag) && ((pos) = *cursor, true); cursor++)
