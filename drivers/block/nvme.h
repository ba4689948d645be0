/*
 * NVMe controllers (NVM Express Base Specification 1.4), for the files drivers/block/nvme*.c only:
 *
 *     nvme.c           a controller: registers, enabling, resetting, interrupts, probing
 *     nvme_queue.c     a pair of rings: commands in, completions out
 *     nvme_admin.c     commands about the controller: identify, features, creating queues
 *     nvme_disk.c      namespaces as block devices
 *     nvme_identify.c  what the controller says of itself; pure functions of bytes
 *
 * Locks: one per queue (LOCK_RANK_DEVICE). A reset closes the queues first: then nobody but the
 * block layer's recovery task, of which there is one, touches the controller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block/block_device.h"
#include "drivers/bus/pci.h"
#include "kernel/sync/wait_group.h"

#define NVME_PAGE_SIZE     4096 /* CC.MPS = 0 */
#define NVME_QUEUES_MAX    64
#define NVME_ADMIN_ENTRIES 32
#define NVME_IO_ENTRIES    128
#define NVME_LIST_ENTRIES  128 /* PRP entries besides the first: 512 KiB wherever it starts */
#define NVME_LIST_BYTES    (NVME_LIST_ENTRIES * sizeof(uint64_t)) /* 1 KiB: crosses no page */
#define NVME_TRANSFER_MAX  (NVME_LIST_ENTRIES * NVME_PAGE_SIZE)

enum nvme_admin_opcode { /* figure 139 */
    NVME_ADMIN_CREATE_SQ = 0x01,
    NVME_ADMIN_CREATE_CQ = 0x05,
    NVME_ADMIN_IDENTIFY = 0x06,
    NVME_ADMIN_SET_FEATURES = 0x09,
};

enum nvme_opcode { /* figure 346 */
    NVME_FLUSH = 0x00,
    NVME_WRITE = 0x01,
    NVME_READ = 0x02,
    NVME_DATASET_MANAGEMENT = 0x09,
};

struct nvme_command { /* submission queue entry (4.2) */
    uint8_t opcode;
    uint8_t flags;
    uint16_t cid;
    uint32_t nsid;
    uint64_t reserved;
    uint64_t metadata;
    uint64_t prp1, prp2;
    uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
BUILD_ASSERT(sizeof(struct nvme_command) == 64, "NVMe 4.2");

struct nvme_completion { /* completion queue entry (4.6) */
    uint32_t result;
    uint32_t reserved;
    uint16_t sq_head, sq_id;
    uint16_t cid;
    uint16_t status; /* bit 0 is the phase */
};
BUILD_ASSERT(sizeof(struct nvme_completion) == 16, "NVMe 4.6");

struct nvme_range { /* dataset management (6.7) */
    uint32_t attributes;
    uint32_t blocks;
    uint64_t lba;
};

/* ---- queues -------------------------------------------------------------------------------- */

/* The command has ended. Context: softirq or task, no locks held. */
typedef void (*nvme_done_t)(void *owner, int error, uint32_t result);

/* A command in flight; its index is the command identifier. */
struct nvme_slot {
    struct nvme_slot *next_free;
    nvme_done_t done; /* NULL: free */
    void *owner;
};

struct nvme_controller;

struct nvme_queue {
    struct nvme_controller *controller; /* const, as all of this block */
    uint16_t id;                        /* 0: admin */
    uint16_t size;                      /* of both rings; a power of two */
    volatile void *tail_doorbell, *head_doorbell;
    struct nvme_command *submissions;
    volatile struct nvme_completion *completions;
    uint64_t *lists;         /* NVME_LIST_BYTES for each slot; NULL for the admin queue */
    struct nvme_slot *slots; /* size - 1: so neither ring is ever full */
    struct block_poll poll;
    char name[24]; /* for irqstat: "nvme0 queue 1" */

