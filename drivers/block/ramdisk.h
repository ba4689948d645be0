/*
 * Disks in memory: for trying things out, and for tests of what lies above.
 */
#pragma once

#include <stdint.h>

#include "block/block_device.h"

/**
 * ramdisk_create() - register a disk of @sectors zeros: ram0, ram1, ...
 * Memory is taken when a page is first written, and given back by discard. It goes with
 * block_device_remove() and the last reference. Context: task.
 * Return: 0 with *@device, not counted; -EINVAL; -ENOMEM.
 */
int __must_check ramdisk_create(uint64_t sectors, uint32_t logical_block_size,
                                struct block_device **device);
