/*
 * Registries: tables that the linker puts together, so that adding an entry touches one file.
 *
 * An entry is a constant structure anywhere in the sources plus a pointer to it in the section
 * "registry_NAME"; the table is what lies between the __start_ and __stop_ symbols that the linker
 * makes for such a section. It works in the kernel and in host executables, in both with entries
 * or without. Objects must be linked directly: from an archive (.a) nothing would be drawn in.
 *
 *   The header of the registry:
 *       struct animal { const char *name; };
 *       REGISTRY_DECLARE(animal, struct animal);
 *       #define ANIMAL(symbol, text) \
 *           static const struct animal animal_##symbol = { .name = text }; \
 *           REGISTRY_ADD(animal, struct animal, animal_##symbol)
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

/* Once per registry, at file scope in its header. */
#define REGISTRY_DECLARE(registry, type)                                                           \
    extern type const *const PASTE(__start_registry_, registry)[] __weak __hidden;                 \
    extern type const *const PASTE(__stop_registry_, registry)[] __weak __hidden

/* Enters the object @symbol, of @type, in the table. At file scope, once per symbol. */
#define REGISTRY_ADD(registry, type, symbol)                                                       \
    static type const *const PASTE(registry_entry_, symbol)                                        \
        __kept __section("registry_" #registry) = &(symbol)

/*
 * The bounds, read from memory rather than computed from the instruction pointer: an empty
 * registry has bounds of 0, which is out of reach of a kernel linked high; and the compiler must
 * not conclude that the two, being different symbols, differ.
 */
#define REGISTRY_BOUND_(symbol)                                                                    \
    ({                                                                                             \
        static typeof(&(symbol)[0]) const volatile registry_bound_ = (symbol);                     \
        registry_bound_;                                                                           \
    })
#define registry_begin(registry) REGISTRY_BOUND_(PASTE(__start_registry_, registry))
#define registry_end(registry)   REGISTRY_BOUND_(PASTE(__stop_registry_, registry))
#define registry_count(registry) ((size_t)(registry_end(registry) - registry_begin(registry)))

/* @pos: the caller's variable, const type *; NULL when a walk over an empty registry ends. */
#define registry_for_each(pos, registry) REGISTRY_WALK_(pos, registry, UNIQUE(registry_cursor_))
#define REGISTRY_WALK_(pos, registry, cursor)                                                      \
    for (typeof(registry_begin(registry)) cursor = ((pos) = NULL, registry_begin(registry));       \
         cursor < registry_end(registry) && ((pos) = *cursor, true); cursor++)
