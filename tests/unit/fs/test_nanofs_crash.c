/*
 * Power cuts: a workload runs on a disk that records every write and flush. Then, for cuts at every
 * point of the record, the disk is put together as the cut may have left it (all that was flushed,
 * any subset of the writes since, the last of them torn), mounted and compared: the tree must be
 * exactly what it was after some operation between the last finished sync and the cut, and fsck
 * must be content.
 *
 * CRASH_POINTS=100000 in the environment makes it a long run.
 */
// links: tests/unit/fs/sim_disk.c tests/unit/fs/model.c tools/nanofs/platform.c
// links: fs/ramfs.c fs/nanofs/super.c
#include "fs/nanofs/nanofs.h"
#include "fs/vfs.h"
#include "lib/errno.h"
#include "tests/unit/fs/model.h"
#include "tests/unit/fs/sim_disk.h"
#include "tools/nanofs/platform.h"

#define BLOCKS 4096u /* 16 MiB */
#define STEPS  400u

/* What was true when: one entry per operation, entry 0 the state at the start. */
struct history {
    uint64_t states[STEPS + 1];
    size_t started_at[STEPS + 1]; /* events recorded when it began */
    size_t
        synced_at[STEPS + 1]; /* events recorded when a sync of it had finished; SIZE_MAX: none */
    unsigned int count;
};

static void print_problem(void *context, const char *text, size_t length)
{
    (void)context;
    fprintf(stderr, "fsck: %.*s\n", (int)length, text);
}

static const struct filesystem_report report = { .problem = print_problem };
static char last_log[512];

static void keep_log(int level, const char *line)
{
    (void)level;
    snprintf(last_log, sizeof(last_log), "%s", line);
}

/* Runs a workload; the record is in @disk, its contents before in @base. */
static void record_workload(struct sim_disk *base, struct sim_disk *disk, uint64_t seed,
                            struct history *history)
{
    struct model model;

    (void)base;
    sim_disk_current = disk;
    assert_int_equal(vfs_mount("nanofs", "sim", "/"), 0);
    disk->is_recording = true;
    model_init(&model, seed);
    model.size_max = 300 * 1024;
    history->states[0] = model_state(&model);
    history->started_at[0] = history->synced_at[0] = 0;
    for (unsigned int i = 1; i <= STEPS; i++) {
        enum model_step step;

        history->started_at[i] = disk->event_count;
        step = model_step(&model);
        history->states[i] = model_state(&model);
        history->synced_at[i] = step == MODEL_SYNCED ? disk->event_count : SIZE_MAX;
    }
    history->count = STEPS;
    assert_int_equal(model.refused, 0);
    model_free(&model);
    vfs_unmount_all();
    disk->is_recording = false;
    assert_int_equal(vnode_cache_count(), 0);
}

/* Applies a random subset of events [from, to), in order or not: the last write of a block wins, so
 * leaving some out covers reordering too. @style 0: all of them. */
static void apply_unflushed(struct sim_disk *disk, const struct sim_disk *recorded, size_t from,
                            size_t to, struct unit_random *random, unsigned int style)
{
    static const unsigned int keep_percent[4] = { 100, 50, 10, 90 };
    char block[4096];

    for (size_t i = from; i < to; i++) {
        const struct sim_event *event = &recorded->events[i];

        if (unit_random_below(random, 100) >= keep_percent[style])
            continue;
        sim_disk_get(disk, event->block, block);
        memcpy(block, event->data, sizeof(block));
        if (style && unit_random_below(random, 8) == 0) { /* torn, by sectors */
            sim_disk_get(disk, event->block, block);
            for (size_t sector = 0; sector < 8; sector++) {
                if (unit_random_below(random, 2))
                    memcpy(block + sector * 512, (char *)event->data + sector * 512, 512);
            }
        }
        sim_disk_put(disk, event->block, block);
    }
}

static bool is_state_allowed(const struct history *history, size_t cut, uint64_t state)
{
    unsigned int first = 0;

    for (unsigned int i = 1; i <= history->count; i++) {
        if (history->synced_at[i] <= cut)
            first = i;
    }
    for (unsigned int i = first; i <= history->count && history->started_at[i] <= cut; i++) {
        if (history->states[i] == state)
            return true;
    }
    return false;
}

static void fail_at(uint64_t seed, size_t cut, unsigned int style, const char *what)
{
    fail_msg("seed %llu, cut at event %zu, style %u: %s; last log: %s", (unsigned long long)seed,
             cut, style, what, last_log);
}

