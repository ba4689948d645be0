/*
 * fsck: what its two files share.
 */
#pragma once

#include "fs/nanofs/nanofs.h"

struct nanofs_fsck {
    struct nanofs *fs;
    const struct filesystem_report *report;
    unsigned int problems;
    bool is_cancelled;
    void **group_maps;                 /* blocks found in use, a page for each group that has any */
    uint64_t *named;                   /* bitmap: inodes that a directory entry names */
    uint64_t *allocated;               /* bitmap: inodes marked in use */
    uint32_t inode_limit;              /* bits of the two */
    uint64_t inodes;                   /* found */
    uint64_t blocks_done;              /* for the progress */
    void *pages[NANOFS_IO_MAX_BLOCKS]; /* to read data into */
};

void nanofs_fsck_problem(struct nanofs_fsck *fsck, const char *format, ...) __printf_format(2, 3);
/** nanofs_fsck_mark() - blocks are in use; false if they were already, or cannot be. */
bool nanofs_fsck_mark(struct nanofs_fsck *fsck, uint64_t block, uint64_t count);
/** nanofs_fsck_inode() - read one; false if it is damaged. */
bool nanofs_fsck_inode(struct nanofs_fsck *fsck, uint32_t number, struct nanofs_disk_inode *disk);
/** nanofs_fsck_path() - where an inode is, as far as that can be told. */
const char *nanofs_fsck_path(struct nanofs_fsck *fsck, uint32_t number, char *buffer, size_t size);
/** nanofs_fsck_contents() - the tree, extents, data or names of an inode. */
void nanofs_fsck_contents(struct nanofs_fsck *fsck, const struct nanofs_disk_inode *disk);
bool nanofs_fsck_progress(struct nanofs_fsck *fsck, uint64_t blocks);
