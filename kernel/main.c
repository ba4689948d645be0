/*
 * The boot sequence, top to bottom. The steps themselves are INIT_HOOKs in the files they belong
 * to (kernel/init.h); here is only what must come before there are levels, and what follows them.
 */
#include "kernel/main.h"

#include "arch/mmu.h"
#include "kernel/boot/boot_info.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/parameter.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task.h"
#include "kernel/version.h"
#include "mm/early.h"

static void __init memory_start(const struct boot_info *boot)
{
    paddr_t image_base;
    uint64_t image_size;

    mmu_kernel_image(&image_base, &image_size);
    early_memory_init(boot, image_base, image_size);
    mmu_init();
}

/* The only one who may call what is given back afterwards: it stays itself. */
void kernel_main(void)
{
    const struct boot_info *boot = boot_info();

    log_info("boot", "%s", kernel_version);
    log_info("boot", "started by %s%s%s", boot->protocol, *boot->loader_name ? ", " : "",
             boot->loader_name);
    parameters_parse((char *)boot->cmdline);
    init_run_level(INIT_CONSOLE); /* the serial line speaks: what follows may panic aloud */
    memory_start(boot);
    for (unsigned int level = INIT_ARCH; level < INIT_LEVEL_COUNT; level++)
        init_run_level(level);

    mmu_release_boot_memory();
    sched_boot_task_done();
}
