/*
 * virtio devices (VIRTIO 1.2), whatever carries them: PCI legacy, PCI modern, MMIO.
 *
 * A driver:
 *     VIRTIO_DRIVER(virtio_blk, VIRTIO_ID_BLOCK, virtio_blk_probe);
 *
 *     probe(device):
 *         virtio_negotiate(device, features I can use);
 *         read its configuration with virtio_config_read();
 *         virtio_queues_create(device, specs, count);
 *         virtio_start(device);                  the device is live, buffers may be added
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/virtio/virtq.h"
#include "lib/compiler.h"
#include "lib/list.h"
#include "lib/registry.h"

enum virtio_id { /* 5 */
    VIRTIO_ID_NET = 1,
    VIRTIO_ID_BLOCK = 2,
    VIRTIO_ID_ENTROPY = 4,
    VIRTIO_ID_SCSI = 8,
};

/* Device status field (2.1). */
#define VIRTIO_STATUS_ACKNOWLEDGE 1
#define VIRTIO_STATUS_DRIVER      2
#define VIRTIO_STATUS_DRIVER_OK   4
#define VIRTIO_STATUS_FEATURES_OK 8
#define VIRTIO_STATUS_NEEDS_RESET 64
#define VIRTIO_STATUS_FAILED      128

/* Reserved feature bits (6), by number. */
#define VIRTIO_F_ANY_LAYOUT      27
#define VIRTIO_F_INDIRECT_DESC   28
#define VIRTIO_F_EVENT_IDX       29
#define VIRTIO_F_VERSION_1       32
#define VIRTIO_F_ACCESS_PLATFORM 33

#define VIRTIO_FEATURE(bit) (1ULL << (bit))

struct virtio_device;

/* What a transport does. All: any context unless said; none sleeps but where noted. */
struct virtio_transport_ops {
    const char *name; /* "pci", "pci-legacy", "mmio", "mmio-legacy" */
    uint8_t (*get_status)(struct virtio_device *device);
    void (*set_status)(struct virtio_device *device, uint8_t status); /* 0 resets */
    uint64_t (*get_features)(struct virtio_device *device);
    void (*set_features)(struct virtio_device *device, uint64_t features);
    uint32_t (*config_generation)(struct virtio_device *device); /* legacy: always 0 */
    void (*config_read)(struct virtio_device *device, size_t offset, void *buffer, size_t length);
    void (*config_write)(struct virtio_device *device, size_t offset, const void *buffer,
                         size_t length);
    uint16_t (*queue_max_size)(struct virtio_device *device, unsigned int index); /* 0: none */
    /* Optional: the configuration's interrupt, after every reset, before queues are activated. */
    int (*config_vector_activate)(struct virtio_device *device);
    /* Tell the device where the rings are and switch the queue on. 0 or -errno. */
    int (*queue_activate)(struct virtio_device *device, struct virtq *vq);
    void (*notify)(struct virtio_device *device, struct virtq *vq);
    /* Task: before queues are activated, route interrupts for device->queues; and undo it. */
    int (*interrupts_request)(struct virtio_device *device);
    void (*interrupts_free)(struct virtio_device *device);
    /* Optional: a device that does not answer a reset loses its access to memory, for ever. */
    void (*revoke)(struct virtio_device *device);
};

struct virtio_device {
    struct list_node node;
    const struct virtio_transport_ops *transport; /* const */
    uint32_t id;                                  /* const: enum virtio_id */
    char name[24];                                /* const: "0000:00:04.0", "mmio@feb00e00" */
    bool is_legacy;                               /* const */
    uint64_t features;                            /* negotiated; const after virtio_negotiate() */
    struct virtq **queues;                        /* const after virtio_queues_create() */
    unsigned int queue_count;
    void (*config_changed)(struct virtio_device *device); /* ISR; may be NULL; set before start */
    const struct virtio_driver *driver;                   /* NULL: nobody took it */
    void *driver_data;
    unsigned int restarts; /* times virtio_restart() was needed */
};

static inline bool virtio_has_feature(const struct virtio_device *device, unsigned int bit)
{
    return device->features & VIRTIO_FEATURE(bit);
}

