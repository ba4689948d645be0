/*
 * Commands of the shell about itself: help, echo, cls, status, version.
 */
#include "kernel/version.h"
#include "lib/errno.h"
#include "lib/sort.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "shell/session.h"

/* ---- help ---------------------------------------------------------------------------------- */

#define USAGE_WIDTH 26

static int compare_commands(const void *a, const void *b, void *context)
{
    const struct shell_command *const *first = a;
    const struct shell_command *const *second = b;

    (void)context;
    return strcmp((*first)->name, (*second)->name);
}

/* Usage and what it is for, in two columns; a long usage has a line to itself. */
static void list_command(struct shell *shell, const struct shell_command *command)
{
    int help_length = (int)strcspn(command->help, "\n");

    if (strlen(command->usage) > USAGE_WIDTH)
        shell_printf(shell, "%s\n%-*s", command->usage, USAGE_WIDTH, "");
    else
        shell_printf(shell, "%-*s", USAGE_WIDTH, command->usage);
    shell_printf(shell, " %.*s\n", help_length, command->help);
}

static int list_commands(struct shell *shell)
{
    size_t count = registry_count(shell_command);
    const struct shell_command **sorted = kcalloc(count, sizeof(sorted[0]));

    if (!sorted) {
        shell_error(shell, "%s", errno_text(-ENOMEM));
        return -ENOMEM;
    }
    memcpy(sorted, registry_begin(shell_command), count * sizeof(sorted[0]));
    sort(sorted, count, sizeof(sorted[0]), compare_commands, NULL);
    for (size_t i = 0; i < count; i++)
        list_command(shell, sorted[i]);
    kfree(sorted);
    return 0;
}

static int help_command(struct shell *shell, int argc, char **argv)
{
    if (argc == 1)
        return list_commands(shell);
    if (argc != 2)
        return -EINVAL;
    const struct shell_command *command = shell_find_command(argv[1]);
    if (!command) {
        shell_error(shell, "there is no command %s; help lists them", argv[1]);
        return -ENOENT;
    }
    shell_printf(shell, "usage: %s\n%s\n", command->usage, command->help);
    return 0;
}
SHELL_COMMAND(help, "help [COMMAND]",
              "list the commands, or explain one\n"
              "Line: commands are separated by ;  output goes to a file by > FILE or >> FILE\n"
              "Words: 'as it is'  \"with $? \\\" \\\\\"  \\x is x; $? is the last status\n"
              "Keys: arrows Home End ^A ^E ^B ^F move, ^K ^U ^W erase, Up Down ^R history,\n"
              "Tab completes, ^L clears the screen, ^C ends a command, ^D ends its input",
              help_command, CMD_PANIC_OK);

/* ---- the rest ------------------------------------------------------------------------------ */

static int echo_command(struct shell *shell, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (i > 1)
            shell_write(shell, " ", 1);
        shell_write(shell, argv[i], strlen(argv[i]));
    }
    shell_write(shell, "\n", 1);
    return 0;
}
SHELL_COMMAND(echo, "echo [WORD...]", "print the words", echo_command, CMD_PANIC_OK);

static int cls_command(struct shell *shell, int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return -EINVAL;
    shell_clear_screen(shell);
    return 0;
}
SHELL_COMMAND(cls, "cls", "clear the screen", cls_command, CMD_PANIC_OK);

static int status_command(struct shell *shell, int argc, char **argv)
{
    int status = shell_status(shell);

    (void)argv;
    if (argc != 1)
        return -EINVAL;
    shell_printf(shell, "%d %s: %s\n", status < 0 ? -status : status, errno_name(status),
                 errno_text(status));
    return status;
}
SHELL_COMMAND(status, "status",
              "how the last command ended\n"
              "Prints number, name and meaning; keeps the status. $? stands for the number.",
              status_command, CMD_PANIC_OK);

static int version_command(struct shell *shell, int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return -EINVAL;
    shell_printf(shell, "%s\n%s\n", kernel_version, kernel_compiler);
    return 0;
}
SHELL_COMMAND(version, "version", "which kernel this is, and what compiled it", version_command,
              CMD_PANIC_OK);
