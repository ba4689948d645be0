/*
 * memusage: where the memory is.
 */
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/owner.h"
#include "mm/page.h"
#include "mm/pool_internal.h"
#include "mm/vm_internal.h"
#include "shell/command.h"

static size_t pages_to_kib(size_t pages)
{
    return pages * (PAGE_SIZE / 1024);
}

static void show_pages(struct shell *shell)
{
    struct page_statistics pages;
    size_t used;

    page_statistics(&pages);
    used = pages.total_pages - pages.free_pages;
    shell_printf(shell, "%-26s %10s %10s\n", "memory", "pages", "KiB");
    shell_printf(shell, "%-26s %10zu %10zu\n", "total", pages.total_pages,
                 pages_to_kib(pages.total_pages));
    shell_printf(shell, "%-26s %10zu %10zu\n", "used", used, pages_to_kib(used));
    shell_printf(shell, "%-26s %10zu %10zu\n", "free", pages.free_pages,
                 pages_to_kib(pages.free_pages));
}

static void show_owners(struct shell *shell)
{
    struct page_statistics pages;
    const char *name;

    page_statistics(&pages);
    shell_printf(shell, "\n%-26s %10s %10s\n", "used by", "pages", "KiB");
    shell_printf(shell, "%-26s %10zu %10zu\n", "kernel image, early data", pages.kernel_pages,
                 pages_to_kib(pages.kernel_pages));
    for (uint16_t number = 0; (name = owner_name(number)) != NULL; number++) {
        size_t total = owner_total(number);

        if (total)
            shell_printf(shell, "%-26s %10zu %10zu\n", name, total, pages_to_kib(total));
    }
}

static void show_pools(struct shell *shell)
{
    shell_printf(shell, "\n%-26s %6s %10s %10s %10s %8s\n", "pool", "bytes", "in use", "cached",
                 "KiB", "slab KiB");
    for (unsigned int number = 0; number < POOL_MAX; number++) {
        const struct pool *pool = &pools[number];
        struct pool_statistics objects;

        if (!READ_ONCE(pool->is_ready))
            continue;
        pool_statistics(pool, &objects);
        if (objects.pages)
            shell_printf(shell, "%-26s %6u %10zu %10zu %10zu %8zu\n", pool->name, pool->object_size,
                         objects.objects_used, objects.objects_cached, pages_to_kib(objects.pages),
                         pages_to_kib(pool->slab_pages));
    }
}

static void show_ranges(struct shell *shell)
{
    struct vm_statistics ranges;

    vm_statistics(&ranges);
    shell_printf(shell,
                 "\n%zu virtual ranges, %zu KiB of addresses; %zu freed and %zu pages wait "
                 "for a TLB flush\n",
                 ranges.ranges, ranges.bytes / 1024, ranges.pending_ranges, ranges.pending_pages);
}

static void show_kept_tasks(struct shell *shell)
{
    unsigned int kept = task_kept_count();

    shell_printf(shell, "%u ended tasks kept for new ones, %zu KiB of stacks\n", kept,
                 (size_t)kept * TASK_STACK_SIZE / 1024);
}

static int memusage_command(struct shell *shell, int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return -EINVAL;
    show_pages(shell);
    show_owners(shell);
    show_pools(shell);
    show_ranges(shell);
    show_kept_tasks(shell);
    return 0;
}
SHELL_COMMAND(memusage, "memusage",
              "memory: pages in use and free, who has them, pools, virtual ranges\n"
              "In pools, 'cached' objects are free but kept ready for a CPU.",
              memusage_command, CMD_PANIC_OK);
