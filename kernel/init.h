/*
 * Initialisation steps. A file that needs to run something at boot registers a hook; kernel/init.c
 * runs them level by level, by name within a level, and records the time each took (`boot`, `init`).
 *
 *     static int tcp_init(void) { ... return 0; }
 *     INIT_HOOK(tcp_init, INIT_SERVICE);
 *
 * A hook that fails costs one line in the log and never stops the boot, except at INIT_MEMORY and
 * before, where there is nothing to go on with.
 */
#pragma once

#include "lib/registry.h"

enum init_level {
    INIT_ARCH,    /* one CPU, no heap, interrupts off; log works. After it: exceptions, ACPI-free CPU setup */
    INIT_MEMORY,  /* after it: page_alloc, kmalloc, vm_map, per-CPU areas */
    INIT_CORE,    /* after it: ACPI tables, clock calibrated, interrupt controllers, irq_request */
    INIT_SCHED,   /* after it: tasks, timers, wait queues, softirqs; interrupts are on */
    INIT_SMP,     /* after it: every CPU is online */
    INIT_BUS,     /* after it: PCI functions and platform devices are known */
    INIT_DRIVER,  /* after it: drivers probed; block and net devices registered */
    INIT_SERVICE, /* after it: file systems, network protocols, entropy */
    INIT_APP,     /* after it: shells */
    INIT_LEVEL_COUNT
};

struct init_hook {
    const char *name;
    int (*run)(void); /* 0 or -errno */
    enum init_level level;
};

#define INIT_HOOK(function, level_)                                                                \
    REGISTRY_ENTRY(init_hook, function##_hook,                                                     \
                   { .name = #function, .run = (function), .level = (level_) })

/** init_run_level() - run every hook of @level. Context: boot task. */
void init_run_level(enum init_level level);
