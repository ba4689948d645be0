/*
 * The kernel command line: words, quotes, known and unknown names.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/parameter.h"
#include "lib/errno.h"
#include "tests/fuzz/silent_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *line_start, *line_end;

static int set_value(const char *value)
{
    /* "" of a word without '=' is a constant; others lie in the line, and end in it. */
    if (*value && (value < line_start || value + strlen(value) > line_end))
        abort();
    return value[0] == 'x' ? -EINVAL : 0;
}
PARAMETER(fuzz_run, "run", "TEXT", "a value", set_value);
PARAMETER(fuzz_ip, "ip", "ADDR", "another", set_value);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);

    memcpy(line, data, size);
    line[size] = '\0';
    line_start = line;
    line_end = line + size;
    parameters_parse(line);
    free(line);
    return 0;
}
