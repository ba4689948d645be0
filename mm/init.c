/*
 * Memory comes to life: pages, then the heap on top of them. Virtual ranges work
 * before that, and from here on without a limit.
 */
#include "kernel/init.h"
#include "arch/cpu.h"
#include "mm/page_internal.h"
#include "mm/pool_internal.h"
#include "mm/vm_internal.h"

static int __init memory_init(void)
{
    int error = page_init();

    if (error)
        return error;
    pool_init();
    error = kmalloc_init();
    return error ? error : vm_init();
}
INIT_HOOK(memory_init, INIT_MEMORY);

/* By now it is known how many CPUs share the memory. */
static int __init memory_share(void)
{
    page_cache_limit(cpu_online_count());
    return 0;
}
INIT_HOOK(memory_share, INIT_BUS);
