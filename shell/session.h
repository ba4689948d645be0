/*
 * Shell sessions: one engine for the serial line, the screen and the network.
 *
 * A session has somewhere to write (struct shell_ops), a status, a directory, and, when it is
 * interactive, a line of input. There are two ways to use one:
 *
 *   Interactive (serial, VGA): shell_create(SHELL_INTERACTIVE), then shell_interact() in a task of
 *   its own, which edits lines and runs them, for ever. Another task, or a driver's interrupt
 *   handler, hands over what is typed by shell_input(), also while a command runs: Ctrl-C among it
 *   cancels the command at once, the rest waits for its reader.
 *
 *   One line at a time (UDP): shell_create(0), then shell_run() per line, in any task; it returns
 *   when the command has ended, and everything it printed went through ops->write in the same task.
 *   Another task may call shell_interrupt() meanwhile. Commands that read get end of input.
 *
 *       static const struct shell_ops reply_ops = { .write = reply_write };
 *       struct shell *shell = shell_create("udp", &reply_ops, request, 0);
 *       int status = shell_run(shell, line);
 *       shell_destroy(shell);
 *
 * shell_input() and shell_interrupt() may be called from any context, for one session by several at
 * once. Of the others one at a time per session; different sessions do not know of each other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "shell/command.h"

struct shell_ops {
    /**
     * Sends @length bytes to the user. Lines end in '\n' alone; the console adds what it needs.
     * Context: the task that runs the command; may sleep. Must not fail: a console that cannot
     * deliver drops. Not called with a lock held.
     */
    void (*write)(struct shell *shell, const char *text, size_t length);
};

enum shell_flags {
    SHELL_INTERACTIVE = 1u << 0, /* a person (or a script like one) types at it */
};

#define SHELL_LINE_MAX                                                                             \
    16384 /* longest line, with its NUL; a longer one is refused with a message */

/** shell_create() - NULL when out of memory. @name (constant), @ops and @context outlive it. Task.
 */
struct shell *shell_create(const char *name, const struct shell_ops *ops, void *context,
                           unsigned int flags);

/** shell_destroy() - nobody uses it any more. Context: task. */
void shell_destroy(struct shell *shell);

/** shell_context() - what shell_create() was given. */
void *shell_context(struct shell *shell);

/**
 * shell_run() - run one line (commands separated by ';') to its end
 * Return: the status of the last command, 0 or a negative errno; -ECANCELED after an interrupt.
 * Context: task, may sleep. The task's cancel flag is clear afterwards if shell_interrupt() set it.
 */
int shell_run(struct shell *shell, const char *line);

/** shell_interact() - prompt, edit, run, for ever. Context: a task of its own. */
void __noreturn shell_interact(struct shell *shell);

/**
 * shell_input() - bytes the user typed; for interactive sessions
 * Context: any. What does not fit (64 KiB nobody has read yet) is dropped and counted.
 */
void shell_input(struct shell *shell, const char *bytes, size_t length);

/** shell_interrupt() - cancel the command that runs, if one does. Context: any. */
void shell_interrupt(struct shell *shell);

/** shell_status() - of the last command. */
int shell_status(struct shell *shell);

/** shell_is_interactive() - for commands that would like to show progress or ask. */
bool shell_is_interactive(struct shell *shell);

/** shell_clear_screen() - by an ANSI sequence; the cursor is in the corner then. */
void shell_clear_screen(struct shell *shell);

/** shell_find_command() - by its exact name, NULL when there is none. */
const struct shell_command *shell_find_command(const char *name);

/** shell_set_directory() - where relative paths start; absolute, checked by the caller. 0 or
 * -errno. */
int __must_check shell_set_directory(struct shell *shell, const char *path);
