/*
 * Editing of the line: keys, and what they do to the text. How it looks is shell/line_display.c.
 */
#include "shell/line_editor.h"

#include "lib/ctype.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "shell/history.h"
#include "shell/line_display.h"

#define CTRL(letter) ((letter)&0x1f)

enum key_byte {
    BYTE_TAB = '\t',
    BYTE_ESCAPE = 0x1b,
    BYTE_DELETE = 0x7f,
};

void editor_init(struct line_editor *editor, const struct line_editor_ops *ops, void *context,
                 char *line, size_t size, struct history *history)
{
    *editor = (struct line_editor){
        .ops = ops,
        .context = context,
        .history = history,
        .prompt = "",
        .columns = 80,
        .line = line,
        .size = size,
        .history_age = -1,
    };
    line[0] = '\0';
}

static void forget_saved_line(struct line_editor *editor)
{
    kfree(editor->saved_line);
    editor->saved_line = NULL;
    editor->history_age = -1;
}

void editor_destroy(struct line_editor *editor)
{
    forget_saved_line(editor);
}

void editor_start(struct line_editor *editor, const char *prompt)
{
    editor->prompt = prompt;
    editor->length = 0;
    editor->cursor = 0;
    editor->overflow = 0;
    editor->line[0] = '\0';
    editor->escape = ESCAPE_NONE;
    editor->is_searching = false;
    forget_saved_line(editor);
    display_start(editor);
}

void editor_flush(struct line_editor *editor)
{
    display_flush(editor);
}

/* ---- changing the text --------------------------------------------------------------------- */

static void insert_char(struct line_editor *editor, char c)
{
    if (editor->length + 1 >= editor->size) {
        if (editor->overflow++ == 0)
            display_bell(editor);
        return;
    }
    memmove(editor->line + editor->cursor + 1, editor->line + editor->cursor,
            editor->length - editor->cursor + 1);
    editor->line[editor->cursor++] = c;
    editor->length++;
    display_inserted(editor, 1);
}

static void insert_text(struct line_editor *editor, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        insert_char(editor, text[i]);
}

/* Erases [@from, @to), and leaves the cursor at @from. */
static void erase(struct line_editor *editor, size_t from, size_t to)
{
    size_t erased = to - from;

    if (erased == 0)
        return;
    memmove(editor->line + from, editor->line + to, editor->length - to + 1);
    editor->length -= erased;
    editor->cursor = from;
    display_erased(editor, erased);
}

static void set_line(struct line_editor *editor, const char *text)
{
    display_move(editor, 0);
    size_t old_length = editor->length;
    editor->length = MIN_T(size_t, strlen(text), editor->size - 1);
    memcpy(editor->line, text, editor->length);
    editor->line[editor->length] = '\0';
    editor->cursor = editor->length;
    display_replaced(editor, old_length);
}

static void move_to(struct line_editor *editor, size_t position)
{
    editor->cursor = position;
    display_move(editor, position);
}

static size_t word_start_before(const struct line_editor *editor)
{
    size_t at = editor->cursor;

    while (at > 0 && is_space(editor->line[at - 1]))
        at--;
    while (at > 0 && !is_space(editor->line[at - 1]))
        at--;
    return at;
}

static size_t word_end_after(const struct line_editor *editor)
{
    size_t at = editor->cursor;

    while (at < editor->length && is_space(editor->line[at]))
        at++;
    while (at < editor->length && !is_space(editor->line[at]))
        at++;
    return at;
}

/* ---- history ------------------------------------------------------------------------------- */

/* Keeps the line being typed while history is shown in its place. */
static bool save_line(struct line_editor *editor)
{
    char *saved = kstrdup(editor->line);

    if (!saved)
        return false;
    kfree(editor->saved_line);
    editor->saved_line = saved;
    return true;
}

static void show_history(struct line_editor *editor, size_t age)
{
    const char *line = history_get(editor->history, age);

    if (!line || (editor->history_age < 0 && !save_line(editor))) {
        display_bell(editor);
        return;
    }
    editor->history_age = (long)age;
    set_line(editor, line);
}

static void history_up(struct line_editor *editor)
{
    if (editor->history)
        show_history(editor, (size_t)(editor->history_age + 1));
}

static void history_down(struct line_editor *editor)
{
    if (editor->history && editor->history_age > 0) {
        show_history(editor, (size_t)(editor->history_age - 1));
    } else if (editor->history_age == 0) {
        editor->history_age = -1;
        set_line(editor, editor->saved_line);
    } else {
        display_bell(editor);
    }
}