/* The file system must be usable after the cut, too. */
static void use_mounted(void)
{
    struct file *file;
    char data[5000] = { 1 };
    size_t done;

    assert_int_equal(vfs_mkdir("/after"), 0);
    assert_int_equal(vfs_open("/after/file", VFS_CREATE | VFS_WRITE, &file), 0);
    assert_int_equal(vfs_write(file, data, sizeof(data), 0, &done), 0);
    vfs_close(file);
    assert_int_equal(vfs_sync(), 0);
}

static void check_cut(const struct history *history, struct sim_disk *cut_disk, uint64_t seed,
                      size_t cut, unsigned int style)
{
    uint64_t state;
    int error;

    sim_disk_current = cut_disk;
    last_log[0] = '\0';
    if (vfs_mount("nanofs", "sim", "/"))
        fail_at(seed, cut, style, "cannot be mounted");
    state = mounted_state(&error);
    if (error)
        fail_at(seed, cut, style, errno_text(error));
    if (!is_state_allowed(history, cut, state))
        fail_at(seed, cut, style, "not a state it was in");
    if (cut % 16 == 0)
        use_mounted();
    vfs_unmount_all();
    assert_int_equal(vnode_cache_count(), 0);
    if (nanofs_check_device(&cut_disk->device, &report))
        fail_at(seed, cut, style, "fsck complains");
}

/* A second cut while the first is being recovered from. */
static void check_cut_in_recovery(const struct history *history, const struct sim_disk *cut_disk,
                                  uint64_t seed, size_t cut, struct unit_random *random)
{
    struct sim_disk *recovering = sim_disk_overlay(cut_disk);
    struct sim_disk *second;
    size_t point;

    sim_disk_current = recovering;
    recovering->is_recording = true;
    assert_int_equal(vfs_mount("nanofs", "sim", "/"), 0);
    vfs_unmount_all();
    point = recovering->event_count ? unit_random_below(random, recovering->event_count) : 0;
    second = sim_disk_overlay(cut_disk);
    for (size_t i = 0, from = 0; i <= point && i < recovering->event_count; i++) {
        if (recovering->events[i].data && i < point)
            continue;
        apply_unflushed(second, recovering, from, i, random, i < point ? 0 : 1);
        from = i + 1;
    }
    check_cut(history, second, seed, cut, 1);
    sim_disk_destroy(second);
    sim_disk_destroy(recovering);
}

/* Cuts along one record, about @points of them. */
static unsigned int cut_everywhere(uint64_t seed, unsigned int points)
{
    static const uint8_t uuid_seed[32] = { 7 };
    static struct history history;
    struct sim_disk *base = sim_disk_create(BLOCKS), *disk;
    struct unit_random random = { seed };
    size_t flushed = 0, stride;
    unsigned int done = 0;

    assert_int_equal(nanofs_format_device(&base->device, uuid_seed, NULL), 0);
    disk = sim_disk_overlay(base);
    record_workload(base, disk, seed, &history);
    stride = MAX(disk->event_count * 2 / points, (size_t)1);
    for (size_t cut = 0; cut <= disk->event_count; cut++) {
        bool is_flush = cut < disk->event_count && !disk->events[cut].data;

        if (cut % stride == seed % stride || is_flush) {
            for (unsigned int style = 0; style < 4 && done < points * 2;
                 style += 1 + (unsigned int)unit_random_below(&random, 3)) {
                struct sim_disk *cut_disk = sim_disk_overlay(base);

                apply_unflushed(cut_disk, disk, flushed, cut, &random, style);
                if (done % 8 == 3)
                    check_cut_in_recovery(&history, cut_disk, seed, cut, &random);
                else
                    check_cut(&history, cut_disk, seed, cut, style);
                sim_disk_destroy(cut_disk);
                done++;
            }
        }
        if (is_flush) {
            apply_unflushed(base, disk, flushed, cut, &random, 0);
            flushed = cut + 1;
        }
    }
    sim_disk_destroy(disk);
    sim_disk_destroy(base);
    return done;
}

static void test_power_cuts(void **state)
{
    const char *wanted = getenv("CRASH_POINTS");
    const char *first = getenv("CRASH_SEED");
    unsigned int points = wanted ? (unsigned int)strtoul(wanted, NULL, 10) : 3000;
    unsigned int done = 0;
    uint64_t seed = first ? strtoull(first, NULL, 10) : 1;

    (void)state;
    platform.wall_ns = 1700000000000000000ull;
    platform.log_hook = keep_log;
    for (; done < points; seed++)
        done += cut_everywhere(seed, wanted ? 2000 : 400);
    platform.log_hook = NULL;
    printf("%u power cuts\n", done);
}

UNIT_TESTS(UNIT_TEST(test_power_cuts))
