/*
 * FAT12, FAT16 and FAT32, for reading: what mtools, mkfs.fat and cameras write, with long names.
 *
 * Nothing on the disk is believed: every cluster is checked against the table's size, chains that
 * run in a circle are found (Brent's algorithm), names are cleaned. Damage is -EUCLEAN, with a line
 * in the log; what is not FAT at all -EMEDIUMTYPE.
 *
 * Files: volume.c the boot sector, chain.c the table and file contents, directory.c entries,
 * name.c their names; these know a disk only as a function that reads sectors. mount.c is the file
 * system of the VFS, disk.c its disk.
 *
 * Spec: "FAT: General Overview of On-Disk Format", Microsoft, 1.03; ECMA-107.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/sync/mutex.h"
#include "lib/compiler.h"

#define FAT_SECTOR_SIZE    512u /* of this interface, whatever the volume's own */
#define FAT_LABEL_SIZE     12
#define FAT_NAME_SIZE      256
#define FAT_WINDOW_SECTORS 8u

/* Where the sectors come from. */
struct fat_source {
    int (*read)(void *context, uint64_t sector, uint32_t count, void *buffer); /* 0 or -errno */
    void *context;
    uint64_t sectors;
    const char *name; /* of the disk, for the lines */
};

struct fat_volume {
    struct fat_source source; /* all const but the window */
    unsigned int width;       /* of a table entry in bits: 12, 16, 32 */
    uint32_t cluster_bytes;   /* a power of two, at least 512 */
    uint32_t cluster_count;   /* their numbers start at 2 */
    uint64_t table_sector;    /* the active table */
    uint64_t table_sectors;
    uint64_t root_sector;       /* FAT12 and 16: the root directory has a place of its own */
    uint32_t root_slots;        /* entries there; 0: FAT32 */
    uint32_t root_cluster;      /* FAT32; else 0, which stands for the root everywhere here */
    uint64_t data_sector;       /* of cluster 2 */
    char label[FAT_LABEL_SIZE]; /* "" for none */
    struct mutex lock;          /* rank: LOCK_RANK_FS_TABLE; guards the window */
    uint64_t window_sector __guarded_by(lock); /* within the table; UINT64_MAX: nothing is there */
    uint8_t window[FAT_WINDOW_SECTORS * FAT_SECTOR_SIZE] __guarded_by(lock);
};

/**
 * fat_open() - check the boot sector, read the label
 * @source is copied; its name and context stay in use. Context: task, as all here.
 * Return: 0; -EMEDIUMTYPE no FAT there; -ERANGE the volume is larger than the disk; -EUCLEAN; -EIO.
 */
int __must_check fat_open(const struct fat_source *source, struct fat_volume **result);
void fat_close(struct fat_volume *volume);

/* ---- clusters -------------------------------------------------------------------------------- */

/* A place in a chain of clusters. Init: fat_chain_start(). */
struct fat_chain {
    uint32_t first;
    uint32_t index;   /* of @cluster in the chain */
    uint32_t cluster; /* 0: behind the end, or the chain was empty */
    uint32_t mark;    /* a cluster passed before: to meet it again is a circle */
};

void fat_chain_start(struct fat_chain *chain, uint32_t first);

/**
 * fat_chain_seek() - go to the cluster with that index, from where @chain is or from the start
 * Return: 0; -ENODATA the chain is shorter; -EUCLEAN; -EIO.
 */
int __must_check fat_chain_seek(struct fat_volume *volume, struct fat_chain *chain, uint32_t index);

/** fat_cluster_sector() - where a valid cluster starts. */
uint64_t fat_cluster_sector(const struct fat_volume *volume, uint32_t cluster);

/**
 * fat_read() - @size bytes at @offset of the file whose clusters @chain goes along
 * All of it lies within the file's size. Return: 0; -EUCLEAN (the chain is too short, too); -EIO.
 */
int __must_check fat_read(struct fat_volume *volume, struct fat_chain *chain, uint64_t offset,
                          void *buffer, size_t size);

/** fat_damaged() - a line in the log. Return: -EUCLEAN. */
int fat_damaged(const struct fat_volume *volume, const char *what, uint64_t number);

/* ---- directories ----------------------------------------------------------------------------- */

#define FAT_SLOT_SIZE 32u
#define FAT_SLOTS_MAX 65536u /* of a directory */

enum fat_attribute {
    FAT_LABEL = 0x08,
    FAT_DIRECTORY = 0x10,
    FAT_LONG_NAME = 0x0F, /* all of these bits: a piece of a long name */
};

struct fat_entry {
    char name[FAT_NAME_SIZE]; /* the long one if there is one, in UTF-8 */
    char short_name[13];      /* "NAME.EXT" */
    unsigned int attributes;  /* enum fat_attribute */
    uint32_t cluster;         /* the first; 0: none */
    uint32_t size;            /* 0 for directories */
    uint64_t position;        /* on the disk in units of 32 bytes: unique */
    uint64_t created_ns;      /* wall clock, as it is written there; 0: unknown */
    uint64_t modified_ns;
};

/* A long name in pieces, as they come before their entry. */
struct fat_long_name {
    unsigned int
        wanted; /* the ordinal that is to come next; 0: the name is whole, or there is none */
    bool is_begun;
    uint8_t checksum;
    uint16_t units[20 * 13 + 1];
};

/* A walk over a directory. */
struct fat_walk {
    struct fat_volume *volume;
    struct fat_chain chain; /* not of a root with a place of its own */
    uint32_t slot;          /* that comes next */
    uint64_t loaded;        /* the sector in @sector; UINT64_MAX: none */
    uint8_t sector[FAT_SECTOR_SIZE];
    struct fat_long_name long_name;
};

/** fat_walk_start() - at @slot of the directory whose first cluster is given, 0: the root. */
void fat_walk_start(struct fat_walk *walk, struct fat_volume *volume, uint32_t cluster,
                    uint32_t slot);

/**
 * fat_walk_next() - the next entry; not "." and "..", but the label
 * walk->slot is behind it then. Return: 0; -ENOENT the end; -EUCLEAN; -EIO.
 */
int __must_check fat_walk_next(struct fat_walk *walk, struct fat_entry *entry);

/**
 * fat_find() - a file or directory by name, long or short, whatever the case of ASCII letters
 * Return: 0; -ENOENT; -EUCLEAN; -EIO; -ENOMEM.
 */
int __must_check fat_find(struct fat_volume *volume, uint32_t cluster, const char *name,
                          size_t length, struct fat_entry *entry);

/* name.c: pure functions. */
/** fat_long_name_add() - a slot that is a piece of a long name. */
void fat_long_name_add(struct fat_long_name *name, const uint8_t *slot);
/** fat_names_of() - of the entry in @slot: both names. Return: false when it has none. */
bool fat_names_of(struct fat_long_name *name, const uint8_t *slot, struct fat_entry *entry);
