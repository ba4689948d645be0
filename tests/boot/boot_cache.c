/*
 * The cache of boot_cache.h: pages that nobody needs, kept by a shrinker.
 *
 * Shrinkers are asked for as long as the machine runs; so unlike the tests this one stays when the
 * boot is over (kernel.ld leaves out what is called boot_*).
 */
#include "tests/boot/boot_cache.h"

#include "lib/compiler.h"
#include "mm/page.h"
#include "mm/reclaim.h"

static void *kept[64];
static size_t kept_count; /* atomic */

static size_t give_up_kept(size_t pages)
{
    size_t count = __atomic_exchange_n(&kept_count, 0, __ATOMIC_ACQUIRE);

    (void)pages;
    for (size_t i = 0; i < count; i++)
        page_free(kept[i]);
    return count;
}
MEMORY_SHRINKER(boot_cache, "boot test", give_up_kept);

void boot_cache_fill(void)
{
    size_t count = 0;

    while (count < ARRAY_SIZE(kept) && (kept[count] = page_alloc(1, 0, "boot test")) != NULL)
        count++;
    __atomic_store_n(&kept_count, count, __ATOMIC_RELEASE);
}

size_t boot_cache_count(void)
{
    return __atomic_load_n(&kept_count, __ATOMIC_RELAXED);
}
