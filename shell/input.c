/*
 * What is typed: bytes from an interrupt handler or a reader, for the editor or for a command.
 */
#include "shell/shell_internal.h"

#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/vm.h"
#include "shell/files.h"

#define CTRL_C 3
#define CHUNK  64

/* ---- the typing side ----------------------------------------------------------------------- */

static void interrupt_locked(struct shell *shell) __must_hold(shell->lock)
{
    if (!shell->runner)
        return;
    atomic_store(&shell->is_interrupted, true);
    task_cancel(shell->runner);
}

void shell_interrupt(struct shell *shell)
{
    irqflags_t flags = spin_lock_irqsave(&shell->lock);

    interrupt_locked(shell);
    spin_unlock_irqrestore(&shell->lock, flags);
}

bool shell_take_interrupt(struct shell *shell)
{
    irqflags_t flags = spin_lock_irqsave(&shell->lock);
    bool was_interrupted = atomic_exchange(&shell->is_interrupted, false);

    if (was_interrupted)
        task_clear_cancel(task_current());
    spin_unlock_irqrestore(&shell->lock, flags);
    return was_interrupted;
}

static void put_locked(struct shell_input *input, const char *bytes, size_t length)
{
    input->dropped += length - ring_write(&input->ring, bytes, (uint32_t)length);
}

/* Ctrl-C at a running command takes effect at once, and takes along what was typed before it. */
static void type_locked(struct shell *shell, const char *bytes, size_t length)
    __must_hold(shell->lock)
{
    const char *stop;

    while (shell->runner && (stop = memchr(bytes, CTRL_C, length)) != NULL) {
        size_t skipped = (size_t)(stop - bytes) + 1;
        ring_clear(&shell->input->ring);
        interrupt_locked(shell);
        bytes += skipped;
        length -= skipped;
    }
    put_locked(shell->input, bytes, length);
}

void shell_input(struct shell *shell, const char *bytes, size_t length)
{
    irqflags_t flags = spin_lock_irqsave(&shell->lock);

    type_locked(shell, bytes, length);
    spin_unlock_irqrestore(&shell->lock, flags);
    wake_one(&shell->input->typed);
}

/* Drops everything up to the last Ctrl-C in the ring. Return: was there one? */
static bool take_interrupt_locked(struct shell_input *input)
{
    char chunk[CHUNK];
    uint32_t offset = 0;
    uint32_t behind = 0;
    uint32_t count;

    while ((count = ring_peek(&input->ring, offset, chunk, sizeof(chunk))) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            if (chunk[i] == CTRL_C)
                behind = offset + i + 1;
        }
        offset += count;
    }
    ring_skip(&input->ring, behind);
    return behind > 0;
}

void shell_start_running(struct shell *shell)
{
    irqflags_t flags = spin_lock_irqsave(&shell->lock);

    atomic_store(&shell->is_interrupted, false);
    shell->runner = task_current();
    if (shell->input && take_interrupt_locked(shell->input))
        interrupt_locked(shell);
    spin_unlock_irqrestore(&shell->lock, flags);
}

void shell_stop_running(struct shell *shell)
{
    irqflags_t flags = spin_lock_irqsave(&shell->lock);

    shell->runner = NULL;
    spin_unlock_irqrestore(&shell->lock, flags);
}

/* ---- the reading side ---------------------------------------------------------------------- */

static uint32_t take_bytes(struct shell *shell, char *bytes, size_t size)
{
    irqflags_t flags = spin_lock_irqsave(&shell->lock);
    uint32_t taken = ring_read(&shell->input->ring, bytes, (uint32_t)size);

    spin_unlock_irqrestore(&shell->lock, flags);
    return taken;
}

bool shell_has_input(struct shell *shell)
{
    return !ring_is_empty(&shell->input->ring);
}

int shell_take_input(struct shell *shell, char *bytes, size_t size, uint64_t deadline_ns)
{
    struct shell_input *input = shell->input;
    uint32_t taken = 0;
    int error =
        wait_event(&input->typed, (taken = take_bytes(shell, bytes, size)) > 0, deadline_ns);

    return error ? error : (int)taken;
}

/* Feeds the command's editor a byte at a time: what follows the line stays in the ring. */
static int edit_command_line(struct shell *shell, uint64_t deadline_ns)
{
    struct shell_input *input = shell->input;
    enum edit_result result;

    if (!input->command_is_editing) {
        editor_start(&input->command_editor, "");
        input->command_is_editing = true;
    }
    do {
        char byte;
        int taken = shell_take_input(shell, &byte, 1, deadline_ns);
        if (taken < 0)
            return taken;
        result = editor_feed(&input->command_editor, byte);
        if (result == EDIT_MORE && !shell_has_input(shell))
            editor_flush(&input->command_editor);
    } while (result == EDIT_MORE);

    input->command_is_editing = false;
    if (result == EDIT_END)
        return 0;
    /* One that was too long is handed over as far as it fits. */
    size_t length = input->command_editor.length;
    input->command_line[length] = '\n';
    input->command_taken = 0;
    input->command_ready = length + 1;
    return 1;
}

bool shell_reads_file(struct shell *shell)
{
    return shell->source_files != NULL;
}

static int read_source(struct shell *shell, char *buffer, size_t size)
{
    size_t done = 0;
    int error =
        shell->source_files->read(shell->source_file, buffer, size, shell->source_offset, &done);

    if (error)
        return error;
    shell->source_offset += done;
    return (int)done;
}

int shell_read(struct shell *shell, char *buffer, size_t size, uint64_t deadline_ns)
{
    struct shell_input *input = shell->input;

    if (shell->source_files)
        return read_source(shell, buffer, size);
    if (!input)
        return 0;
    if (input->command_ready == 0) {
        int result = edit_command_line(shell, deadline_ns);
        if (result <= 0)
            return result;
    }
    size_t piece = MIN(size, input->command_ready - input->command_taken);
    memcpy(buffer, input->command_line + input->command_taken, piece);
    input->command_taken += piece;
    if (input->command_taken == input->command_ready)
        input->command_ready = 0;
    return (int)piece;
}

void shell_forget_command_input(struct shell *shell)
{
    if (!shell->input)
        return;
    shell->input->command_is_editing = false;
    shell->input->command_ready = 0;
}

/* ---- life ---------------------------------------------------------------------------------- */

static void write_echo(void *context, const char *text, size_t length)
{
    shell_send(context, text, length);
}

static const struct line_editor_ops prompt_ops = { .write = write_echo,
                                                   .complete = shell_complete };
static const struct line_editor_ops command_ops = { .write = write_echo };

int shell_input_create(struct shell *shell)
{
    struct shell_input *input = vm_alloc(sizeof(*input), MMU_READ | MMU_WRITE, "shell");

    if (!input)
        return -ENOMEM;
    wait_queue_init(&input->typed, "shell input");
    ring_init(&input->ring, input->ring_bytes, sizeof(input->ring_bytes));
    editor_init(&input->editor, &prompt_ops, shell, input->line, sizeof(input->line),
                &input->history);
    /* One byte less, for the newline that a command gets. */
    editor_init(&input->command_editor, &command_ops, shell, input->command_line,
                sizeof(input->command_line) - 1, NULL);
    shell->input = input;
    return 0;
}

void shell_input_destroy(struct shell *shell)
{
    if (!shell->input)
        return;
    editor_destroy(&shell->input->editor);
    editor_destroy(&shell->input->command_editor);
    history_clear(&shell->input->history);
    vm_free(shell->input);
}
