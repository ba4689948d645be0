/*
 * The root directory of an ISO 9660 image, for reading: as much as the disks need by which clouds
 * tell a machine about itself (fs/nocloud.c). Names are those of Rock Ridge where there are any.
 *
 * Nothing on the disk is believed; directories are of bounded size, and every record is checked.
 *
 * Spec: ECMA-119; Rock Ridge Interchange Protocol 1.12 (IEEE P1282), 4.1.4 "NM".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

#define ISO_LABEL_SIZE 33

struct iso_volume {
    /* The caller's, before iso_open(): where sectors of 512 bytes come from; 0 or -errno. */
    int (*read)(void *context, uint64_t sector, uint32_t count, void *buffer);
    void *context;
    uint64_t sectors;
    /* Filled in: */
    char label[ISO_LABEL_SIZE];
    uint32_t root_block, root_bytes;
};

struct iso_file {
    uint32_t block, bytes;
};

/** iso_open() - 0; -EMEDIUMTYPE no such image; -EUCLEAN; -EIO. Context: task, as all here. */
int __must_check iso_open(struct iso_volume *volume);

/** iso_find() - a file in the root directory, whatever the case. 0; -ENOENT; -EUCLEAN; -EIO. */
int __must_check iso_find(const struct iso_volume *volume, const char *name, struct iso_file *file);

/** iso_read() - all of @file, for which @buffer has room. 0; -EIO. */
int __must_check iso_read(const struct iso_volume *volume, const struct iso_file *file,
                          void *buffer);
