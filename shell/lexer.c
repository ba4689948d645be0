/*
 * The shell's grammar, by a scanner that copies words out of the line.
 */
#include "shell/lexer.h"

#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"

#define STATUS_SHOWN_MAX 4095 /* no error number is larger; keeps LEXER_STORAGE() true */

struct scanner {
    const char *from;
    char *to;
    int status;
    const char *error;
};

static bool ends_word(char c)
{
    return c == '\0' || c == ';' || c == '>' || c == '<' || is_space(c);
}

static void put(struct scanner *s, char c)
{
    *s->to++ = c;
}

/* At a '$': "$?" is the last status, another one is just a '$'. */
static void scan_dollar(struct scanner *s)
{
    if (s->from[1] != '?') {
        put(s, *s->from++);
        return;
    }
    char number[12];
    int shown = MIN(s->status < 0 ? -s->status : s->status, STATUS_SHOWN_MAX);
    int length = snprintf(number, sizeof(number), "%d", shown);
    memcpy(s->to, number, (size_t)length);
    s->to += length;
    s->from += 2;
}

static void scan_single_quotes(struct scanner *s)
{
    for (s->from++; *s->from != '\''; put(s, *s->from++)) {
        if (*s->from == '\0') {
            s->error = "a ' has no end";
            return;
        }
    }
    s->from++;
}

static void scan_double_quotes(struct scanner *s)
{
    s->from++;
    while (*s->from != '"') {
        if (*s->from == '\0') {
            s->error = "a \" has no end";
            return;
        }
        if (*s->from == '$') {
            scan_dollar(s);
            continue;
        }
        if (*s->from == '\\' && (s->from[1] == '"' || s->from[1] == '\\' || s->from[1] == '$'))
            s->from++;
        put(s, *s->from++);
    }
    s->from++;
}

/* One word up to a blank or an operator. Return: the word, terminated; NULL with an error. */
static char *scan_word(struct scanner *s)
{
    char *word = s->to;

    while (!ends_word(*s->from) && !s->error) {
        switch (*s->from) {
        case '\'':
            scan_single_quotes(s);
            break;
        case '"':
            scan_double_quotes(s);
            break;
        case '$':
            scan_dollar(s);
            break;
        case '\\':
            if (s->from[1] == '\0') {
                s->error = "nothing follows the \\";
                break;
            }
            s->from++;
            __fallthrough;
        default:
            put(s, *s->from++);
            break;
        }
    }
    put(s, '\0');
    return s->error ? NULL : word;
}

static void skip_blanks(struct scanner *s)
{
    while (is_space(*s->from))
        s->from++;
}

static char *scan_file_name(struct scanner *s, const char *what_is_missing)
{
    skip_blanks(s);
    if (ends_word(*s->from)) {
        s->error = what_is_missing;
        return NULL;
    }
    return scan_word(s);
}

/* At a '>': takes it, a second one, and the file's name. */
static void scan_redirect(struct scanner *s, struct shell_words *words)
{
    if (words->redirect) {
        s->error = "more than one > in a command";
        return;
    }
    s->from++;
    words->is_append = *s->from == '>';
    if (words->is_append)
        s->from++;
    words->redirect = scan_file_name(s, "a file name must follow >");
}

/* At a '<': takes it and the file's name. */
static void scan_source(struct scanner *s, struct shell_words *words)
{
    if (words->source) {
        s->error = "more than one < in a command";
        return;
    }
    s->from++;
    words->source = scan_file_name(s, "a file name must follow <");
}

static void add_word(struct scanner *s, struct shell_words *words)
{
    bool is_pipe = s->from[0] == '|' && ends_word(s->from[1]);

    if (words->argc == SHELL_WORDS_MAX)
        s->error = "too many words (256 at most)";
    else if (is_pipe)
        s->error = "there are no pipes: write to a file with >, or quote the |";
    else
        words->argv[words->argc++] = scan_word(s);
}

int lexer_next(const char **cursor, char *storage, int status, struct shell_words *words,
               const char **error)
{
    struct scanner s = { .from = *cursor, .to = storage, .status = status };

    words->argc = 0;
    words->redirect = NULL;
    words->is_append = false;
    words->source = NULL;
    skip_blanks(&s);
    if (*s.from == '\0')
        return 0;

    while (!s.error && *s.from != ';' && *s.from != '\0') {
        if (*s.from == '>') {
            scan_redirect(&s, words);
        } else if (*s.from == '<') {
            scan_source(&s, words);
        } else if (*s.from == '#') {
            s.from += strlen(s.from);
        } else {
            add_word(&s, words);
        }
        skip_blanks(&s);
    }
    if (!s.error && words->argc == 0 && (words->redirect || words->source))
        s.error = words->redirect ? "a command must stand with >" : "a command must stand with <";
    if (s.error) {
        *error = s.error;
        return -EINVAL;
    }
    if (*s.from == ';')
        s.from++;
    words->argv[words->argc] = NULL;
    *cursor = s.from;
    return 1;
}
