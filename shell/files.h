/*
 * What the shell needs of the file system: redirection, completion of paths, cd. The file system
 * registers one entry; without one the shell says that there are no files.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/registry.h"

struct shell_files {
    /* Opens @path, absolute, for writing: created if need be, emptied unless @append. 0 or -errno.
     */
    int (*open)(const char *path, bool append, void **file);
    /* Opens @path, absolute, for reading. 0 or -errno. */
    int (*open_source)(const char *path, void **file);
    /* Up to @size bytes from @offset on; *@done is 0 at the end. 0 or -errno. May sleep. */
    int (*read)(void *file, char *buffer, size_t size, uint64_t offset, size_t *done);
    /* Writes all of it. 0 or -errno. May sleep. */
    int (*write)(void *file, const char *data, size_t length);
    /* The handle is gone in any case. 0 or the first error that had not been reported. */
    int (*close)(void *file);
    /* 0 when @path is a directory, else why not. */
    int (*check_directory)(const char *path);
    /* Calls @visit for each name in the directory @path. 0 or -errno. */
    int (*list)(const char *path, void (*visit)(void *context, const char *name, bool is_directory),
                void *context);
};

#define SHELL_FILES(symbol, ...) REGISTRY_ENTRY(shell_files, symbol, __VA_ARGS__)

/** shell_files() - the registered one, NULL when there is none. */
const struct shell_files *shell_files(void);
