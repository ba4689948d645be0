/*
 * Runs the initialisation hooks and remembers what each cost.
 *
 * The table of hooks is put together by the linker in no particular order. Each level is sorted
 * by name on a small array of pointers, so a boot does the same things in the same order whatever
 * the linker did. Hooks run one after another in the boot task and their records need no lock; the
 * table of stages has one, because several shells may end the last.
 */
#include "kernel/init.h"

#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/sync/spinlock.h"
#include "kernel/time/clock.h"
#include "lib/atomic.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/sort.h"
#include "lib/string.h"

#define HOOKS_MAX  256
#define STAGES_MAX 32

static struct init_record record_table[HOOKS_MAX]; /* written by the boot task */
static atomic_size record_count;

static DEFINE_SPINLOCK(stages_lock, "boot stages", LOCK_RANK_NONE); /* guards adding */
static struct boot_stage stage_table[STAGES_MAX];
static atomic_size stage_count; /* of those that are whole */

const char *init_level_name(enum init_level level)
{
    static const char *const names[INIT_LEVEL_COUNT] = {
        [INIT_CONSOLE] = "console", [INIT_ARCH] = "arch",     [INIT_MEMORY] = "memory",
        [INIT_CORE] = "core",       [INIT_SCHED] = "sched",   [INIT_SMP] = "smp",
        [INIT_BUS] = "bus",         [INIT_DRIVER] = "driver", [INIT_SERVICE] = "service",
        [INIT_APP] = "app",         [INIT_SHELL] = "shell",   [INIT_LATE] = "late",
    };

    return (unsigned int)level < INIT_LEVEL_COUNT ? names[level] : "?";
}

static int __init compare_names(const void *a, const void *b, void *context)
{
    const struct init_hook *const *first = a;
    const struct init_hook *const *second = b;

    (void)context;
    return strcmp((*first)->name, (*second)->name);
}

static size_t __init collect_level(enum init_level level, const struct init_hook *hooks[HOOKS_MAX])
{
    const struct init_hook *hook;
    size_t count = 0;

    registry_for_each(hook, init_hook) {
        if (hook->level != level)
            continue;
        if (count == HOOKS_MAX)
            panic("init: more than %d hooks at level %s", HOOKS_MAX, init_level_name(level));
        hooks[count++] = hook;
    }
    return count;
}

/* A name is how a hook is spoken of in the log and in `init`; over all levels there is one of it.
 */
static void __init check_names(void)
{
    const struct init_hook *hook;
    const struct init_hook *other;

    registry_for_each(hook, init_hook) {
        registry_for_each(other, init_hook) {
            if (hook != other && strcmp(hook->name, other->name) == 0)
                panic("init: two hooks are named %s", hook->name);
        }
    }
}

static void __init run_hook(const struct init_hook *hook)
{
    uint64_t start = clock_now_ns();
    int result = hook->run();
    uint64_t duration = clock_now_ns() - start;
    size_t index = atomic_load_relaxed(&record_count);

    if (index < HOOKS_MAX) {
        record_table[index] = (struct init_record){ hook, duration, result };
        atomic_store_release(&record_count, index + 1);
    }
    if (result == 0)
        return;
    if (hook->level <= INIT_MEMORY)
        panic("init: %s failed: %s", hook->name, errno_text(result));
    log_error("init", "%s failed: %s", hook->name, errno_text(result));
}

void __init init_run_level(enum init_level level)
{
    static __init_bss const struct init_hook *hooks[HOOKS_MAX];
    size_t count = collect_level(level, hooks);

    if (level == INIT_CONSOLE)
        check_names();
    sort(hooks, count, sizeof(hooks[0]), compare_names, NULL);
    for (size_t i = 0; i < count; i++)
        run_hook(hooks[i]);
    boot_stage_end(init_level_name(level));
}

static bool has_stage(const char *name, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(stage_table[i].name, name) == 0)
            return true;
    }
    return false;
}

bool boot_stage_end(const char *name)
{
    irqflags_t flags = spin_lock_irqsave(&stages_lock);
    size_t count = atomic_load_relaxed(&stage_count);
    bool is_new = count < STAGES_MAX && !has_stage(name, count);

    if (is_new) {
        stage_table[count] = (struct boot_stage){ .name = name, .end_ns = clock_now_ns() };
        atomic_store_release(&stage_count, count + 1); /* pairs with boot_stages() */
    }
    spin_unlock_irqrestore(&stages_lock, flags);
    return is_new;
}

void boot_finished(const char *name)
{
    const struct boot_stage *stages;
    char line[LOG_LINE_MAX / 2];
    size_t length = 0;
    uint64_t start = 0;

    if (!boot_stage_end(name))
        return;
    size_t count = boot_stages(&stages);
    for (size_t i = 0; i < count; i++) {
        uint64_t us = (stages[i].end_ns - start) / NS_PER_US;
        length += scnprintf(line + length, sizeof(line) - length, " %s %llu.%03llu", stages[i].name,
                            (unsigned long long)(us / 1000), (unsigned long long)(us % 1000));
        start = stages[i].end_ns;
    }
    log_info("boot", "stages in ms:%s", line);
}

size_t boot_stages(const struct boot_stage **stages)
{
    *stages = stage_table;
    return atomic_load_acquire(&stage_count);
}

size_t init_records(const struct init_record **records)
{
    *records = record_table;
    return atomic_load_acquire(&record_count);
}
