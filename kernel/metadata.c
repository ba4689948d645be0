/*
 * Instance metadata: asked for by a task of its own, so that boot waits for nobody.
 *
 * Below: sources (net/cloud_metadata.c, fs/nocloud.c), found in a registry; the parameters,
 * which take what they would take from the command line, and no more.
 */
#include "kernel/metadata.h"

#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/parameter.h"
#include "kernel/sched/task.h"
#include "kernel/sync/wait_queue.h"
#include "kernel/time/clock.h"
#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define PREPARE_TIMEOUT_NS (120 * NS_PER_S)
#define TRY_TIMEOUT_NS     (5 * NS_PER_S)
#define TRIES              5
#define FIRST_PAUSE_NS     (1 * NS_PER_S) /* doubled each time */
#define MARK               "#nos"

static const struct metadata_source *chosen; /* const after the parameters; NULL: nobody is asked */

const struct metadata_source *metadata_find_source(const char *name)
{
    const struct metadata_source *source;

    registry_for_each(source, metadata_source) {
        if (strcmp(source->name, name) == 0)
            return source;
    }
    return NULL;
}

static int metadata_parameter(const char *value)
{
    const struct metadata_source *source = metadata_find_source(value);

    if (!source)
        return -EINVAL;
    chosen = source;
    return 0;
}
PARAMETER(metadata, "metadata", "gce|ec2|nocloud",
          "where to ask for ip=, run=, udpshell= and udpshell.key= after boot", metadata_parameter);

/* ---- asking ---------------------------------------------------------------------------------- */

static void say(const struct metadata_source *source, const struct metadata_text *text, int error,
                const char *what)
{
    log_warning("metadata", "%s: %s: %s", source->name,
                text->problem[0] ? text->problem : errno_text(error), what);
}

static int read_once(const struct metadata_source *source, struct metadata_text *text)
{
    text->problem[0] = '\0';
    text->length = 0;
    text->deadline_ns = deadline_after_ns(TRY_TIMEOUT_NS);
    return source->read(text);
}

static int read_with_tries(const struct metadata_source *source, struct metadata_text *text)
{
    uint64_t pause_ns = FIRST_PAUSE_NS;

    for (unsigned int try = 1;; try++, pause_ns *= 2) {
        int error = read_once(source, text);

        if (error != -EAGAIN)
            return error;
        if (try == TRIES)
            return -ETIMEDOUT;
        say(source, text, error, "will ask again");
        error = sleep_ns(pause_ns);
        if (error)
            return error;
    }
}

int metadata_read(const struct metadata_source *source, struct metadata_text *text)
{
    int error = 0;

    text->problem[0] = '\0';
    text->deadline_ns = deadline_after_ns(PREPARE_TIMEOUT_NS);
    if (source->prepare)
        error = source->prepare(text);
    if (!error)
        error = read_with_tries(source, text);
    if (error == -ENOENT)
        log_info("metadata", "%s: %s: nothing to set", source->name, text->problem);
    else if (error)
        say(source, text, error, "given up");
    return error;
}

/* ---- understanding --------------------------------------------------------------------------- */

/* Control characters are in no text that somebody wrote. */
static bool is_text(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)bytes[i] < ' ' && !strchr("\t\n\r", bytes[i])) || bytes[i] == 0x7F ||
            bytes[i] == '\0')
            return false;
    return true;
}

static bool is_marked(const char *text)
{
    size_t length = strlen(MARK);

    return strncmp(text, MARK, length) == 0 && (text[length] == '\0' || is_space(text[length]));
}

static unsigned int set_lines(const struct metadata_source *source, char *line)
{
    unsigned int count = 0;

    while (line) {
        char *end = strchr(line, '\n');

        if (end)
            *end++ = '\0';
        while (is_space(*line))
            line++;
        if (*line != '#')
            count += parameters_set_late(line, source->name);
        line = end;
    }
    return count;
}

void metadata_apply(const struct metadata_source *source, struct metadata_text *text)
{
    text->bytes[text->length] = '\0';
    if (!is_text(text->bytes, text->length))
        log_warning("metadata", "%s: %zu bytes that are no text: ignored", source->name,
                    text->length);
    else if (source->has_mark && !is_marked(text->bytes))
        log_warning("metadata", "%s: the first line is not \"" MARK "\": ignored", source->name);
    else if (set_lines(source, text->bytes) == 0)
        log_info("metadata", "%s: nothing to set", source->name);
    else
        parameters_start_late(source->name);
}

/* ---- the task -------------------------------------------------------------------------------- */

static int metadata_task(void *arg)
{
    const struct metadata_source *source = arg;
    struct metadata_text *text = kzalloc(sizeof(*text));
    int error = -ENOMEM;

    if (text)
        text->bytes = kmalloc(METADATA_TEXT_MAX + 1);
    if (text && text->bytes) {
        error = metadata_read(source, text);
        if (error)
            kfree(text->bytes);
        else
            metadata_apply(source, text); /* values of parameters point into the bytes for ever */
    }
    kfree(text);
    return error;
}

static int __init metadata_start(void)
{
    return chosen ? task_create("metadata", metadata_task, (void *)chosen, NULL) : 0;
}
INIT_HOOK(metadata_start, INIT_LATE);
