/*
 * What commands print: to the user, or to the file the command is redirected to.
 */
#include <stdarg.h>

#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "shell/files.h"
#include "shell/shell_internal.h"

#define BATCH_SIZE 256 /* formatted output goes out in pieces of this */

void shell_send(struct shell *shell, const char *text, size_t length)
{
    if (length == 0)
        return;
    shell->ops->write(shell, text, length);
    shell->is_mid_line = text[length - 1] != '\n';
}

/* Overwrites the progress line by blanks: a plain terminal understands that too. */
static void clear_progress(struct shell *shell)
{
    static const char blanks[] = "                                        ";
    size_t left = shell->progress_length;

    if (left == 0)
        return;
    shell_send(shell, "\r", 1);
    while (left > 0) {
        size_t piece = MIN(left, sizeof(blanks) - 1);
        shell_send(shell, blanks, piece);
        left -= piece;
    }
    shell_send(shell, "\r", 1);
    shell->progress_length = 0;
    shell->is_mid_line = false;
}

void shell_clear_screen(struct shell *shell)
{
    static const char sequence[] = "\033[H\033[2J";

    shell_write(shell, sequence, sizeof(sequence) - 1);
    shell->is_mid_line = false;
}

void shell_start_line(struct shell *shell)
{
    clear_progress(shell);
    if (shell->is_mid_line)
        shell_send(shell, "\n", 1);
}

static void write_redirected(struct shell *shell, const char *data, size_t length)
{
    if (shell->redirect_error)
        return;
    int error = shell->redirect_files->write(shell->redirect_file, data, length);
    if (error) {
        shell->redirect_error = error;
        shell_error(shell, "cannot write the output: %s", errno_text(error));
    }
}

void shell_write(struct shell *shell, const char *data, size_t length)
{
    if (atomic_load_relaxed(&shell->is_interrupted))
        return;
    if (shell->redirect_files) {
        write_redirected(shell, data, length);
        return;
    }
    clear_progress(shell);
    shell_send(shell, data, length);
}

struct batch {
    struct shell *shell;
    size_t length;
    char text[BATCH_SIZE];
};

static void flush_batch(struct batch *batch)
{
    if (batch->length)
        shell_write(batch->shell, batch->text, batch->length);
    batch->length = 0;
}

static void add_to_batch(void *context, const char *text, size_t length)
{
    struct batch *batch = context;

    if (length > sizeof(batch->text) - batch->length)
        flush_batch(batch);
    if (length > sizeof(batch->text)) {
        shell_write(batch->shell, text, length);
        return;
    }
    memcpy(batch->text + batch->length, text, length);
    batch->length += length;
}

void shell_printf(struct shell *shell, const char *format, ...)
{
    struct batch batch = { .shell = shell };
    va_list args;

    va_start(args, format);
    format_to(add_to_batch, &batch, format, args);
    va_end(args);
    flush_batch(&batch);
}

static void send_from_format(void *context, const char *text, size_t length)
{
    shell_send(context, text, length);
}

void shell_error(struct shell *shell, const char *format, ...)
{
    va_list args;

    if (atomic_load_relaxed(&shell->is_interrupted))
        return;
    shell_start_line(shell);
    if (shell->command) {
        shell_send(shell, shell->command, strlen(shell->command));
        shell_send(shell, ": ", 2);
    }
    va_start(args, format);
    format_to(send_from_format, shell, format, args);
    va_end(args);
    shell_send(shell, "\n", 1);
}

void shell_progress(struct shell *shell, const char *format, ...)
{
    char text[128];
    va_list args;

    if (!shell_is_interactive(shell) || atomic_load_relaxed(&shell->is_interrupted))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    size_t length = strlen(text);
    if (length < shell->progress_length || length == 0)
        clear_progress(shell);
    if (length == 0)
        return;
    shell_send(shell, "\r", 1);
    shell_send(shell, text, length);
    shell->progress_length = length;
}
