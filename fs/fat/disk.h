/*
 * Block devices as sources of sectors.
 */
#pragma once

#include "fs/fat/fat.h"

struct block_device;

/** fat_disk_source() - @device must outlive its use. */
struct fat_source fat_disk_source(struct block_device *device);

/**
 * fat_disk_open() - by name, claimed for @user: nobody may write to it
 * Return: 0; -ENODEV; -EBUSY, with a line saying by whom; and as fat_open().
 */
int __must_check fat_disk_open(const char *name, const char *user, struct fat_volume **result);
/** fat_disk_close() - and give the disk back. */
void fat_disk_close(struct fat_volume *volume);
