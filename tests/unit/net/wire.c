/*
 * The simulated wire; see wire.h.
 */
#include "tests/unit/net/wire.h"

#include "arch/host/host.h"
#include "kernel/init.h"
#include "kernel/time/timer.h"
#include "lib/byteorder.h"
#include "lib/checksum.h"
#include "lib/errno.h"
#include "net/ethernet.h"
#include "net/ipv4.h"
#include "net/loopback.h"
#include "net/route.h"

struct end {
    struct netdev netdev;
    struct spinlock lock;
    struct frame_queue arrived;
    uint32_t own, peer;   /* addresses on this side */
    unsigned int sending; /* frames in the ring */
};

static struct end ends[2]; /* A and B */
static struct wire_conditions now;
static struct unit_random randomness;
static uint64_t free_at_ns[2]; /* when the line is free again, per direction */
static uint64_t last_arrival_ns[2];
unsigned int wire_frames_lost;
bool (*wire_tap)(struct frame *frame);

/* A frame under way; or, in a ring, on its way back to the sender. */
struct flight {
    struct timer timer;
    struct frame *frame;
    struct end *to;
};

static const uint8_t wire_mac[MAC_SIZE] = { 2, 0, 0, 0, 0, 0x99 };

/* ---- arriving ---- */

static void arrive(struct end *to, struct frame *frame)
{
    irqflags_t flags = spin_lock_irqsave(&to->lock);

    frame_queue_push(&to->arrived, frame);
    spin_unlock_irqrestore(&to->lock, flags);
    netdev_poll_schedule_isr(&to->netdev, 0);
}

static void landed(struct timer *timer)
{
    struct flight *flight = container_of(timer, struct flight, timer);

    arrive(flight->to, flight->frame);
    free(flight);
}

static unsigned int wire_poll(struct netdev *netdev, unsigned int queue, unsigned int budget)
{
    struct end *end = container_of(netdev, struct end, netdev);
    unsigned int count = 0;

    (void)queue;
    for (; count < budget; count++) {
        irqflags_t flags = spin_lock_irqsave(&end->lock);
        struct frame *frame = frame_queue_pop(&end->arrived);

        spin_unlock_irqrestore(&end->lock, flags);
        if (!frame)
            break;
        netdev_receive(netdev, frame);
    }
    return count;
}

static bool wire_poll_end(struct netdev *netdev, unsigned int queue)
{
    (void)queue;
    return container_of(netdev, struct end, netdev)->arrived.count > 0;
}

/* ---- under way ---- */

static bool happens(unsigned int per_10000)
{
    return per_10000 && unit_random_below(&randomness, 10000) < per_10000;
}

static void fly(struct end *from, struct frame *frame)
{
    unsigned int direction = from == &ends[1];
    uint64_t at = clock_now_ns();
    struct flight *flight = malloc(sizeof(*flight));

    if (now.bytes_per_second) {
        uint64_t start = free_at_ns[direction] > at ? free_at_ns[direction] : at;

        free_at_ns[direction] = start + frame->length * NS_PER_S / now.bytes_per_second;
        at = free_at_ns[direction];
    }
    at += now.delay_ns;
    if (now.jitter_ns)
        at += unit_random_below(&randomness, now.jitter_ns);
    else /* in order: timers of one moment expire in any */
        at = last_arrival_ns[direction] = MAX(at, last_arrival_ns[direction] + 1);
    flight->frame = frame;
    flight->to = &ends[!direction];
    timer_init(&flight->timer, "wire", landed);
    timer_start(&flight->timer, at, 0);
}

/* The other side's addresses into header and checksums. */
static void translate(struct end *from, struct frame *frame)
{
    struct end *to = &ends[from == &ends[0]];
    struct ipv4_header *ip = (void *)(frame_data(frame) + ETHERNET_HEADER_SIZE);
    uint32_t source = cpu_to_be32(to->peer), destination = cpu_to_be32(to->own);
    unsigned int offset = ip->protocol == IP_PROTOCOL_TCP ? 16 : 6;
    uint8_t *field = (uint8_t *)ip + (ip->version_ihl & 15) * 4 + offset;
    uint16_t sum = checksum_update32(checksum_update32(ip->checksum, ip->source, source),
                                     ip->destination, destination);

    ip->checksum = sum;
    if (ip->protocol != IP_PROTOCOL_ICMP && !(be16_to_cpu(ip->fragment) & IPV4_OFFSET_MASK)) {
        memcpy(&sum, field, 2);
        sum = checksum_update32(checksum_update32(sum, ip->source, source), ip->destination,
                                destination);
        memcpy(field, &sum, 2);
    }
    ip->source = source;
    ip->destination = destination;
    memcpy(frame_data(frame), to->netdev.mac, MAC_SIZE);
    memcpy(frame_data(frame) + MAC_SIZE, wire_mac, MAC_SIZE);
}

