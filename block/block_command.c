/*
 * Commands over block devices: disks, partitions, diskread, diskwrite.
 */
#include "block/block_device.h"
#include "block/partition.h"
#include "lib/errno.h"
#include "lib/hexdump.h"
#include "lib/parse.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "shell/command.h"

static void print_size(struct shell *shell, uint64_t sectors)
{
    uint64_t kib = sectors / 2;

    if (kib >= 10 * 1024 * 1024)
        shell_printf(shell, "%8llu GiB", (unsigned long long)(kib >> 20));
    else if (kib >= 10 * 1024)
        shell_printf(shell, "%8llu MiB", (unsigned long long)(kib >> 10));
    else
        shell_printf(shell, "%8llu KiB", (unsigned long long)kib);
}

struct listing {
    struct shell *shell;
    unsigned int shown;
    bool is_detailed;
};

static void print_statistics(struct shell *shell, const struct block_device *device)
{
    const struct block_statistics *s = &device->statistics;

    shell_printf(shell,
                 "    reads %llu (%llu sectors), writes %llu (%llu), flushes %llu, discards %llu\n",
                 (unsigned long long)s->reads, (unsigned long long)s->read_sectors,
                 (unsigned long long)s->writes, (unsigned long long)s->write_sectors,
                 (unsigned long long)s->flushes, (unsigned long long)s->discards);
    shell_printf(shell,
                 "    in flight %u, at most %u of %u; errors %llu, timeouts %llu, ring full %llu, "
                 "split %llu, bounced %llu\n",
                 s->in_flight, s->in_flight_max, device->limits.queue_depth,
                 (unsigned long long)s->errors, (unsigned long long)s->timeouts,
                 (unsigned long long)s->retries, (unsigned long long)s->splits,
                 (unsigned long long)s->bounces);
}

static bool print_disk(struct block_device *device, void *arg)
{
    struct listing *listing = arg;
    struct shell *shell = listing->shell;

    listing->shown++;
    shell_printf(shell, "%-12s", device->name);
    print_size(shell, device->sectors);
    shell_printf(
        shell, "  %12llu sectors  block %-5u %s%s%s%s%s\n", (unsigned long long)device->sectors,
        device->limits.logical_block_size, device->partition_number ? "partition" : device->model,
        device->flags & BLOCK_DEVICE_READ_ONLY ? ", read-only" : "",
        device->flags & BLOCK_DEVICE_WRITE_CACHE ? ", write cache" : "",
        device->claimed_by ? ", in use by " : "", device->claimed_by ? device->claimed_by : "");
    if (listing->is_detailed && !device->partition_number)
        print_statistics(shell, device);
    return true;
}

static int disks_command(struct shell *shell, int argc, char **argv)
{
    struct listing listing = { .shell = shell };

    if (argc > 2 || (argc == 2 && strcmp(argv[1], "-v") != 0))
        return -EINVAL;
    listing.is_detailed = argc == 2;
    block_device_for_each(print_disk, &listing);
    if (!listing.shown)
        shell_printf(shell, "no disks\n");
    return 0;
}
SHELL_COMMAND(disks, "disks [-v]", "list block devices\n-v: with counters of requests and errors",
              disks_command, CMD_NORMAL);

static bool print_partition(struct block_device *device, void *arg)
{
    struct listing *listing = arg;
    struct shell *shell = listing->shell;
    char type[40];

    if (!device->partition_number)
        return true;
    const struct partition *entry = partition_of(device);
    listing->shown++;
    shell_printf(shell, "%-12s %12llu %12llu", device->name, (unsigned long long)entry->start,
                 (unsigned long long)(entry->start + entry->sectors - 1));
    print_size(shell, entry->sectors);
    shell_printf(shell, "  %s%s%s\n", partition_type_name(entry, type, sizeof(type)),
                 entry->label[0] ? "  " : "", entry->label);
    return true;
}

static int partitions_command(struct shell *shell, int argc, char **argv __maybe_unused)
{
    struct listing listing = { .shell = shell };

    if (argc > 1)
        return -EINVAL;
    shell_printf(shell, "%-12s %12s %12s %12s  type  label\n", "partition", "first", "last",
                 "size");
    block_device_for_each(print_partition, &listing);
    if (!listing.shown)
        shell_printf(shell, "none\n");
    return 0;
}
SHELL_COMMAND(partitions, "partitions", "list the partitions of all disks", partitions_command,
              CMD_NORMAL);

