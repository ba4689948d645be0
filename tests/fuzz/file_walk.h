/*
 * What a user might do with a file system from somebody else: list directories, look, read. What is
 * found there may be anything; each call ends, and names are names.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/vfs.h"

#define WALK_NAMES 40
#define WALK_DEPTH 3
#define WALK_PAGES 4 /* of a directory */

struct walk_names {
    char names[WALK_NAMES][VFS_NAME_MAX + 1];
    unsigned int count;
};

static bool walk_collect(void *context, const char *name, size_t length, enum vnode_type type,
                         uint64_t inode)
{
    struct walk_names *names = context;

    (void)type;
    (void)inode;
    if (length == 0 || length > VFS_NAME_MAX || memchr(name, '/', length) ||
        memchr(name, 0, length))
        abort();
    if (names->count == WALK_NAMES)
        return false;
    memcpy(names->names[names->count], name, length);
    names->names[names->count++][length] = '\0';
    return true;
}

static void walk_read(const char *path)
{
    static const struct {
        size_t size;
        uint64_t offset;
    } reads[] = { { 65536, 0 }, { 3000, 777 }, { 65536, 150000 }, { 3000, 1 << 20 } };
    static char buffer[65536];
    struct file *file;
    size_t done;

    if (vfs_open(path, VFS_READ, &file))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(reads); i++) {
        done = 0;
        (void)!vfs_read(file, buffer, reads[i].size, reads[i].offset, &done);
    }
    vfs_close(file);
}

/* file_walk() - @is_enough (may be NULL) ends it before its time. */
static void file_walk(const char *directory, bool (*is_enough)(void), unsigned int depth);

static void walk_entries(const char *directory, const struct walk_names *names,
                         bool (*is_enough)(void), unsigned int depth)
{
    char path[VFS_PATH_MAX];

    for (unsigned int i = 0; i < names->count && !(is_enough && is_enough()); i++) {
        struct vfs_stat stat;

        snprintf(path, sizeof(path), "%s/%s", directory[1] ? directory : "", names->names[i]);
        if (vfs_stat(path, &stat))
            continue;
        if (stat.type == VNODE_FILE)
            walk_read(path);
        else if (depth < WALK_DEPTH)
            file_walk(path, is_enough, depth + 1);
    }
}

static void file_walk(const char *directory, bool (*is_enough)(void), unsigned int depth)
{
    struct walk_names *names = calloc(1, sizeof(*names));
    uint64_t cursor = 0;
    struct file *file;

    for (int i = 0; i < WALK_PAGES && cursor != UINT64_MAX; i++) {
        int error = vfs_open(directory, VFS_READ, &file);

        names->count = 0;
        if (!error) {
            error = vfs_readdir(file, &cursor, walk_collect, names);
            vfs_close(file);
        }
        walk_entries(directory, names, is_enough, depth);
        if (error)
            break;
    }
    free(names);
}