static void answer_arp(struct end *end, struct frame *frame)
{
    uint8_t *arp = frame_data(frame) + ETHERNET_HEADER_SIZE;

    if (load_be16(arp + 6) == 1 && load_be32(arp + 24) == end->peer) {
        uint8_t asked[4];

        memcpy(asked, arp + 24, 4);
        store_be16(arp + 6, 2);
        memcpy(arp + 18, arp + 8, 10);
        memcpy(arp + 8, wire_mac, MAC_SIZE);
        memcpy(arp + 14, asked, 4);
        memcpy(frame_data(frame), end->netdev.mac, MAC_SIZE);
        memcpy(frame_data(frame) + MAC_SIZE, wire_mac, MAC_SIZE);
        arrive(end, frame);
    } else {
        frame_free(frame);
    }
}

/* Cut a large frame as a device with TSO does, and check what it says of itself. */
static void carry_one(struct end *from, struct frame *frame)
{
    if (load_be16(frame_data(frame) + 12) == ETHERTYPE_ARP) {
        answer_arp(from, frame);
        return;
    }
    if (from == &ends[0] && wire_tap && !wire_tap(frame)) {
        frame_free(frame);
        return;
    }
    if (happens(now.loss)) {
        wire_frames_lost++;
        frame_free(frame);
        return;
    }
    translate(from, frame);
    if (happens(now.duplicate))
        fly(from, frame_copy(frame, 0));
    if (happens(now.corrupt))
        frame_data(frame)[unit_random_below(&randomness, frame->length)] ^=
            (uint8_t)(1u << unit_random_below(&randomness, 8));
    fly(from, frame);
}

static void segment(struct end *from, struct frame *large)
{
    uint8_t *data = frame_data(large);
    unsigned int ip_length = (data[ETHERNET_HEADER_SIZE] & 15) * 4;
    unsigned int tcp_at = ETHERNET_HEADER_SIZE + ip_length;
    unsigned int header = tcp_at + (data[tcp_at + 12] >> 4) * 4;
    uint32_t seq = load_be32(data + tcp_at + 4);

    for (uint32_t at = header; at < large->length; at += large->gso_size) {
        uint32_t length = MIN(large->length - at, (uint32_t)large->gso_size);
        struct frame *piece = frame_alloc(0, header + length, 1);
        uint8_t *to = frame_data(piece);
        struct ipv4_header *ip = (void *)(to + ETHERNET_HEADER_SIZE);

        memcpy(to, data, header);
        memcpy(to + header, data + at, length);
        ip->total_length = cpu_to_be16((uint16_t)(header + length - ETHERNET_HEADER_SIZE));
        ip->checksum = 0;
        ip->checksum = checksum(ip, ip_length);
        store_be32(to + tcp_at + 4, seq + at - header);
        if (at + length < large->length)
            to[tcp_at + 13] &= (uint8_t)~9; /* FIN and PSH on the last only */
        memset(to + tcp_at + 16, 0, 2);
        uint16_t sum = checksum_fold(
            checksum_partial(to + tcp_at, header + length - tcp_at,
                             ipv4_pseudo_sum(be32_to_cpu(ip->source), be32_to_cpu(ip->destination),
                                             IP_PROTOCOL_TCP, header + length - tcp_at)));
        memcpy(to + tcp_at + 16, &sum, 2);
        carry_one(from, piece);
    }
    frame_free(large);
}

static void carry(struct end *from, const struct frame *frame)
{
    struct frame *copy = frame_copy(frame, 0); /* the device reads it, once */

    if (!copy)
        return;
    if (copy->gso_type != FRAME_GSO_NONE && copy->gso_size > 0) {
        segment(from, copy);
        return;
    }
    assert_true(copy->length <= from->netdev.mtu + ETHERNET_HEADER_SIZE);
    assert_int_equal(frame_complete_checksum(copy), 0);
    copy->flags = 0;
    carry_one(from, copy);
}

