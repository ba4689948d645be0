/*
 * The shell's line: the input is what is typed. It goes through the line editor, whose lines go
 * through the lexer; both are checked against their own promises.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/errno.h"
#include "shell/history.h"
#include "shell/lexer.h"
#include "shell/line_editor.h"
#include "tests/unit/malloc_backed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINE_SIZE 200

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void write_nowhere(void *context, const char *text, size_t length)
{
    (void)context;
    check(text != NULL && length > 0);
}

static void complete_word(void *context, const char *line, size_t cursor,
                          struct editor_choices *choices)
{
    (void)context;
    size_t start = cursor;
    while (start > 0 && line[start - 1] != ' ')
        start--;
    choices->word_start = start;
    if (cursor > start && line[start] == 'h')
        editor_add_choice(choices, "help");
    if (cursor > start && line[start] == 'd') {
        editor_add_choice(choices, "date");
        editor_add_choice(choices, "dmesg");
        editor_add_choice(choices, "dir/");
    }
}

static void lex(const char *line)
{
    size_t length = strlen(line);
    char *storage = malloc(LEXER_STORAGE(length));
    struct shell_words words;
    const char *error = NULL;
    const char *end = line + length;
    int result;

    while ((result = lexer_next(&line, storage, -125, &words, &error)) > 0) {
        check(words.argc >= 0 && words.argc <= SHELL_WORDS_MAX && words.argv[words.argc] == NULL);
        check(words.argc > 0 || (!words.redirect && !words.source));
        for (int i = 0; i < words.argc; i++)
            check(words.argv[i] >= storage &&
                  words.argv[i] + strlen(words.argv[i]) < storage + LEXER_STORAGE(length));
    }
    check(line <= end);
    check(result == 0 || (result == -EINVAL && error));
    free(storage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct line_editor_ops ops = { .write = write_nowhere, .complete = complete_word };
    struct history history = { 0 };
    struct line_editor editor;
    char *line = malloc(LINE_SIZE);

    editor_init(&editor, &ops, NULL, line, LINE_SIZE, &history);
    editor_start(&editor, "$ ");
    for (size_t i = 0; i < size; i++) {
        enum edit_result result = editor_feed(&editor, (char)data[i]);
        check(editor.length < LINE_SIZE && editor.cursor <= editor.length);
        check(strlen(line) <= editor.length && line[editor.length] == '\0');
        if (result == EDIT_MORE)
            continue;
        if (result == EDIT_LINE) {
            history_add(&history, line);
            lex(line);
        }
        editor_start(&editor, "$ ");
    }
    editor_flush(&editor);
    editor_destroy(&editor);
    history_clear(&history);
    free(line);
    return 0;
}
