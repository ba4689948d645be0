/*
 * Two machines and the wire between them, in one kernel.
 *
 * The stack is one, so its two ends are two devices, and the wire translates: what leaves device A
 * (10.1.0.1) for 10.1.0.2 arrives at device B (10.2.0.2) as if from 10.2.0.1, and back. Addresses
 * are rewritten by incremental checksum updates, so that what was damaged stays damaged. Link
 * addresses are answered by the wire itself. To the connection's two ends it looks like two hosts.
 *
 * The wire delays, limits the rate, loses, duplicates, reorders and corrupts frames by seed.
 */
#pragma once

#include "net/netdev.h"
#include "tests/unit/unit.h"

#define WIRE_A      IPV4(10, 1, 0, 1)
#define WIRE_A_PEER IPV4(10, 1, 0, 2) /* what A calls B */
#define WIRE_B      IPV4(10, 2, 0, 2)
#define WIRE_B_PEER IPV4(10, 2, 0, 1) /* what B calls A */

struct wire_conditions {
    uint64_t delay_ns;         /* one way */
    uint64_t jitter_ns;        /* up to this much more: reorders */
    uint64_t bytes_per_second; /* 0: no limit */
    unsigned int loss;         /* per 10,000 frames, as all below */
    unsigned int duplicate;
    unsigned int corrupt;
    unsigned int features; /* of the devices */
    unsigned int mtu;      /* 0: 1500 */
    unsigned int ring;     /* frames that a device holds until the line has taken them; 0: none */
};

/* A kernel with the stack, before host_run(). */
void wire_prepare(void);
/* The wire and its two devices. */
void wire_start(uint64_t seed, const struct wire_conditions *conditions);
void wire_set(const struct wire_conditions *conditions);
/* Everything is torn down; the stack's memory is checked to be back. */
void wire_stop(void);

/* Called for each IPv4 frame that A sends (Ethernet header included) before it is judged; returns
 * false to swallow it. NULL: none. For scripted peers and captures. */
extern bool (*wire_tap)(struct frame *frame);
extern unsigned int wire_frames_lost;

/* Hand @length bytes of IPv4 packet to device A as if from the wire. */
void wire_inject(const void *packet, size_t length);
struct netdev *wire_netdev_a(void);
