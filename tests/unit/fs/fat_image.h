/*
 * FAT volumes in memory, made by code that shares nothing with the reader, for tests to read and to
 * damage.
 */
#pragma once

#include "fs/fat/fat.h"
#include <stdlib.h>
#include <string.h>

struct fat_image {
    uint8_t *bytes;
    size_t size;
    unsigned int width; /* 12, 16, 32 */
    uint32_t cluster_bytes, cluster_count, next_free;
    uint32_t table_at, table_bytes, root_at, root_slots, data_at; /* bytes */
    uint32_t root_cluster;                                        /* FAT32 */
    unsigned int reads;                                           /* of the source */
};

/* @width decides the number of clusters: as few as that kind may have (FAT32: 300). */
struct fat_image *fat_image_create(unsigned int width, uint32_t sectors_per_cluster,
                                   const char *label);
void fat_image_destroy(struct fat_image *image);

/**
 * fat_image_add() - a file, or with FAT_DIRECTORY an empty directory
 * @directory: its first cluster; 0: the root. @short_name: eleven bytes. @long_name: or NULL.
 * Return: its first cluster, 0 for an empty file.
 */
uint32_t fat_image_add(struct fat_image *image, uint32_t directory, const char *short_name,
                       const uint16_t *long_name, unsigned int attributes, const void *data,
                       uint32_t size);
/* Where the last entry added lies. */
uint8_t *fat_image_last_slot(void);

uint32_t fat_image_get(const struct fat_image *image, uint32_t cluster);
void fat_image_set(struct fat_image *image, uint32_t cluster, uint32_t next);
uint8_t *fat_image_cluster(const struct fat_image *image, uint32_t cluster);

struct fat_source fat_image_source(struct fat_image *image);

/* The disk that fat_disk_open() finds, whatever the name; NULL: none. */
extern struct fat_image *fat_image_current;
