/*
 * The kernel's command line: `name=value` words, given to whoever registered the name.
 *
 * It runs before there is a heap, and lines may be of any length, so words are made in place: the
 * quotes of a word are taken out, which only shortens it, and a NUL put behind. What is not
 * understood is named in the log, which shows on the console, and ignored.
 */
#include "kernel/parameter.h"

#include "kernel/log.h"
#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/string.h"

static const struct parameter *find_parameter(const char *name)
{
    const struct parameter *parameter;

    registry_for_each(parameter, parameter) {
        if (strcmp(parameter->name, name) == 0)
            return parameter;
    }
    return NULL;
}

/*
 * Takes the next word off *@cursor, unquoted and terminated. Return: the word, NULL at the end.
 * *@is_closed: false when a quote was still open at the end of the line.
 */
static char *next_word(char **cursor, bool *is_closed)
{
    char *from = *cursor;
    bool is_quoted = false;

    while (is_space(*from))
        from++;
    if (*from == '\0')
        return NULL;

    char *word = from;
    char *to = from;
    for (; *from && (is_quoted || !is_space(*from)); from++) {
        if (*from == '"') {
            is_quoted = !is_quoted;
            continue;
        }
        if (is_quoted && *from == '\\' && (from[1] == '"' || from[1] == '\\'))
            from++;
        *to++ = *from;
    }
    *cursor = *from ? from + 1 : from;
    *to = '\0';
    *is_closed = !is_quoted;
    return word;
}

static void apply(char *word)
{
    char *equals = strchr(word, '=');
    const char *value = "";

    if (equals) {
        *equals = '\0';
        value = equals + 1;
    }

    const struct parameter *parameter = find_parameter(word);
    if (!parameter) {
        log_warning("parameter", "unknown: %s%s%s (ignored)", word, equals ? "=" : "", value);
        return;
    }
    if (parameter->set(value)) {
        log_warning("parameter", "bad value: %s=%s (ignored), expected %s=%s", word, value, word,
                    parameter->values);
    }
}

void parameters_parse(char *cmdline)
{
    bool is_closed;
    char *word;

    while ((word = next_word(&cmdline, &is_closed)) != NULL) {
        if (is_closed)
            apply(word);
        else
            log_warning("parameter", "quote without its end: %s (ignored)", word);
    }
}
