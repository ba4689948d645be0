/*
 * A cache that gives way when memory is short, for the boot tests of that.
 */
#pragma once

#include <stddef.h>

/** boot_cache_fill() - take a few pages for the cache. Context: task. */
void boot_cache_fill(void);

/** boot_cache_count() - pages it has. Context: any. */
size_t boot_cache_count(void);
