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
 */
#pragma once

#include "lib/registry.h"

struct parameter {
    const char *name;
    const char *values; /* what is accepted, for the message and for help */
    const char *help;
    int (*set)(const char *value); /* 0, or -EINVAL: reported with .values and ignored */
};

#define PARAMETER(identifier, name_, values_, help_, set_)                                         \
    REGISTRY_ENTRY(parameter, identifier##_parameter_entry,                                        \
                   { .name = (name_), .values = (values_), .help = (help_), .set = (set_) })

/**
 * parameters_parse() - apply every word of @cmdline, of any length
 * @cmdline is cut into words where it lies, and stays in use: the values point into it.
 * Context: early boot, once; takes no locks.
 */
void parameters_parse(char *cmdline);
