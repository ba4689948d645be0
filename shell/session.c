/*
 * The life of a session, and the loop of an interactive one.
 */
#include "shell/session.h"

#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "shell/shell_internal.h"

struct shell *shell_create(const char *name, const struct shell_ops *ops, void *context,
                           unsigned int flags)
{
    struct shell *shell = kzalloc(sizeof(*shell));

    if (!shell)
        return NULL;
    shell->name = name;
    shell->ops = ops;
    shell->context = context;
    shell->flags = flags;
    spin_lock_init(&shell->lock, "shell", LOCK_RANK_CONSOLE_INPUT);
    if (flags & SHELL_INTERACTIVE && shell_input_create(shell)) {
        kfree(shell);
        return NULL;
    }
    return shell;
}

void shell_destroy(struct shell *shell)
{
    shell_input_destroy(shell);
    kfree(shell->directory);
    kfree(shell);
}

void *shell_context(struct shell *shell)
{
    return shell->context;
}

int shell_status(struct shell *shell)
{
    return shell->status;
}

bool shell_is_interactive(struct shell *shell)
{
    return shell->flags & SHELL_INTERACTIVE;
}

const char *shell_directory(struct shell *shell)
{
    return shell->directory ? shell->directory : "/";
}

int shell_set_directory(struct shell *shell, const char *path)
{
    char *copy = kstrdup(path);

    if (!copy)
        return -ENOMEM;
    kfree(shell->directory);
    shell->directory = copy;
    return 0;
}

/* ---- interactive --------------------------------------------------------------------------- */

static void finish_line(struct shell *shell, enum edit_result result)
{
    struct shell_input *input = shell->input;

    switch (result) {
    case EDIT_LINE:
        history_add(&input->history, input->line);
        shell_run(shell, input->line);
        break;
    case EDIT_TOO_LONG:
        shell_error(shell, "the line is too long: %d characters at most", SHELL_LINE_MAX - 1);
        shell->status = -E2BIG;
        break;
    case EDIT_MORE:
    case EDIT_CANCELLED:
    case EDIT_END:
        break;
    }
}

/* Takes byte by byte, so that what follows the line is there for the command to read. */
static enum edit_result edit_line(struct shell *shell)
{
    struct line_editor *editor = &shell->input->editor;
    enum edit_result result = EDIT_MORE;

    editor_start(editor, SHELL_PROMPT);
    while (result == EDIT_MORE) {
        char byte;
        if (!shell_has_input(shell))
            editor_flush(editor);
        if (shell_take_input(shell, &byte, 1, DEADLINE_NEVER) > 0)
            result = editor_feed(editor, byte);
        else
            task_clear_cancel(task_current()); /* nobody has business cancelling the prompt */
    }
    return result;
}

void shell_interact(struct shell *shell)
{
    for (;;) {
        shell_start_line(shell);
        boot_finished("prompt");
        finish_line(shell, edit_line(shell));
    }
}
