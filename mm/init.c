/*
 * Memory comes to life: pages, then the heap on top of them. Virtual ranges need no step of their
 * own (mm/vm.c).
 */
#include "kernel/init.h"
#include "mm/page_internal.h"
#include "mm/pool_internal.h"

static int memory_init(void)
{
    int error = page_init();

    if (error)
        return error;
    pool_init();
    return kmalloc_init();
}
INIT_HOOK(memory_init, INIT_MEMORY);