static inline void virtio_notify(struct virtq *vq)
{
    vq->device->transport->notify(vq->device, vq);
}

/**
 * virtio_negotiate() - reset, acknowledge, and agree on features
 * @wanted: what the driver can use; the ring features and VERSION_1 are added here.
 * Return: 0 with device->features set; -EIO no answer to reset; -ENOTSUP features refused.
 * Context: task. Spec: 3.1.1 Driver Initialization.
 */
int __must_check virtio_negotiate(struct virtio_device *device, uint64_t wanted);

/** virtio_config_read() - a field of the device's configuration, whole even if it changes
 * meanwhile. */
void virtio_config_read(struct virtio_device *device, size_t offset, void *buffer, size_t length);
uint8_t virtio_config_read8(struct virtio_device *device, size_t offset);
uint16_t virtio_config_read16(struct virtio_device *device, size_t offset);
uint32_t virtio_config_read32(struct virtio_device *device, size_t offset);
uint64_t virtio_config_read64(struct virtio_device *device, size_t offset);

struct virtq_spec {
    const char *name;                   /* for irqstat: "input.0"; lives as long as the device */
    void (*callback)(struct virtq *vq); /* Context: ISR; NULL: never interrupts */
    void *context;
    uint16_t max_size;   /* 0: as large as the device offers, up to 1024 */
    bool has_cpu;        /* interrupt @cpu, if it is online and there is a vector per queue; */
    unsigned int cpu;    /* otherwise queues are spread over the CPUs */
    bool ignores_length; /* see struct virtq */
};

/**
 * virtio_queues_create() - make and activate queues 0 to @count - 1, and route their interrupts
 * One MSI-X vector per queue where there are enough, else one for all, else the INTx line.
 * Context: task. Return: 0; -ENODEV a queue does not exist; -ENOMEM; other transport errors.
 */
int __must_check virtio_queues_create(struct virtio_device *device, const struct virtq_spec *specs,
                                      unsigned int count);

/** virtio_start() - DRIVER_OK. From now on the device may use buffers and interrupt. */
void virtio_start(struct virtio_device *device);

/**
 * virtio_restart() - after a broken queue, NEEDS_RESET or a hang: reset, and bring up again with
 * the same features and queues. @drop gets every token in flight, after the device has let go of
 * the memory. Caller: no other use of the queues meanwhile. Context: task.
 * Return: 0, or -EIO when the device does not come back (it then stays reset).
 */
int __must_check virtio_restart(struct virtio_device *device,
                                void (*drop)(struct virtq *vq, void *token));

/** virtio_stop() - reset the device, free queues and interrupts: a failed probe's way out. Task. */
void virtio_stop(struct virtio_device *device);

/** virtio_needs_reset() - a queue is broken, or the device says so itself. */
bool virtio_needs_reset(struct virtio_device *device);

struct virtio_driver {
    const char *name;
    uint32_t id; /* enum virtio_id */
    /* 0: taken; -errno: failed, after virtio_stop(); logged by the caller. Context: task. */
    int (*probe)(struct virtio_device *device);
};

#define VIRTIO_DRIVER(name_, id_, probe_)                                                          \
    REGISTRY_ENTRY(virtio_driver, name_##_virtio_driver,                                           \
                   { .name = #name_, .id = (id_), .probe = (probe_) })

/**
 * virtio_device_register() - a transport found a device: find its driver and probe it
 * The device structure lives for ever. Context: task.
 * Return: 0 also when no driver wants it; the probe's error.
 */
int __must_check virtio_device_register(struct virtio_device *device);

/* For transports: an interrupt for one queue, for all queues, for the configuration. ISR. */
void virtio_queue_interrupt_isr(struct virtq *vq);
void virtio_all_queues_interrupt_isr(struct virtio_device *device);
void virtio_config_interrupt_isr(struct virtio_device *device);

/** virtio_for_each() - every registered device, in order of discovery. Context: any. */
void virtio_for_each(bool (*visit)(struct virtio_device *device, void *arg), void *arg);