/* ^R: the search word is shown in place of the prompt; any other key takes what was found. */
static void search_again(struct line_editor *editor, size_t from_age)
{
    long age = history_find(editor->history, from_age, editor->search);

    if (age >= 0) {
        editor->search_age = age;
        display_search(editor, history_get(editor->history, (size_t)age));
    } else {
        display_bell(editor);
        display_search(editor, NULL);
    }
}

static void start_search(struct line_editor *editor)
{
    if (!editor->history)
        return;
    editor->is_searching = true;
    editor->search_age = -1;
    editor->search[0] = '\0';
    display_search(editor, NULL);
}

static void end_search(struct line_editor *editor, bool take)
{
    const char *found = take && editor->search_age >= 0
                            ? history_get(editor->history, (size_t)editor->search_age)
                            : NULL;

    editor->is_searching = false;
    if (found) {
        editor->length = MIN_T(size_t, strlen(found), editor->size - 1);
        memcpy(editor->line, found, editor->length);
        editor->line[editor->length] = '\0';
        editor->cursor = editor->length;
    }
    display_search_ended(editor);
}

/* Return: whether the byte was the search's own. */
static bool feed_search(struct line_editor *editor, char byte)
{
    size_t length = strlen(editor->search);

    if (byte == CTRL('R')) {
        search_again(editor, (size_t)(editor->search_age + 1));
    } else if (byte == CTRL('H') || byte == BYTE_DELETE) {
        if (length)
            editor->search[length - 1] = '\0';
        search_again(editor, 0);
    } else if (byte == CTRL('G')) {
        end_search(editor, false);
    } else if (is_print(byte)) {
        if (length + 1 < sizeof(editor->search)) {
            editor->search[length] = byte;
            editor->search[length + 1] = '\0';
        }
        search_again(editor, editor->search_age < 0 ? 0 : (size_t)editor->search_age);
    } else {
        end_search(editor, byte != CTRL('C'));
        return false;
    }
    return true;
}

/* ---- completion ---------------------------------------------------------------------------- */

void editor_add_choice(struct editor_choices *choices, const char *text)
{
    size_t length = strlen(text);

    if (choices->count++ == 0) {
        strlcpy(choices->common, text, sizeof(choices->common));
    } else {
        size_t same = 0;
        while (choices->common[same] && choices->common[same] == text[same])
            same++;
        choices->common[same] = '\0';
    }

    size_t needed = choices->listing_length + length + 2;
    if (needed > choices->listing_size) {
        char *grown = krealloc(choices->listing, needed * 2);
        if (!grown)
            return;
        choices->listing = grown;
        choices->listing_size = needed * 2;
    }
    memcpy(choices->listing + choices->listing_length, text, length);
    memcpy(choices->listing + choices->listing_length + length, "  ", 2);
    choices->listing_length = needed;
}

static void complete(struct line_editor *editor)
{
    struct editor_choices choices = { 0 };

    if (!editor->ops->complete)
        return;
    editor->ops->complete(editor->context, editor->line, editor->cursor, &choices);
    size_t typed = editor->cursor - MIN(choices.word_start, editor->cursor);
    size_t common = strlen(choices.common);

    if (choices.count == 0) {
        display_bell(editor);
    } else if (common > typed) {
        insert_text(editor, choices.common + typed, common - typed);
    } else if (choices.count > 1) {
        display_list(editor, choices.listing, choices.listing_length);
    }
    if (choices.count == 1 && common > 0 && choices.common[common - 1] != '/' &&
        common + 1 < sizeof(choices.common))
        insert_char(editor, ' ');
    kfree(choices.listing);
}

/* ---- keys ---------------------------------------------------------------------------------- */

static void key_left(struct line_editor *editor)
{
    if (editor->cursor > 0)
        move_to(editor, editor->cursor - 1);
}

static void key_right(struct line_editor *editor)
{
    if (editor->cursor < editor->length)
        move_to(editor, editor->cursor + 1);
}

static void key_delete(struct line_editor *editor)
{
    if (editor->cursor < editor->length)
        erase(editor, editor->cursor, editor->cursor + 1);
}

static void key_backspace(struct line_editor *editor)
{
    if (editor->cursor == 0)
        return;
    move_to(editor, editor->cursor - 1);
    erase(editor, editor->cursor, editor->cursor + 1);
}

static void erase_before(struct line_editor *editor, size_t from)
{
    size_t to = editor->cursor;

    move_to(editor, from);
    erase(editor, from, to);
}

