/*
 * Drawing the edited line by ANSI sequences.
 *
 * A terminal that has just filled the last column keeps its cursor there until the next character
 * ("deferred wrap"). Nothing is sent to undo that, since plain echo must stay plain: (row, column)
 * then has column == columns, and moves away from there start with a carriage return.
 */
#include "shell/line_display.h"

#include "lib/printf.h"
#include "lib/string.h"
#include "shell/line_editor.h"

#define ERASE_BELOW  "\033[J"
#define CLEAR_SCREEN "\033[H\033[2J"

void display_flush(struct line_editor *editor)
{
    if (editor->out_length == 0)
        return;
    editor->ops->write(editor->context, editor->out, editor->out_length);
    editor->out_length = 0;
}

static void send(struct line_editor *editor, const char *text, size_t length)
{
    while (length > 0) {
        size_t room = sizeof(editor->out) - editor->out_length;
        size_t piece = MIN(length, room);
        memcpy(editor->out + editor->out_length, text, piece);
        editor->out_length += piece;
        text += piece;
        length -= piece;
        if (editor->out_length == sizeof(editor->out))
            display_flush(editor);
    }
}

static void send_string(struct line_editor *editor, const char *text)
{
    send(editor, text, strlen(text));
}

/* Sends text that moves the cursor along. */
static void type(struct line_editor *editor, const char *text, size_t length)
{
    send(editor, text, length);
    for (size_t i = 0; i < length; i++) {
        if (editor->column == editor->columns) {
            editor->row++;
            editor->column = 0;
        }
        editor->column++;
    }
}

static void send_move(struct line_editor *editor, size_t count, char direction)
{
    char sequence[16];

    if (count)
        send(editor, sequence,
             scnprintf(sequence, sizeof(sequence), "\033[%zu%c", count, direction));
}

/* Moves to the cell where the character at @position of the line is or would be. */
void display_move(struct line_editor *editor, size_t position)
{
    size_t cell = strlen(editor->prompt) + position;
    size_t row = cell / editor->columns;
    size_t column = cell % editor->columns;

    if (row == editor->row && column == editor->column)
        return;
    if (column == 0 && row == editor->row + 1 && editor->column == editor->columns)
        return; /* the wrap that is due will bring it there */
    if (row < editor->row)
        send_move(editor, editor->row - row, 'A');
    for (; row > editor->row; editor->row++) {
        send(editor, "\n", 1); /* unlike a move down, makes a new row at the bottom */
        editor->column = 0;    /* the console adds the carriage return */
    }
    if (editor->column == editor->columns || column == 0) {
        send(editor, "\r", 1);
        send_move(editor, column, 'C');
    } else if (column < editor->column) {
        send_move(editor, editor->column - column, 'D');
    } else {
        send_move(editor, column - editor->column, 'C');
    }
    editor->row = row;
    editor->column = column;
}

void display_start(struct line_editor *editor)
{
    editor->row = 0;
    editor->column = 0;
    type(editor, editor->prompt, strlen(editor->prompt));
}

void display_inserted(struct line_editor *editor, size_t count)
{
    type(editor, editor->line + editor->cursor - count, editor->length - editor->cursor + count);
    if (editor->cursor != editor->length)
        display_move(editor, editor->cursor);
}

void display_erased(struct line_editor *editor, size_t count)
{
    (void)count;
    send_string(editor, ERASE_BELOW);
    if (editor->cursor == editor->length)
        return;
    type(editor, editor->line + editor->cursor, editor->length - editor->cursor);
    display_move(editor, editor->cursor);
}

void display_replaced(struct line_editor *editor, size_t old_length)
{
    if (old_length > 0)
        send_string(editor, ERASE_BELOW);
    type(editor, editor->line, editor->length);
}

/* The prompt and the line from a fresh row on. */
static void redraw(struct line_editor *editor)
{
    display_start(editor);
    type(editor, editor->line, editor->length);
    display_move(editor, editor->cursor);
}

void display_list(struct line_editor *editor, const char *text, size_t length)
{
    display_move(editor, editor->length);
    send(editor, "\n", 1);
    send(editor, text, length);
    send(editor, "\n", 1);
    redraw(editor);
}

void display_clear(struct line_editor *editor)
{
    send_string(editor, CLEAR_SCREEN);
    redraw(editor);
}

/* To the start of the prompt, with everything from there on erased. */
static void erase_all(struct line_editor *editor)
{
    send_move(editor, editor->row, 'A');
    send_string(editor, "\r" ERASE_BELOW);
    editor->row = 0;
    editor->column = 0;
}

void display_search(struct line_editor *editor, const char *found)
{
    char label[EDITOR_SEARCH_MAX + 16];
    size_t length = scnprintf(label, sizeof(label), "(search) %s: ", editor->search);

    erase_all(editor);
    type(editor, label, length);
    if (found)
        type(editor, found, strlen(found));
}

void display_search_ended(struct line_editor *editor)
{
    erase_all(editor);
    redraw(editor);
}

void display_bell(struct line_editor *editor)
{
    send(editor, "\a", 1);
}

void display_end(struct line_editor *editor, const char *text)
{
    if (editor->cursor != editor->length)
        display_move(editor, editor->length);
    send_string(editor, text);
    display_flush(editor);
}
