/*
 * dmesg, boot, init: what the kernel has said, and how its start went.
 */
#include "kernel/log.h"
#include "kernel/init.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "shell/command.h"

static int dmesg_command(struct shell *shell, int argc, char **argv)
{
    char *line = kmalloc(LOG_LINE_MAX);
    uint64_t cursor = 0;
    size_t length;

    if (argc > 2) {
        kfree(line);
        return -EINVAL;
    }
    if (!line) {
        shell_error(shell, "%s", errno_text(-ENOMEM));
        return -ENOMEM;
    }
    while (!task_is_cancelled() && (length = log_read(&cursor, line, LOG_LINE_MAX)) > 0) {
        if (argc == 2 && !strstr(line, argv[1]))
            continue;
        shell_write(shell, line, length);
        shell_write(shell, "\n", 1);
    }
    kfree(line);
    return 0;
}
SHELL_COMMAND(dmesg, "dmesg [FILTER]",
              "print the kernel log\n"
              "With FILTER only lines that contain it. [seconds CPU] stand before each.",
              dmesg_command, CMD_NORMAL);

static void print_ms(struct shell *shell, uint64_t ns)
{
    shell_printf(shell, "%7llu.%03llu ms", (unsigned long long)(ns / 1000000),
                 (unsigned long long)(ns / 1000 % 1000));
}

static int boot_command(struct shell *shell, int argc, char **argv)
{
    const struct boot_stage *stages;
    size_t count = boot_stages(&stages);
    uint64_t start = 0;

    (void)argv;
    if (argc != 1)
        return -EINVAL;
    shell_printf(shell, "%-10s %14s %14s\n", "stage", "took", "done at");
    for (size_t i = 0; i < count; i++) {
        shell_printf(shell, "%-10s ", stages[i].name);
        print_ms(shell, stages[i].end_ns - start);
        shell_printf(shell, " ");
        print_ms(shell, stages[i].end_ns);
        shell_printf(shell, "\n");
        start = stages[i].end_ns;
    }
    return 0;
}
SHELL_COMMAND(boot, "boot",
              "the stages of this boot and their times\n"
              "Times count from the kernel's first instruction; `init` shows the steps of each.",
              boot_command, CMD_PANIC_OK);

static int init_command(struct shell *shell, int argc, char **argv)
{
    const struct init_record *records;
    size_t count = init_records(&records);

    (void)argv;
    if (argc != 1)
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        shell_printf(shell, "%-8s %-28s ", init_level_name(records[i].hook->level),
                     records[i].hook->name);
        print_ms(shell, records[i].duration_ns);
        shell_printf(shell, "  %s\n", records[i].result ? errno_text(records[i].result) : "ok");
    }
    return 0;
}
SHELL_COMMAND(init, "init", "the steps of initialisation, in order, with the time each took",
              init_command, CMD_PANIC_OK);
