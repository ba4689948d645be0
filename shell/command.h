/*
 * Shell commands. Any room registers the commands that show or drive its state; the help text is
 * the documentation. Leaf header: includes nothing of the shell.
 *
 *     static int uptime_command(struct shell *shell, int argc, char **argv)
 *     {
 *         shell_printf(shell, "up %llu s\n", clock_now_ns() / NS_PER_S);
 *         return 0;
 *     }
 *     SHELL_COMMAND(uptime, "uptime", "time since boot", uptime_command, CMD_PANIC_OK);
 *
 * A command returns 0 or a negative errno, which becomes the status that `run=` and tests see; it
 * has printed what was wrong itself. -EINVAL makes the shell print the usage line. Output may be
 * of any length; shell_printf() may sleep (flow control) and fails silently after Ctrl-C; loops
 * check task_is_cancelled() or the error of what they wait on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/registry.h"

struct shell;

enum command_flags {
    CMD_NORMAL = 0,
    CMD_PANIC_OK = 1u << 0, /* reads only, takes no sleeping lock: usable after a panic */
};

struct shell_command {
    const char *name;
    const char *usage; /* "ping HOST [-c COUNT]" */
    const char *help;  /* one line; further lines after '\n' are shown by `help NAME` */
    int (*run)(struct shell *shell, int argc, char **argv);
    unsigned int flags;
};

#define SHELL_COMMAND(name_, usage_, help_, run_, flags_)                                          \
    REGISTRY_ENTRY(                                                                                \
        shell_command, name_##_shell_command,                                                      \
        { .name = #name_, .usage = (usage_), .help = (help_), .run = (run_), .flags = (flags_) })

/** shell_printf() - to the session's output (or the file it is redirected to). Context: task. */
void shell_printf(struct shell *shell, const char *format, ...) __printf_format(2, 3);
/** shell_write() - @length bytes as they are. */
void shell_write(struct shell *shell, const char *data, size_t length);
/** shell_error() - one line "NAME: what was wrong", on the session even when output is redirected.
 */
void shell_error(struct shell *shell, const char *format, ...) __printf_format(2, 3);
/** shell_progress() - replace the one progress line; "" removes it. Nothing when not interactive.
 */
void shell_progress(struct shell *shell, const char *format, ...) __printf_format(2, 3);

/**
 * shell_read() - bytes typed by the user, or of the file after <, for commands such as nc
 * Return: count > 0; 0 at end of input (Ctrl-D); -ETIMEDOUT; -ECANCELED; an error of the file.
 */
int shell_read(struct shell *shell, char *buffer, size_t size, uint64_t deadline_ns);
/** shell_reads_file() - does shell_read() read a file, which ends by itself, and not a person? */
bool shell_reads_file(struct shell *shell);

/**
 * shell_take_interrupt() - for a command that Ctrl-C ends, and not in vain: one that has something
 * to say yet
 * Its output is shown again, and its task is no longer cancelled.
 * Return: had Ctrl-C been pressed?
 */
bool shell_take_interrupt(struct shell *shell);

/** shell_directory() - absolute path that relative paths start from ("/" unless `cd` came). */
const char *shell_directory(struct shell *shell);

/** shell_execute() - run one line, as typed, in @shell; its status. */
int shell_execute(struct shell *shell, const char *line);
