/*
 * What nanofs needs of a disk: blocks of 4 KiB in runs, asynchronously, and a flush.
 *
 * Three things implement it: fs/nanofs/disk.c over the block layer, tools/nanofs over an image
 * file, and the simulated disk of the tests.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

struct nanofs_device;

/* One run of blocks to or from pages of 4 KiB. The memory is the caller's until @complete. */
struct nanofs_io {
    uint64_t block;
    uint32_t count;
    bool is_write;
    void **pages;                                      /* @count of them */
    void (*complete)(struct nanofs_io *io, int error); /* once; any context, must not sleep */
    void *device_private;
};

struct nanofs_device_ops {
    /* Start @io; errors come through complete(), maybe before this returns. Context: task. */
    void (*submit)(struct nanofs_device *device, struct nanofs_io *io);
    /* All writes completed before the call are on stable storage. Context: task, sleeps. */
    int (*flush)(struct nanofs_device *device);
    /* Give the disk back and free @device. Context: task. */
    void (*close)(struct nanofs_device *device);
};

struct nanofs_device {
    const struct nanofs_device_ops *ops; /* all const */
    uint64_t block_count;
    bool is_read_only;
    char name[32]; /* for messages */
};

/* Runs longer than this are several requests. */
#define NANOFS_IO_MAX_BLOCKS 64u /* 256 KiB */

/** nanofs_device_read/write() - the same, waiting for it. Any count. Context: task. */
int __must_check nanofs_device_read(struct nanofs_device *device, uint64_t block, uint32_t count,
                                    void **pages);
int __must_check nanofs_device_write(struct nanofs_device *device, uint64_t block, uint32_t count,
                                     void **pages);

/**
 * nanofs_device_open() - by name, for one user at a time
 * @user: shown to the next who tries. Return: 0; -ENODEV; -EBUSY. Logs what is wrong.
 */
int __must_check nanofs_device_open(const char *name, const char *user,
                                    struct nanofs_device **result);
