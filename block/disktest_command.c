/*
 * The disktest command: known data to a disk and back, by many tasks at once.
 *
 * Each 8-byte word of a sector follows from the seed, the sector's number and the word's place, so
 * that whoever knows the seed (a program on the host, another boot) can check any part, and a
 * sector that lies in the wrong place is told from one that was never written.
 */
#include "block/block_device.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/vm.h"
#include "shell/command.h"

#define TASKS_DEFAULT   32
#define TASKS_MAX       1024
#define SECTORS_DEFAULT 64
#define SECTORS_MAX     8192 /* 4 MiB */
#define WORDS           (SECTOR_SIZE / sizeof(uint64_t))
#define WORD_FACTOR     0x9e3779b97f4a7c15ULL /* odd: no two words of a disk are alike */
#define NO_SECTOR       UINT64_MAX

enum test_mode {
    MODE_WRITE,
    MODE_VERIFY,
    MODE_READ,
    MODE_DISCARD
};
static const char *const mode_names[] = { "write", "verify", "read", "discard" };

struct disktest {
    struct block_device *device;
    enum test_mode mode;
    lba_t start;
    uint64_t count;
    uint64_t seed;
    uint64_t request_sectors;
    uint64_t tasks;
    uint64_t offset;    /* of the buffers from a page's start */
    unsigned int flags; /* of requests */

    uint64_t next_request; /* atomic */
    uint64_t wrong_sector; /* atomic; the first that was noticed */
    int error;             /* atomic; the first */
    struct wait_group workers;
};

static uint64_t pattern_word(uint64_t seed, lba_t sector, size_t word)
{
    return (seed + sector * WORDS + word) * WORD_FACTOR;
}

/* By bytes: the buffer may have any alignment. */
static void fill(const struct disktest *test, uint8_t *buffer, lba_t lba, uint64_t sectors)
{
    for (uint64_t i = 0; i < sectors * WORDS; i++) {
        uint64_t word = pattern_word(test->seed, lba + i / WORDS, i % WORDS);
        memcpy(buffer + i * sizeof(word), &word, sizeof(word));
    }
}

/* Return: the first sector that is not as fill() makes it, or NO_SECTOR. */
static lba_t compare(const struct disktest *test, const uint8_t *buffer, lba_t lba,
                     uint64_t sectors)
{
    for (uint64_t i = 0; i < sectors * WORDS; i++) {
        uint64_t word = pattern_word(test->seed, lba + i / WORDS, i % WORDS);
        if (memcmp(buffer + i * sizeof(word), &word, sizeof(word)) != 0)
            return lba + i / WORDS;
    }
    return NO_SECTOR;
}

