/*
 * Metrics of disks; those of partitions are in them.
 */
#include "block/block_device.h"
#include "kernel/metrics.h"

/* What is to be said about each disk, and to whom. */
struct disk_visit {
    struct metric_writer *writer;
    uint64_t (*value)(const struct block_device *device);
};

static bool put_disk(struct block_device *device, void *arg)
{
    const struct disk_visit *visit = arg;

    if (!device->partition_number) {
        metric_label(visit->writer, "device", device->name);
        metric_value(visit->writer, visit->value(device));
    }
    return true;
}

static void collect(struct metric_writer *writer,
                    uint64_t (*value)(const struct block_device *device))
{
    struct disk_visit visit = { .writer = writer, .value = value };

    block_device_for_each(put_disk, &visit);
}

/* A metric that is an expression over struct block_device *device. */
#define DISK_METRIC(symbol, type, name, help, expression)                                          \
    static uint64_t symbol##_value(const struct block_device *device)                              \
    {                                                                                              \
        return (expression);                                                                       \
    }                                                                                              \
    static void symbol##_collect(struct metric_writer *writer)                                     \
    {                                                                                              \
        collect(writer, symbol##_value);                                                           \
    }                                                                                              \
    METRIC(symbol, type, name, help, symbol##_collect)

#define COUNT(field) READ_ONCE(device->statistics.field)

DISK_METRIC(disk_size, METRIC_GAUGE, "nos_disk_size_bytes", "Size of the disk.",
            device->sectors * 512);
DISK_METRIC(disk_reads, METRIC_COUNTER, "nos_disk_reads_total", "Read requests completed.",
            COUNT(reads));
DISK_METRIC(disk_writes, METRIC_COUNTER, "nos_disk_writes_total", "Write requests completed.",
            COUNT(writes));
DISK_METRIC(disk_flushes, METRIC_COUNTER, "nos_disk_flushes_total", "Flushes completed.",
            COUNT(flushes));
DISK_METRIC(disk_discards, METRIC_COUNTER, "nos_disk_discards_total", "Discards completed.",
            COUNT(discards));
DISK_METRIC(disk_read_bytes, METRIC_COUNTER, "nos_disk_read_bytes_total", "Bytes read.",
            COUNT(read_sectors) * 512);
DISK_METRIC(disk_written_bytes, METRIC_COUNTER, "nos_disk_written_bytes_total", "Bytes written.",
            COUNT(write_sectors) * 512);
DISK_METRIC(disk_errors, METRIC_COUNTER, "nos_disk_errors_total", "Requests that failed.",
            COUNT(errors));
DISK_METRIC(disk_timeouts, METRIC_COUNTER, "nos_disk_timeouts_total",
            "Requests that the disk did not answer in time.", COUNT(timeouts));
DISK_METRIC(disk_in_flight, METRIC_GAUGE, "nos_disk_requests_in_flight",
            "Requests that the disk has now.", COUNT(in_flight));
