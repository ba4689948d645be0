/*
 * The commands `random` and `entropy`.
 */
#include "kernel/random.h"
#include "kernel/random/entropy.h"
#include "kernel/random/random_internal.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/hexdump.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "shell/command.h"

#define RANDOM_LENGTH_DEFAULT 16
#define RANDOM_LENGTH_MAX     (1u << 20)

static void print_random(struct shell *shell, size_t length)
{
    uint8_t bytes[64];
    char text[2 * sizeof(bytes) + 1];

    while (length && !task_is_cancelled()) {
        size_t piece = MIN(length, sizeof(bytes));

        random_bytes(bytes, piece);
        hex_format(text, sizeof(text), bytes, piece);
        shell_printf(shell, "%s", text);
        length -= piece;
    }
    shell_printf(shell, "\n");
    memzero_explicit(bytes, sizeof(bytes));
    memzero_explicit(text, sizeof(text));
}

static int random_command(struct shell *shell, int argc, char **argv)
{
    uint64_t length = RANDOM_LENGTH_DEFAULT;

    if (argc > 2)
        return -EINVAL;
    if (argc == 2) {
        int error = parse_u64_max(argv[1], RANDOM_LENGTH_MAX, &length);

        if (error || length == 0) {
            shell_error(shell, "%s: a length is a number of bytes, 1 to %u", argv[1],
                        RANDOM_LENGTH_MAX);
            return error == -ERANGE ? -ERANGE : -EINVAL;
        }
    }
    print_random(shell, length);
    return task_is_cancelled() ? -ECANCELED : 0;
}
SHELL_COMMAND(random, "random [LENGTH]",
              "random bytes as hexadecimal digits\nLENGTH is in bytes; 16 if not given.",
              random_command, CMD_NORMAL);

/* The table is made with a lock held, and shown without: showing may sleep. */
struct entropy_table {
    char text[768]; /* some 17 sources */
    size_t length;
};

static void add_line(const struct entropy_source *source, void *context)
{
    struct entropy_table *table = context;

    table->length += scnprintf(table->text + table->length, sizeof(table->text) - table->length,
                               "%-16s %4u %10llu %10llu\n", source->name, source->bits_per_byte,
                               (unsigned long long)atomic_load_relaxed(&source->bytes),
                               (unsigned long long)atomic_load_relaxed(&source->failures));
}

static int entropy_command(struct shell *shell, int argc, char **argv)
{
    struct entropy_table table;

    (void)argv;
    if (argc > 1)
        return -EINVAL;
    table.length = 0;
    entropy_for_each(add_line, &table);
    shell_printf(shell, "%-16s %4s %10s %10s\n", "source", "bits", "bytes", "failures");
    shell_write(shell, table.text, table.length);
    shell_printf(shell, "%llu bits of entropy, mixed in %llu times\n",
                 (unsigned long long)random_entropy_bits(),
                 (unsigned long long)random_reseed_count());
    return 0;
}
SHELL_COMMAND(entropy, "entropy",
              "sources of entropy: bits counted per byte, bytes given, times they had none",
              entropy_command, CMD_NORMAL);
