/*
 * The kernel's command line: `name=value` words, given to whoever registered the name.
 *
 * It runs before there is a heap, and lines may be of any length, so words are made in place: the
 * quotes of a word are taken out, which only shortens it, and a NUL put behind. What is not
 * understood is named in the log, which shows on the console, and ignored.
 */
#include "kernel/parameter.h"

#include "kernel/init.h"
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

/* Cuts "name=value" in two. Return: the value; *@has_value: there was an equals sign. */
static const char *split_word(char *word, bool *has_value)
{
    char *equals = strchr(word, '=');

    *has_value = equals != NULL;
    if (!equals)
        return "";
    *equals = '\0';
    return equals + 1;
}

static void apply(char *word)
{
    bool has_value;
    const char *value = split_word(word, &has_value);
    const struct parameter *parameter = find_parameter(word);

    if (!parameter) {
        log_warning("parameter", "unknown: %s%s%s (ignored)", word, has_value ? "=" : "", value);
        return;
    }
    if (parameter->set(value)) {
        log_warning("parameter", "bad value: %s=%s (ignored), expected %s=%s", word, value, word,
                    parameter->values);
    } else {
        parameter->state->is_on_command_line = true;
    }
}

void __init parameters_parse(char *cmdline)
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

/* ---- after boot ------------------------------------------------------------------------------ */

/* What somebody else wrote is shown in part only. */
#define SHOWN_NAME "%.32s"

static bool set_late(char *word, const char *source)
{
    bool has_value;
    const char *value = split_word(word, &has_value);
    const struct parameter *parameter = find_parameter(word);

    if (!parameter || !parameter->start)
        log_warning("parameter", "%s: " SHOWN_NAME " cannot be set from there (ignored)", source,
                    word);
    else if (parameter->state->is_on_command_line)
        log_warning("parameter", "%s: %s= is on the command line, which wins", source,
                    parameter->name);
    else if (!has_value || parameter->set(value))
        log_warning("parameter", "%s: bad value for %s= (ignored), expected %s=%s", source,
                    parameter->name, parameter->name, parameter->values);
    else
        return parameter->state->is_late = true;
    return false;
}

unsigned int parameters_set_late(char *line, const char *source)
{
    unsigned int count = 0;
    bool is_closed;
    char *word;

    while ((word = next_word(&line, &is_closed)) != NULL) {
        if (is_closed)
            count += set_late(word, source);
        else
            log_warning("parameter", "%s: quote without its end (ignored)", source);
    }
    return count;
}

static void start_late(const struct parameter *parameter, const char *source)
{
    int error = parameter->start();

    parameter->state->is_late = false;
    if (error)
        log_error("parameter", "%s: %s=: %s", source, parameter->name, errno_text(error));
    else
        log_info("parameter", "%s has set %s=", source, parameter->name);
}

void parameters_start_late(const char *source)
{
    const struct parameter *parameter;

    for (unsigned int stage = 0; stage < PARAMETER_STAGE_COUNT; stage++)
        registry_for_each(parameter, parameter) {
            if (parameter->state->is_late && parameter->stage == stage)
                start_late(parameter, source);
        }
}
