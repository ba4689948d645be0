/*
 * The line editor: bytes as typed in, a line and the echo out. Knows no console and does not wait.
 *
 *   Left Right ^B ^F           move           Home End ^A ^E       to the ends
 *   Ctrl-Left Ctrl-Right M-b M-f  by words    Backspace ^H Del ^D  erase
 *   ^K ^U ^W                   erase to the end, to the start, the word before
 *   Up Down ^P ^N              history        ^R                   search in it
 *   Tab                        complete       ^L                   clear the screen
 *   ^C                         drop the line  ^D on an empty line  end of input
 *
 * A character typed at the end of the line is echoed as it is, without any escape sequence; those
 * come only in answer to an editing key. Other control bytes are ignored.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/compiler.h"

#define EDITOR_CHOICES_MAX 256
#define EDITOR_SEARCH_MAX  128

struct history;
struct line_editor;

/* What Tab found: filled by the completer through editor_add_choice(). */
struct editor_choices {
    size_t word_start; /* where in the line the word being completed starts; set by the completer */
    size_t count;
    char common[EDITOR_CHOICES_MAX]; /* what all choices start with */
    char *listing;                   /* the choices, for the user to see; kmalloc'ed or NULL */
    size_t listing_length, listing_size;
};

struct line_editor_ops {
    /* Sends to the user. */
    void (*write)(void *context, const char *text, size_t length);
    /* Finds what the word at @cursor could become. Optional. */
    void (*complete)(void *context, const char *line, size_t cursor,
                     struct editor_choices *choices);
};

enum edit_result {
    EDIT_MORE,      /* go on */
    EDIT_LINE,      /* Enter: editor->line is whole, and terminated */
    EDIT_TOO_LONG,  /* Enter, but the line did not fit */
    EDIT_CANCELLED, /* ^C */
    EDIT_END,       /* ^D on an empty line */
};

struct line_editor {
    const struct line_editor_ops *ops;
    void *context;
    struct history *history; /* NULL: none */
    const char *prompt;
    size_t columns; /* of the user's screen, for moving about in lines that wrap */

    char *line;
    size_t size; /* of line's memory */
    size_t length;
    size_t cursor;
    size_t overflow; /* characters that did not fit */

    size_t row, column; /* where the user's cursor is, from where the prompt starts */
    bool is_after_cr;   /* the next byte may be the second half of a CR LF */

    enum {
        ESCAPE_NONE,
        ESCAPE_START,
        ESCAPE_CSI,
        ESCAPE_SS3
    } escape;
    unsigned int escape_numbers[2];
    unsigned int escape_count;

    long history_age; /* -1: the line being typed */
    char *saved_line; /* the line being typed, while history is shown; kmalloc'ed */

    bool is_searching;
    long search_age;
    char search[EDITOR_SEARCH_MAX];

    char out[128];
    size_t out_length;
};

/** editor_init() - @line is the caller's memory, @size bytes. */
void editor_init(struct line_editor *editor, const struct line_editor_ops *ops, void *context,
                 char *line, size_t size, struct history *history);
void editor_destroy(struct line_editor *editor);

/** editor_start() - a new line; shows the prompt. */
void editor_start(struct line_editor *editor, const char *prompt);

/** editor_feed() - one byte. After anything but EDIT_MORE: editor_start() again. */
enum edit_result editor_feed(struct line_editor *editor, char byte);

/** editor_flush() - send what the echo has gathered; when there is no more to feed for now. */
void editor_flush(struct line_editor *editor);

/** editor_add_choice() - @text is a whole replacement of the word; @is_final: a blank may follow.
 */
void editor_add_choice(struct editor_choices *choices, const char *text);
