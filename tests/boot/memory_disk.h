/*
 * A block device in memory that answers late, from a timer: for tests of what is above the drivers.
 */
#pragma once

#include "block/block_device.h"

/** memory_disk_create() - a disk of @mib MiB with the next free name "mdX"; NULL: out of memory. */
struct block_device *memory_disk_create(unsigned int mib);
/** memory_disk_destroy() - nobody uses it any more. */
void memory_disk_destroy(struct block_device *device);
