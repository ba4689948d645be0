/*
 * Initialisation steps. A file that needs to run something at boot registers a hook; kernel/init.c
 * runs them level by level, by name within a level, and records the time each took (`boot`,
 * `init`).
 *
 *     static int tcp_init(void) { ... return 0; }
 *     INIT_HOOK(tcp_init, INIT_SERVICE);
 *
 * A hook that fails costs one line in the log and never stops the boot, except at INIT_MEMORY and
 * before, where there is nothing to go on with. Two hooks of one name stop the boot.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/registry.h"

enum init_level {
    INIT_CONSOLE, /* as INIT_ARCH, and first of all. After it: lines of the log are seen */
    INIT_ARCH,   /* one CPU, no heap, interrupts off; log works. After it: exceptions, ACPI-free CPU
                    setup */
    INIT_MEMORY, /* after it: page_alloc, kmalloc, vm_map, per-CPU areas */
    INIT_CORE,   /* after it: ACPI tables, clock calibrated, interrupt controllers, irq_request */
    INIT_SCHED,  /* after it: tasks, timers, wait queues, softirqs; interrupts are on */
    INIT_SMP,    /* after it: every CPU is online */
    INIT_BUS,    /* after it: PCI functions and platform devices are known */
    INIT_DRIVER, /* after it: drivers probed; block and net devices registered */
    INIT_SERVICE, /* after it: file systems, network protocols, entropy */
    INIT_APP,     /* after it: servers listen */
    INIT_SHELL,   /* after it: shells */
    INIT_LATE,    /* what must find all the others started */
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

/*
 * What only the boot needs. It is given back and unmapped when the last hook has returned, so that
 * a later touch is a page fault. For functions that only hooks and other such functions call, and
 * whose address nobody keeps, and for variables (zero at first) that only such functions use; the
 * build fails when others refer to them.
 */
#define __init     __section(".init.text")
#define __init_bss __section(".bss.init")

/** init_run_level() - run every hook of @level. Context: boot task. */
void init_run_level(enum init_level level);

/*
 * The stages of this boot, for `boot`: one per level, named after it, and those that others add.
 */
struct boot_stage {
    const char *name;
    uint64_t end_ns; /* when it was over, since the kernel's first instruction */
};

/**
 * boot_stage_end() - the stage @name (a constant) is over
 * Return: whether this was the first time; later calls with the same name do nothing.
 */
bool boot_stage_end(const char *name);

/** boot_finished() - the stage @name is the last: the log gets a line with all of them. */
void boot_finished(const char *name);

/** boot_stages() - the table so far, in order. Return: how many. Context: any. */
size_t boot_stages(const struct boot_stage **stages);

/* What one hook did, for `init`. */
struct init_record {
    const struct init_hook *hook;
    uint64_t duration_ns;
    int result;
};

/** init_records() - those that have run, in order. Return: how many. Context: any. */
size_t init_records(const struct init_record **records);

const char *init_level_name(enum init_level level);