/* ---- the ring ---- */

static void sent(struct timer *timer)
{
    struct flight *flight = container_of(timer, struct flight, timer);

    netdev_transmit_done(flight->frame);
    frame_free(flight->frame);
    flight->to->sending--;
    netdev_transmit_wake(&flight->to->netdev, 0);
    free(flight);
}

/* The driver has @frame back once the line has taken it. */
static void finish(struct end *from, struct frame *frame)
{
    struct flight *flight;

    if (!now.ring) {
        netdev_transmit_done(frame);
        frame_free(frame);
        return;
    }
    flight = malloc(sizeof(*flight));
    *flight = (struct flight){ .frame = frame, .to = from };
    from->sending++;
    timer_init(&flight->timer, "wire ring", sent);
    timer_start(&flight->timer, MAX(free_at_ns[from == &ends[1]], clock_now_ns()), 0);
}

static bool wire_transmit(struct netdev *netdev, unsigned int queue, struct frame_queue *frames)
{
    struct end *from = container_of(netdev, struct end, netdev);
    struct frame *frame;

    (void)queue;
    while ((!now.ring || from->sending < now.ring) && (frame = frame_queue_pop(frames)) != NULL) {
        carry(from, frame);
        finish(from, frame);
    }
    return !frame_queue_is_empty(frames);
}

static const struct netdev_ops wire_ops = {
    .transmit = wire_transmit,
    .poll = wire_poll,
    .poll_end = wire_poll_end,
};

/* ---- start and stop ---- */

static void add_end(struct end *end, uint32_t own, uint32_t peer, uint8_t number)
{
    memset(end, 0, sizeof(*end));
    end->own = own;
    end->peer = peer;
    spin_lock_init(&end->lock, "wire", LOCK_RANK_DEVICE);
    frame_queue_init(&end->arrived);
    strcpy(end->netdev.name, "eth");
    end->netdev.ops = &wire_ops;
    end->netdev.mtu = now.mtu ? now.mtu : 1500;
    end->netdev.features = now.features;
    end->netdev.is_link_up = true;
    end->netdev.driver = "wire";
    memcpy(end->netdev.mac, (uint8_t[]){ 2, 0, 0, 0, 0, number }, MAC_SIZE);
    assert_int_equal(netdev_register(&end->netdev), 0);
    assert_int_equal(interface_set_ipv4(&end->netdev, own, 24), 0);
}

void wire_set(const struct wire_conditions *conditions)
{
    now = *conditions;
}

void wire_start(uint64_t seed, const struct wire_conditions *conditions)
{
    randomness.state = seed;
    now = *conditions;
    wire_frames_lost = 0;
    wire_tap = NULL;
    free_at_ns[0] = free_at_ns[1] = last_arrival_ns[0] = last_arrival_ns[1] = 0;
    assert_non_null(loopback_netdev());
    add_end(&ends[0], WIRE_A, WIRE_A_PEER, 1);
    add_end(&ends[1], WIRE_B, WIRE_B_PEER, 2);
}

void wire_stop(void)
{
    path_mtu_flush();
    for (unsigned int i = 0; i < 2; i++) {
        netdev_unregister(&ends[i].netdev);
        frame_queue_purge(&ends[i].arrived);
    }
    host_advance_ns(2 * NS_PER_S); /* timers that find nothing to do any more */
}

void wire_prepare(void)
{
    if (loopback_netdev())
        return;
    host_kernel_start();
    init_run_level(INIT_SMP);
    init_run_level(INIT_BUS);
}

struct netdev *wire_netdev_a(void)
{
    return &ends[0].netdev;
}

void wire_inject(const void *packet, size_t length)
{
    struct frame *frame = frame_alloc(0, ETHERNET_HEADER_SIZE + (uint32_t)length, 1);
    uint8_t *to = frame_data(frame);

    memcpy(to, ends[0].netdev.mac, MAC_SIZE);
    memcpy(to + MAC_SIZE, wire_mac, MAC_SIZE);
    store_be16(to + 12, ETHERTYPE_IPV4);
    memcpy(to + ETHERNET_HEADER_SIZE, packet, length);
    arrive(&ends[0], frame);
}