/* The last byte of ESC [ ... or ESC O ... */
static void finish_escape(struct line_editor *editor, char last)
{
    bool is_control = editor->escape_numbers[1] == 5;

    switch (last) {
    case 'A':
        history_up(editor);
        break;
    case 'B':
        history_down(editor);
        break;
    case 'C':
        if (is_control)
            move_to(editor, word_end_after(editor));
        else
            key_right(editor);
        break;
    case 'D':
        if (is_control)
            move_to(editor, word_start_before(editor));
        else
            key_left(editor);
        break;
    case 'H':
        move_to(editor, 0);
        break;
    case 'F':
        move_to(editor, editor->length);
        break;
    case '~':
        if (editor->escape_numbers[0] == 1 || editor->escape_numbers[0] == 7)
            move_to(editor, 0);
        else if (editor->escape_numbers[0] == 4 || editor->escape_numbers[0] == 8)
            move_to(editor, editor->length);
        else if (editor->escape_numbers[0] == 3)
            key_delete(editor);
        break;
    default: /* a key we have no use for */
        break;
    }
}

static void feed_csi(struct line_editor *editor, char byte)
{
    if (is_digit(byte)) {
        unsigned int *number = &editor->escape_numbers[MIN(editor->escape_count, 1u)];
        *number = *number > 1000 ? *number : *number * 10 + (unsigned int)(byte - '0');
    } else if (byte == ';') {
        editor->escape_count++;
    } else if (byte >= 0x40 && byte < 0x7f) {
        editor->escape = ESCAPE_NONE;
        finish_escape(editor, byte);
    } else if (byte < 0x20) { /* cut short by something else */
        editor->escape = ESCAPE_NONE;
    }
}

static void feed_escape(struct line_editor *editor, char byte)
{
    if (editor->escape == ESCAPE_CSI) {
        feed_csi(editor, byte);
        return;
    }
    if (editor->escape == ESCAPE_SS3) {
        editor->escape = ESCAPE_NONE;
        finish_escape(editor, byte);
        return;
    }
    editor->escape = ESCAPE_NONE;
    editor->escape_numbers[0] = editor->escape_numbers[1] = 0;
    editor->escape_count = 0;
    if (byte == '[')
        editor->escape = ESCAPE_CSI;
    else if (byte == 'O')
        editor->escape = ESCAPE_SS3;
    else if (byte == 'b')
        move_to(editor, word_start_before(editor));
    else if (byte == 'f')
        move_to(editor, word_end_after(editor));
}

static void feed_control(struct line_editor *editor, char byte)
{
    switch (byte) {
    case CTRL('A'):
        move_to(editor, 0);
        break;
    case CTRL('B'):
        key_left(editor);
        break;
    case CTRL('D'):
        key_delete(editor);
        break;
    case CTRL('E'):
        move_to(editor, editor->length);
        break;
    case CTRL('F'):
        key_right(editor);
        break;
    case CTRL('H'):
    case BYTE_DELETE:
        key_backspace(editor);
        break;
    case BYTE_TAB:
        complete(editor);
        break;
    case CTRL('K'):
        erase(editor, editor->cursor, editor->length);
        break;
    case CTRL('L'):
        display_clear(editor);
        break;
    case CTRL('N'):
        history_down(editor);
        break;
    case CTRL('P'):
        history_up(editor);
        break;
    case CTRL('R'):
        start_search(editor);
        break;
    case CTRL('U'):
        erase_before(editor, 0);
        break;
    case CTRL('W'):
        erase_before(editor, word_start_before(editor));
        break;
    case BYTE_ESCAPE:
        editor->escape = ESCAPE_START;
        break;
    default: /* ignored */
        break;
    }
}

static enum edit_result end_line(struct line_editor *editor)
{
    enum edit_result result = editor->overflow ? EDIT_TOO_LONG : EDIT_LINE;

    display_end(editor, "\n");
    return result;
}

enum edit_result editor_feed(struct line_editor *editor, char byte)
{
    bool is_second_half = editor->is_after_cr && byte == '\n';

    editor->is_after_cr = byte == '\r';
    if (is_second_half)
        return EDIT_MORE;
    if (editor->is_searching && feed_search(editor, byte))
        return EDIT_MORE;
    if (byte == CTRL('C')) {
        display_end(editor, "^C\n");
        return EDIT_CANCELLED;
    }
    if (byte == '\r' || byte == '\n')
        return end_line(editor);
    if (editor->escape != ESCAPE_NONE) {
        feed_escape(editor, byte);
    } else if (byte == CTRL('D') && editor->length == 0) {
        display_end(editor, "\n");
        return EDIT_END;
    } else if ((unsigned char)byte < ' ' || byte == BYTE_DELETE) {
        feed_control(editor, byte);
    } else {
        insert_char(editor, byte);
    }
    return EDIT_MORE;
}
