/*
 * A disk for tests: sparse, in memory, with a record of writes and flushes and faults on demand.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/nanofs/device.h"

struct sim_event { /* of the record */
    uint64_t block;
    void *data; /* NULL: a flush */
};

struct sim_disk {
    struct nanofs_device device;
    uint64_t blocks;
    void **chunks; /* of some blocks each, NULL: as in base, or zeros */
    const struct sim_disk *base;
    /* record */
    bool is_recording;
    struct sim_event *events;
    size_t event_count, event_room;
    /* faults: the n-th request from now fails, and those after it if it is lasting; 0: none */
    uint64_t fail_read, fail_write, fail_flush;
    bool is_lasting;
    unsigned int fail_percent; /* of writes, at random */
    uint64_t random_state;
    /* statistics */
    uint64_t reads, writes, flushes, blocks_read, blocks_written;
};

struct sim_disk *sim_disk_create(uint64_t blocks);
void sim_disk_destroy(struct sim_disk *disk);
/* A disk with the contents of @base, which must not change as long as it exists. */
struct sim_disk *sim_disk_overlay(const struct sim_disk *base);
void sim_disk_put(struct sim_disk *disk, uint64_t block, const void *data);
void sim_disk_get(const struct sim_disk *disk, uint64_t block, void *data);
void sim_disk_forget_record(struct sim_disk *disk);

/* The disk that nanofs_device_open() finds, whatever the name; NULL: none. */
extern struct sim_disk *sim_disk_current;
