/*
 * The queue of a block device, for files in block/ only.
 */
#pragma once

#include "block/block_device.h"

/** block_queue_init() - lists, lock and timer of a device about to be registered. Task. */
void block_queue_init(struct block_device *device);

/** block_queue_fail() - the device is gone: fail what waits, and all that comes. Task. */
void block_queue_fail(struct block_device *device);

/**
 * block_queue_add() - send a request that fits the device's limits and range
 * Context: any but NMI. Errors come through the request.
 */
void block_queue_add(struct block_request *request);

/**
 * block_end_request() - count and hand back to the caller
 * A BLOCK_FUA write on a disk that knows only flushes is followed by one first.
 */
void block_end_request(struct block_request *request, int error);

/** block_piece_flags() - of the requests that together carry out @request. */
unsigned int block_piece_flags(const struct block_request *request);

/** block_fits() - can the device take @request as it is? (block/split.c) */
bool block_fits(const struct block_request *request);

/** block_split() - carry out a request that does not fit, in pieces. Any context. (block/split.c)
 */
void block_split(struct block_request *request);

/** block_partition_register() - enter a partition of @whole whose start and sectors are set. */
int __must_check block_partition_register(struct block_device *partition,
                                          struct block_device *whole, unsigned int number);
