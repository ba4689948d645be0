/*
 * How the edited line looks on the user's screen: for shell/line_editor.c only.
 *
 * The editor changes its text, then says what changed. The display keeps track of the row and
 * column of the user's cursor, counted from the start of the prompt, so that it can find its way
 * in a line that wraps.
 */
#pragma once

#include <stddef.h>

struct line_editor;

void display_start(struct line_editor *editor);                       /* shows the prompt */
void display_inserted(struct line_editor *editor, size_t count);      /* @count before the cursor */
void display_erased(struct line_editor *editor, size_t count);        /* @count at the cursor */
void display_replaced(struct line_editor *editor, size_t old_length); /* all; screen is at 0 */
void display_move(struct line_editor *editor, size_t position);
void display_list(struct line_editor *editor, const char *text, size_t length);
void display_clear(struct line_editor *editor);
void display_search(struct line_editor *editor, const char *found); /* NULL: nothing found */
void display_search_ended(struct line_editor *editor);
void display_bell(struct line_editor *editor);
void display_end(struct line_editor *editor, const char *text); /* @text behind the line; flushes */
void display_flush(struct line_editor *editor);
