/*
 * The directory of a benchmark of files, and its files by number.
 */
#pragma once

#include <stdint.h>

#include "fs/vfs.h"
#include "shell/bench/bench.h"

struct bench_directory {
    char directory[VFS_PATH_MAX];
    char path[VFS_PATH_MAX]; /* of the file named last */
};

/**
 * bench_directory_init() - the directory @name in that of the benchmark's first argument
 * Return: 0, or -errno, and what is wrong has been said. Nothing is made yet.
 */
int __must_check bench_directory_init(struct bench_directory *directory, struct bench *bench,
                                      const char *name);

/** bench_directory_file() - the path of file @number; valid until the next call. */
const char *bench_directory_file(struct bench_directory *directory, uint32_t number);

/** bench_directory_end() - the directory goes with all that is in it. Return: @error, if any. */
int bench_directory_end(struct bench_directory *directory, int error);
