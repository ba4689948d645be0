/*
 * The layout of nanofs on disk, version 1. docs/NANOFS.md explains it. Little-endian throughout;
 * every structure is naturally aligned but directory entries.
 */
#pragma once

#include <stdint.h>

#include "lib/compiler.h"

#define NANOFS_BLOCK_SIZE  4096u
#define NANOFS_BLOCK_SHIFT 12
#define NANOFS_PAYLOAD     4092u /* what comes before the CRC at the end of a metadata block */
#define NANOFS_MAGIC       0x0a3173666f6e616eull /* "nanofs1\n" */
#define NANOFS_VERSION     1

#define NANOFS_GROUP_BLOCKS     32736u /* = 8 * 4092 = 32 * 1023 */
#define NANOFS_CHECKSUM_BLOCKS  32u    /* of a group */
#define NANOFS_CHECKSUMS        1023u  /* of a block */
#define NANOFS_GROUP_OVERHEAD   (1 + NANOFS_CHECKSUM_BLOCKS)
#define NANOFS_GROUPS_PER_BLOCK 255u

#define NANOFS_INODES_PER_BLOCK   16u
#define NANOFS_INODE_GROUP        32736u /* inodes under one bitmap block of the inode file */
#define NANOFS_INODE_GROUP_BLOCKS (1 + NANOFS_INODE_GROUP / NANOFS_INODES_PER_BLOCK)

#define NANOFS_INODE_FILE    0 /* its inode lies in the anchor; owner number of its map */
#define NANOFS_INODE_ROOT    1
#define NANOFS_INODE_ORPHANS 2
#define NANOFS_INODE_FIRST   3
#define NANOFS_INODE_MAX     0xfffffffeu

#define NANOFS_MIN_BLOCKS     1024u        /* 4 MiB */
#define NANOFS_MAX_BLOCKS     (1ull << 32) /* 16 TiB */
#define NANOFS_MAX_SIZE       (0xffffffffull << NANOFS_BLOCK_SHIFT)
#define NANOFS_INLINE_EXTENTS 11
#define NANOFS_NODE_ENTRIES   254u
#define NANOFS_MAX_LEVELS     6

/* What a metadata block is; part of the seed of its CRC. */
enum nanofs_kind {
    NANOFS_KIND_NONE,
    NANOFS_KIND_SUPERBLOCK,
    NANOFS_KIND_ANCHOR,
    NANOFS_KIND_GROUP_TABLE,
    NANOFS_KIND_BITMAP,
    NANOFS_KIND_CHECKSUMS,
    NANOFS_KIND_INODE_BITMAP,
    NANOFS_KIND_INODES, /* no CRC of the block: each inode has one */
    NANOFS_KIND_EXTENTS,
    NANOFS_KIND_DIRECTORY,
    NANOFS_KIND_DESCRIPTOR,
    NANOFS_KIND_COUNT
};

struct nanofs_superblock {
    uint64_t magic;
    uint32_t version;
    uint32_t block_size;
    uint8_t uuid[16];
    uint64_t total_blocks;
    uint64_t journal_block;
    uint64_t slot_blocks; /* of each of the two journal slots */
    uint64_t group_table_block;
    uint64_t group_count;
    uint64_t data_block; /* where group 0 starts */
    uint64_t hash_key[2];
    uint64_t created_ns;
};

struct nanofs_extent {
    uint32_t logical;
    uint32_t length; /* blocks; not 0 */
    uint64_t physical;
};

struct nanofs_disk_inode {
    uint32_t crc;    /* of the other 252 bytes, seeded with UUID and inode number */
    uint16_t type;   /* enum vnode_type; 0: free */
    uint16_t levels; /* of the tree; files: 0 = extents are inline */
    uint32_t number;
    uint32_t parent;
    uint32_t generation;
    uint32_t extent_count; /* inline */
    uint64_t size;         /* bytes; directories: number of entries */
    uint64_t blocks;       /* data blocks of a file */
    uint64_t created_ns;
    uint64_t modified_ns;
    uint64_t root; /* block of the tree's root; 0: no tree */
    uint64_t reserved[2];
    struct nanofs_extent extents[NANOFS_INLINE_EXTENTS];
};
BUILD_ASSERT(sizeof(struct nanofs_disk_inode) == 256, "16 to a block");

struct nanofs_anchor {
    uint64_t sequence; /* of the transaction that wrote it */
    uint64_t free_blocks;
    uint64_t inode_count;
    struct nanofs_disk_inode inode_file;
};

struct nanofs_group {
    uint32_t free_blocks;
    uint32_t is_bitmap_written;
    uint32_t checksums_written; /* bit n: checksum block n */
    uint32_t reserved;
};

/* Nodes of both kinds of tree. Entries follow. */
struct nanofs_node {
    uint32_t magic;
    uint16_t level; /* 0: leaf */
    uint16_t count;
    uint64_t owner; /* inode number */
    uint32_t used;  /* leaf of a directory: bytes of entries */
    uint32_t reserved;
};
#define NANOFS_NODE_MAGIC 0x65646f6e /* "node" */
#define NANOFS_NODE_SPACE (NANOFS_PAYLOAD - sizeof(struct nanofs_node))
BUILD_ASSERT(NANOFS_NODE_SPACE / 16 == NANOFS_NODE_ENTRIES);

struct nanofs_branch {
    uint64_t key; /* smallest in the child; not looked at in the first entry */
    uint64_t child;
};

struct __packed nanofs_dirent {
    uint64_t hash;
    uint32_t inode;
    uint8_t type;
    uint8_t length;
    char name[];
};

/* Journal. */
struct nanofs_commit {
    uint64_t magic;
    uint8_t uuid[16];
    uint64_t sequence;
    uint32_t image_count;
    uint32_t is_clean;       /* 1: everything is in place, nothing to replay */
    uint32_t descriptor_crc; /* of the CRCs of the descriptor blocks */
    uint32_t crc;            /* of the fields before */
};
#define NANOFS_COMMIT_MAGIC  0x0a74696d6d6f636eull /* "ncommit\n" */
#define NANOFS_COMMIT_STRIDE 512u                  /* repeated in each sector of its block */

struct nanofs_image {
    uint64_t block;
    uint32_t crc;
    uint32_t kind;
};
struct nanofs_descriptor {
    uint64_t sequence;
    uint32_t count;
    uint32_t reserved;
    struct nanofs_image images[];
};
#define NANOFS_IMAGES_PER_DESCRIPTOR                                                               \
    ((NANOFS_PAYLOAD - sizeof(struct nanofs_descriptor)) / sizeof(struct nanofs_image))