    struct spinlock lock; /* rank: LOCK_RANK_DEVICE */
    bool is_open __guarded_by(lock);
    bool is_broken __guarded_by(lock); /* the device said what cannot be */
    struct nvme_slot *free_slots __guarded_by(lock);
    uint32_t submitted __guarded_by(lock);    /* commands put in the ring, ever */
    uint32_t announced __guarded_by(lock);    /* of them, told to the device */
    uint32_t completed __guarded_by(lock);    /* completions taken, ever */
    uint32_t acknowledged __guarded_by(lock); /* of them, told to the device */
    unsigned int reapers;                     /* atomic: under way in nvme_queue_reap() */
};

/* What nvme_queue_submit() sends. */
struct nvme_request {
    struct nvme_command command;            /* without cid and PRPs */
    const struct scatter_segment *segments; /* dwords; inner edges on pages; NULL: no data */
    size_t segment_count;
    const struct nvme_range *range; /* data of dataset management; NULL */
    nvme_done_t done;
    void *owner;
};

/** nvme_queue_create() - rings and slots, closed; NULL when out of memory. Context: task. */
struct nvme_queue *nvme_queue_create(struct nvme_controller *controller, uint16_t id,
                                     uint16_t size);
void nvme_queue_destroy(struct nvme_queue *queue);

/** nvme_queue_submit() - put a command in the ring. 0 or -EBUSY (full, closed). Context: any. */
int __must_check nvme_queue_submit(struct nvme_queue *queue, const struct nvme_request *request);
/** nvme_queue_kick() - ring the doorbell for what was submitted. Context: any. */
void nvme_queue_kick(struct nvme_queue *queue);
/** nvme_queue_reap() - end the commands whose completions have come. Context: softirq or task. */
void nvme_queue_reap(struct nvme_queue *queue);
/** nvme_queue_has_completions() - is there something to reap? Context: any. */
bool nvme_queue_has_completions(const struct nvme_queue *queue);

/** nvme_queue_open() - the controller knows the queue: commands may come. */
void nvme_queue_open(struct nvme_queue *queue);
/** nvme_queue_close() - none comes any more, and none is being reaped. Context: task. */
void nvme_queue_close(struct nvme_queue *queue);
/**
 * nvme_queue_reset() - end what is in flight with @error, and empty the rings
 * The queue is closed, and the controller has no access to memory. Context: task.
 */
void nvme_queue_reset(struct nvme_queue *queue, int error);

/* ---- controllers --------------------------------------------------------------------------- */

struct nvme_controller {
    struct pci_device *pci;
    char name[8]; /* "nvme0" */
    uint8_t *registers;
    size_t registers_length;
    uint32_t doorbell_stride; /* bytes */
    uint16_t max_entries;     /* of a queue */
    uint64_t ready_timeout_ns;

    /* const once started */
    struct nvme_queue *admin;
    struct nvme_queue *queues[NVME_QUEUES_MAX];
    unsigned int queue_count;
    unsigned int vectors; /* MSI-X table entries; 0: INTx */
    struct irq *intx;
    uint32_t max_transfer; /* bytes */
    bool has_write_cache, has_discard;
    char model[41];

    struct nvme_disk **disks; /* const once is_scanned */
    unsigned int disk_count;
    bool is_scanned; /* atomic: pairs release in nvme_disks_scan(), acquire in its readers */
    bool is_dead;    /* recovery task only */

    struct wait_group started; /* for the probe, which waits a while */
};

/**
 * nvme_reset() - disable and enable; what was in flight ends with -EAGAIN. Context: task.
 * Return: 0 it works again; -errno it does not and will not: its access to memory is off.
 */
int __must_check nvme_reset(struct nvme_controller *controller);

/** nvme_broken() - the controller broke its contract: have it reset. Context: any. */
void nvme_broken(struct nvme_controller *controller);

/** nvme_quiesce() - it will not touch memory any more, one way or the other. Task. 0 or -errno. */
int nvme_quiesce(struct nvme_controller *controller);

/** nvme_unmask() - a reap is over: the INTx line may speak again. Context: any. */
void nvme_unmask(struct nvme_controller *controller);

/* ---- admin commands: task; 0 or -errno ------------------------------------------------------ */

/* Identify into @data, a page. */
int __must_check nvme_identify_controller(struct nvme_controller *controller, uint8_t *data);
int __must_check nvme_identify_namespace(struct nvme_controller *controller, uint32_t nsid,
                                         uint8_t *data);
/* Active namespaces above @after, in order, up to 1024; 0 ends the list. */
int __must_check nvme_identify_list(struct nvme_controller *controller, uint32_t after,
                                    uint8_t *data);
/* How many I/O queues may be made: *@count is lowered to that. */
int __must_check nvme_set_queue_count(struct nvme_controller *controller, unsigned int *count);
int __must_check nvme_create_queue(struct nvme_controller *controller, struct nvme_queue *queue,
                                   uint16_t vector);

/* ---- what bytes mean ------------------------------------------------------------------------ */

struct nvme_controller_data {
    char model[41];
    uint32_t max_transfer; /* bytes, UINT32_MAX: no limit */
    bool has_write_cache, has_discard;
};
void nvme_parse_controller(const uint8_t *data, struct nvme_controller_data *parsed);

struct nvme_namespace_data {
    uint64_t blocks;
    uint32_t block_size;
    bool is_read_only;
};
/** nvme_parse_namespace() - -ENODEV inactive; -ENOTSUP a format with metadata, or odd blocks. */
int __must_check nvme_parse_namespace(const uint8_t *data, struct nvme_namespace_data *parsed);

/** nvme_status_error() - errno of a completion's status field (4.6.1), the phase bit included. */
int nvme_status_error(uint16_t status);

/* ---- disks ---------------------------------------------------------------------------------- */

/** nvme_disks_scan() - find the namespaces and register them. Context: task. */
int __must_check nvme_disks_scan(struct nvme_controller *controller);
/** nvme_disks_retry() - there is room in the queues. Context: softirq or task. */
void nvme_disks_retry(struct nvme_controller *controller);
/** nvme_disks_recover() - the controller is broken, or dead: all of its disks. Context: any. */
void nvme_disks_recover(struct nvme_controller *controller, unsigned int count);