static int one_request(struct disktest *test, uint8_t *buffer, lba_t lba, uint64_t sectors)
{
    if (test->mode == MODE_DISCARD)
        return block_discard(test->device, lba, sectors);
    if (test->mode == MODE_WRITE) {
        fill(test, buffer, lba, sectors);
        return block_transfer(test->device, BLOCK_WRITE, lba, sectors, buffer, test->flags);
    }
    int error = block_read(test->device, lba, sectors, buffer);
    if (error || test->mode == MODE_READ)
        return error;
    lba_t wrong = compare(test, buffer, lba, sectors);
    if (wrong == NO_SECTOR)
        return 0;
    uint64_t none = NO_SECTOR;
    __atomic_compare_exchange_n(&test->wrong_sector, &none, wrong, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
    return -EILSEQ;
}

/* Requests are handed out in order, to whichever task is free. */
static int work(struct disktest *test, uint8_t *buffer)
{
    int error = 0;

    while (!error && !READ_ONCE(test->error)) {
        uint64_t request = __atomic_fetch_add(&test->next_request, 1, __ATOMIC_RELAXED);
        uint64_t at = request * test->request_sectors;
        if (at >= test->count)
            break;
        error = one_request(test, buffer, test->start + at,
                            MIN(test->request_sectors, test->count - at));
    }
    return error;
}

static void note_error(struct disktest *test, int error)
{
    int none = 0;

    __atomic_compare_exchange_n(&test->error, &none, error, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
}

static int worker(void *arg)
{
    struct disktest *test = arg;
    size_t size = test->request_sectors * SECTOR_SIZE + PAGE_SIZE;
    uint8_t *memory = vm_alloc(size, MMU_READ | MMU_WRITE, "disktest");
    int error = memory ? work(test, memory + test->offset) : -ENOMEM;

    if (memory)
        vm_free(memory);
    if (error)
        note_error(test, error);
    wait_group_done(&test->workers, 0);
    return 0;
}

/* Ctrl-C ends it after the requests that are under way. */
static void wait_for_workers(struct disktest *test)
{
    if (wait_group_wait(&test->workers, DEADLINE_NEVER, WAIT_CANCELLABLE) == 0)
        return;
    note_error(test, -ECANCELED);
    while (wait_group_wait(&test->workers, DEADLINE_NEVER, WAIT_UNCANCELLABLE) != 0)
        continue;
}

static int run_workers(struct disktest *test)
{
    test->wrong_sector = NO_SECTOR;
    wait_group_init(&test->workers, "disktest");
    for (uint64_t i = 0; i < test->tasks; i++) {
        wait_group_add(&test->workers, 1);
        int error = task_create("disktest", worker, test, NULL);
        if (error) {
            note_error(test, error);
            wait_group_done(&test->workers, 0);
            break;
        }
    }
    wait_for_workers(test);
    return test->error;
}

static void report(struct shell *shell, const struct disktest *test, int error, uint64_t took_ns)
{
    uint64_t bytes = test->count * SECTOR_SIZE;

    if (error == -EILSEQ)
        shell_error(shell, "%s: sector %llu is not what was written", test->device->name,
                    (unsigned long long)test->wrong_sector);
    else if (error)
        shell_error(shell, "%s: %s", test->device->name, errno_text(error));
    else
        shell_printf(shell, "%s: %s of %llu sectors in %llu requests: %llu us, %llu MB/s\n",
                     test->device->name, mode_names[test->mode], (unsigned long long)test->count,
                     (unsigned long long)DIV_ROUND_UP(test->count, test->request_sectors),
                     (unsigned long long)(took_ns / NS_PER_US),
                     (unsigned long long)(bytes * 1000 / MAX(took_ns, (uint64_t)1)));
}

static int carry_out(struct shell *shell, struct disktest *test)
{
    uint64_t before = clock_now_ns();
    int error = run_workers(test);

    if (!error && test->mode == MODE_WRITE)
        error = block_flush(test->device);
    report(shell, test, error, clock_now_ns() - before);
    return error;
}

static int claim_and_carry_out(struct shell *shell, struct disktest *test)
{
    const char *holder;
    bool changes = test->mode == MODE_WRITE || test->mode == MODE_DISCARD;

    if (!changes)
        return carry_out(shell, test);
    int error = block_claim(test->device, "disktest", &holder);
    if (error) {
        shell_error(shell, "%s is in use by %s", test->device->name, holder);
        return error;
    }
    error = carry_out(shell, test);
    block_release(test->device);
    return error;
}

/* ---- arguments ----------------------------------------------------------------------------- */

static bool parse_mode(const char *word, enum test_mode *mode)
{
    for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++)
        if (strcmp(word, mode_names[i]) == 0) {
            *mode = (enum test_mode)i;
            return true;
        }
    return false;
}

static int parse_option(struct disktest *test, char letter, const char *value)
{
    static const uint64_t no_limit = UINT64_MAX;
    struct {
        char letter;
        uint64_t *field;
        uint64_t least, most;
    } options[] = {
        { 's', &test->seed, 0, no_limit },
        { 'b', &test->request_sectors, 1, SECTORS_MAX },
        { 'j', &test->tasks, 1, TASKS_MAX },
        { 'o', &test->offset, 0, PAGE_SIZE - 1 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        if (options[i].letter != letter)
            continue;
        if (!value || parse_u64(value, options[i].field))
            return -EINVAL;
        return *options[i].field >= options[i].least && *options[i].field <= options[i].most
                   ? 0
                   : -EINVAL;
    }
    return -EINVAL;
}

static int parse_options(struct disktest *test, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] != '-' || strlen(argv[i]) != 2)
            return -EINVAL;
        if (argv[i][1] == 'f') {
            test->flags = BLOCK_FUA;
            continue;
        }
        int error = parse_option(test, argv[i][1], i + 1 < argc ? argv[i + 1] : NULL);
        if (error)
            return error;
        i++;
    }
    return 0;
}

static bool is_in_range(const struct disktest *test)
{
    return test->start < test->device->sectors && test->count > 0 &&
           test->count <= test->device->sectors - test->start;
}

static int disktest_command(struct shell *shell, int argc, char **argv)
{
    struct disktest test = { .request_sectors = SECTORS_DEFAULT, .tasks = TASKS_DEFAULT };

    if (argc < 5 || !parse_mode(argv[2], &test.mode) || parse_u64(argv[3], &test.start) ||
        parse_u64(argv[4], &test.count) || parse_options(&test, argc - 5, argv + 5))
        return -EINVAL;
    test.device = block_device_find(argv[1]);
    if (!test.device) {
        shell_error(shell, "no disk named %s; `disks` lists them", argv[1]);
        return -ENODEV;
    }
    int error = -ERANGE;
    if (is_in_range(&test))
        error = claim_and_carry_out(shell, &test);
    else
        shell_error(shell, "%s has sectors 0 to %llu only", test.device->name,
                    (unsigned long long)(test.device->sectors - 1));
    block_device_put(test.device);
    return error;
}
SHELL_COMMAND(disktest,
              "disktest DISK write|verify|read|discard START COUNT [-s SEED] [-b SECTORS] "
              "[-j TASKS] [-o OFFSET] [-f]",
              "known data to a disk and back: what it holds there is lost\n"
              "write fills COUNT sectors from START on, verify compares them, read only reads.\n"
              "-s: other data for another number. -b: sectors per request (64). -j: tasks, each\n"
              "with a request under way (32). -o: buffers start so many bytes into a page.\n"
              "-f: each write is on stable storage when it ends (FUA).\n"
              "Word W of sector S is (SEED + 64 * S + W) * 0x9e3779b97f4a7c15, little-endian.",
              disktest_command, CMD_NORMAL);