/* ---- diskread, diskwrite ------------------------------------------------------------------- */

/* The device and sector that both commands name; prints what is wrong. */
static struct block_device *find_sector(struct shell *shell, char **argv, lba_t *lba, int *error)
{
    struct block_device *device = block_device_find(argv[1]);

    *error = -ENODEV;
    if (!device) {
        shell_error(shell, "no disk named %s; `disks` lists them", argv[1]);
        return NULL;
    }
    *error = parse_u64(argv[2], lba);
    if (*error)
        shell_error(shell, "%s is not a sector number", argv[2]);
    else if (*lba >= device->sectors) {
        shell_error(shell, "%s has sectors 0 to %llu only", device->name,
                    (unsigned long long)(device->sectors - 1));
        *error = -ERANGE;
    }
    if (!*error)
        return device;
    block_device_put(device);
    return NULL;
}

static void write_to_shell(void *context, const char *text, size_t length)
{
    shell_write(context, text, length);
}

static int diskread_command(struct shell *shell, int argc, char **argv)
{
    lba_t lba;
    int error;

    if (argc != 3)
        return -EINVAL;
    struct block_device *device = find_sector(shell, argv, &lba, &error);
    if (!device)
        return error;
    uint8_t *sector = kmalloc(SECTOR_SIZE);
    error = sector ? block_read(device, lba, 1, sector) : -ENOMEM;
    if (error)
        shell_error(shell, "sector %llu of %s: %s", (unsigned long long)lba, device->name,
                    errno_text(error));
    else
        hexdump(write_to_shell, shell, lba * SECTOR_SIZE, sector, SECTOR_SIZE);
    kfree(sector);
    block_device_put(device);
    return error;
}
SHELL_COMMAND(diskread, "diskread DISK SECTOR", "read one sector of 512 bytes and show it in hex",
              diskread_command, CMD_NORMAL);

/* Read, change the front, write, flush: the rest of the sector stays. */
static int overwrite(struct block_device *device, lba_t lba, uint8_t *sector, const uint8_t *data,
                     size_t length)
{
    int error = block_read(device, lba, 1, sector);

    if (error)
        return error;
    memcpy(sector, data, length);
    error = block_write(device, lba, 1, sector);
    return error ? error : block_flush(device);
}

static int write_sector(struct shell *shell, struct block_device *device, lba_t lba,
                        const char *hex)
{
    uint8_t *sector = kmalloc(2 * SECTOR_SIZE);
    const char *holder;
    size_t length = 0;

    if (!sector)
        return -ENOMEM;
    uint8_t *data = sector + SECTOR_SIZE;
    int error = parse_hex(hex, data, SECTOR_SIZE, &length);
    if (error || length == 0) {
        shell_error(shell, "the data is not hex: an even number of digits, at most 1024");
        error = error ? error : -EINVAL;
        goto free;
    }
    error = block_claim(device, "diskwrite", &holder);
    if (error) {
        shell_error(shell, "%s is in use by %s", device->name, holder);
        goto free;
    }
    error = overwrite(device, lba, sector, data, length);
    block_release(device);
    if (error)
        shell_error(shell, "sector %llu of %s: %s", (unsigned long long)lba, device->name,
                    errno_text(error));
    else
        shell_printf(shell, "%zu bytes written\n", length);
free:
    kfree(sector);
    return error == -EINVAL ? -EILSEQ : error;
}

static int diskwrite_command(struct shell *shell, int argc, char **argv)
{
    lba_t lba;
    int error;

    if (argc != 4)
        return -EINVAL;
    struct block_device *device = find_sector(shell, argv, &lba, &error);
    if (!device)
        return error;
    error = write_sector(shell, device, lba, argv[3]);
    block_device_put(device);
    return error;
}
SHELL_COMMAND(diskwrite, "diskwrite DISK SECTOR HEX",
              "write hex data over the start of one sector, and flush\n"
              "The rest of the sector stays as it was. A disk in use is refused.",
              diskwrite_command, CMD_NORMAL);
