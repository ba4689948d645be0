/*
 * Instance metadata: what a cloud tells a machine about itself, as words of the command line that
 * come after boot. `metadata=SOURCE` chooses where from; without it nobody is asked.
 *
 * The text, at most METADATA_TEXT_MAX bytes, has a "name=value" or several in a line, quoted as on
 * the command line; lines that begin with '#' are comments. Only parameters made by
 * PARAMETER_LATE() can be set. Where the text may belong to others, its first line is "#nos".
 *
 * A source registers itself:
 *
 *     METADATA_SOURCE(ec2, { .name = "ec2", .has_mark = true, .read = ec2_read });
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/registry.h"

#define METADATA_TEXT_MAX    16384 /* what EC2 allows */
#define METADATA_PROBLEM_MAX 384

/* What a source is asked for, and what it answers. */
struct metadata_text {
    char *bytes; /* room for METADATA_TEXT_MAX */
    size_t length;
    uint64_t deadline_ns;               /* to be kept */
    char problem[METADATA_PROBLEM_MAX]; /* with an error: what is wrong, for people */
};

struct metadata_source {
    const char *name; /* as metadata= has it */
    bool has_mark;    /* the first line must be "#nos" */
    /* Wait, once, until there is a way to ask. 0 or -errno with a problem. Optional. */
    int (*prepare)(struct metadata_text *text);
    /* One try. 0; -ENOENT there is no text; -EAGAIN it may be there later; others are final. */
    int (*read)(struct metadata_text *text);
};

#define METADATA_SOURCE(name_, ...)                                                                \
    static const struct metadata_source name_##_metadata_source_entry = __VA_ARGS__;               \
    REGISTRY_ADD(metadata_source, name_##_metadata_source_entry)

/** metadata_find_source() - by name, NULL when there is none. */
const struct metadata_source *metadata_find_source(const char *name);

/**
 * metadata_read() - ask @source, again and again within bounds; what went wrong is in the log
 * Return: 0 or the last error. Context: task; waits for minutes at most.
 */
int __must_check metadata_read(const struct metadata_source *source, struct metadata_text *text);

/**
 * metadata_apply() - set and start what the text says; what is wrong with it is in the log
 * text->bytes has room for one more byte, is cut into words, and stays in use.
 */
void metadata_apply(const struct metadata_source *source, struct metadata_text *text);
