/*
 * Between the requests of a virtio-scsi adapter (virtio_scsi.c) and the search for its disks
 * (virtio_scsi_scan.c).
 */
#pragma once

#include "drivers/block/scsi.h"
#include "drivers/block/virtio_request.h"
#include "lib/list.h"

/* Configuration (5.6.4). */
enum {
    CONFIG_NUM_QUEUES = 0,
    CONFIG_SEG_MAX = 4,
    CONFIG_MAX_SECTORS = 8,
    CONFIG_SENSE_SIZE = 20,
    CONFIG_CDB_SIZE = 24,
    CONFIG_MAX_TARGET = 30,
    CONFIG_MAX_LUN = 32,
};

struct scsi_adapter {
    struct request_device requests;
    struct list disks; /* const once is_scanned */
    bool is_scanned;   /* atomic: pairs release in the probe, acquire in has_room() */
    uint32_t max_segments, max_sectors;
};

struct scsi_disk {
    struct block_device block;
    struct scsi_adapter *adapter;
    struct list_node node;
    uint16_t target, lun;
};

/* A command of our own, waiting for its answer. */
struct scsi_command {
    uint16_t target, lun;
    uint8_t cdb[SCSI_CDB_SIZE];
    void *data; /* to be filled; from the heap */
    uint32_t length;
    struct wait_group *group;
    int error; /* valid once the group is done */
};

extern const struct block_device_ops virtio_scsi_ops;

/**
 * virtio_scsi_scan() - find the disks of a started adapter and register them
 * Return: 0, or why not even the targets could be asked. Context: task.
 */
int __must_check virtio_scsi_scan(struct scsi_adapter *adapter);
