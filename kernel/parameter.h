/*
 * Kernel parameters: `name=value` words of the command line. A subsystem registers the ones it
 * understands; kernel/parameter.c parses the line, names unknown or malformed ones, and goes on.
 *
 *     static int smp_parameter(const char *value) { ... return 0 or -EINVAL; }
 *     PARAMETER(smp, "smp", "on|off", "start the other CPUs", smp_parameter);
 *
 * Quoting: run="cmd; cmd" - double quotes may enclose a value, or a part of it, with spaces; in
 * them \" is a quote and \\ a backslash. The setter runs once per occurrence, before INIT_MEMORY
 * (no heap, no sleeping); @value stays valid for ever.
 *
 * A few may also come after boot, from instance metadata (kernel/metadata.h). They say by
 * PARAMETER_LATE() how what was set is put to work then; the command line wins over what comes
 * late.
 */
#pragma once

#include <stdbool.h>

#include "lib/registry.h"

/* Late ones are started in this order, when all are set. */
enum parameter_stage {
    PARAMETER_STAGE_NETWORK,
    PARAMETER_STAGE_SERVICE,
    PARAMETER_STAGE_COMMANDS,
    PARAMETER_STAGE_COUNT
};

struct parameter_state {
    bool is_on_command_line; /* const after boot */
    bool is_late;            /* set after boot, to be started */
};

struct parameter {
    const char *name;
    const char *values; /* what is accepted, for the message and for help */
    const char *help;
    int (*set)(const char *value); /* 0, or -EINVAL: reported with .values and ignored */
    /* Put to work what was set late. NULL: the command line alone has it. Context: task. */
    int (*start)(void);
    enum parameter_stage stage;
    struct parameter_state *state;
};

#define PARAMETER(identifier, name_, values_, help_, set_)                                         \
    PARAMETER_LATE(identifier, name_, values_, help_, set_, PARAMETER_STAGE_NETWORK, NULL)

#define PARAMETER_LATE(identifier, name_, values_, help_, set_, stage_, start_)                    \
    static struct parameter_state identifier##_parameter_state;                                    \
    REGISTRY_ENTRY(parameter, identifier##_parameter_entry,                                        \
                   { .name = (name_),                                                              \
                     .values = (values_),                                                          \
                     .help = (help_),                                                              \
                     .set = (set_),                                                                \
                     .start = (start_),                                                            \
                     .stage = (stage_),                                                            \
                     .state = &identifier##_parameter_state })

/**
 * parameters_parse() - apply every word of @cmdline, of any length
 * @cmdline is cut into words where it lies, and stays in use: the values point into it.
 * Context: early boot, once; takes no locks.
 */
void parameters_parse(char *cmdline);

/**
 * parameters_set_late() - set the words of @line, after boot
 * Words that may not come late, that the command line has, or that are malformed cost a line each,
 * which names @source and never shows a value: it may be a secret. @line is cut, and stays in use.
 * Context: one task. Return: how many were set.
 */
unsigned int parameters_set_late(char *line, const char *source);

/** parameters_start_late() - put to work what parameters_set_late() has set. Context: the same. */
void parameters_start_late(const char *source);
