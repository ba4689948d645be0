/*
 * Metrics of memory.
 */
#include "kernel/metrics.h"
#include "mm/owner.h"
#include "mm/page.h"

static void collect_total(struct metric_writer *writer)
{
    struct page_statistics pages;

    page_statistics(&pages);
    metric_value(writer, (uint64_t)pages.total_pages * PAGE_SIZE);
}
METRIC(memory_total, METRIC_GAUGE, "nos_memory_bytes", "RAM that the memory map calls usable.",
       collect_total);

static void collect_free(struct metric_writer *writer)
{
    struct page_statistics pages;

    page_statistics(&pages);
    metric_value(writer, (uint64_t)pages.free_pages * PAGE_SIZE);
}
METRIC(memory_free, METRIC_GAUGE, "nos_memory_free_bytes", "RAM that nobody has.", collect_free);

static void collect_owned(struct metric_writer *writer)
{
    struct page_statistics pages;
    const char *name;

    page_statistics(&pages);
    metric_label(writer, "owner", "kernel image, early data");
    metric_value(writer, (uint64_t)pages.kernel_pages * PAGE_SIZE);
    for (uint16_t number = 0; (name = owner_name(number)) != NULL; number++) {
        metric_label(writer, "owner", name);
        metric_value(writer, (uint64_t)owner_total(number) * PAGE_SIZE);
    }
}
METRIC(memory_owned, METRIC_GAUGE, "nos_memory_owned_bytes", "RAM in use, by who has it.",
       collect_owned);
