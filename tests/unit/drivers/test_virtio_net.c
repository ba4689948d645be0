/*
 * virtio-net against a simulated device that follows VIRTIO 1.2, 5.1 - and against ones that lie.
 *
 * Received: every frame reaches the stack once, whole, and stays as it was while somebody holds it.
 * Sent: every frame reaches the device once, in order; a full ring makes frames wait and nobody
 * spin. What a device must not say is counted, and never believed.
 */
// links: drivers/net/virtio_net.c net/netdev.c net/loopback.c net/arp.c
#include "tests/unit/unit.h"

#include "arch/host/host.h"
#include "arch/mmu.h"
#include "drivers/net/virtio_net.h"
#include "kernel/init.h"
#include "lib/errno.h"
#include "net/ethernet.h"
#include "net/loopback.h"

#define RX           0
#define TX           1
#define FRAME_MAX    65000
#define HELD_MAX     64
#define MODERN       VIRTIO_FEATURE(VIRTIO_F_VERSION_1)
#define MERGEABLE    VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define ALL_FEATURES UINT64_MAX

/* ---- the device ----------------------------------------------------------------------------- */

static struct model {
    struct virtio_device virtio;
    uint64_t features;
    uint16_t ring_size;
    uint8_t status;
    struct virtq *queues[2];
    uint16_t seen[2]; /* the device's place in each available ring */
    unsigned int notifications;
} * model;

static uint8_t get_status(struct virtio_device *virtio)
{
    return container_of(virtio, struct model, virtio)->status;
}

static void set_status(struct virtio_device *virtio, uint8_t status)
{
    container_of(virtio, struct model, virtio)->status = status;
}

static uint64_t get_features(struct virtio_device *virtio)
{
    return container_of(virtio, struct model, virtio)->features;
}

static void set_features(struct virtio_device *virtio, uint64_t features)
{
    assert_int_equal(features & ~get_features(virtio), 0); /* 2.2.1: none that was not offered */
}

static uint32_t config_generation(struct virtio_device *virtio)
{
    (void)virtio;
    return 0;
}

/* MAC, status, pairs, MTU. */
static void config_read(struct virtio_device *virtio, size_t offset, void *buffer, size_t length)
{
    static const uint8_t config[12] = { 2, 0, 0, 0,    0, 7, VIRTIO_STATUS_ACKNOWLEDGE,
                                        0, 1, 0, 0xdc, 5 };
    (void)virtio;
    assert_true(offset + length <= sizeof(config));
    memcpy(buffer, config + offset, length);
}

static uint16_t queue_max_size(struct virtio_device *virtio, unsigned int index)
{
    return index < 2 ? container_of(virtio, struct model, virtio)->ring_size : 0;
}

static int queue_activate(struct virtio_device *virtio, struct virtq *vq)
{
    container_of(virtio, struct model, virtio)->queues[vq->index] = vq;
    return 0;
}

static void notify(struct virtio_device *virtio, struct virtq *vq)
{
    (void)vq;
    container_of(virtio, struct model, virtio)->notifications++;
}

static int interrupts_request(struct virtio_device *virtio)
{
    (void)virtio;
    return 0;
}

static void interrupts_free(struct virtio_device *virtio)
{
    (void)virtio;
}

static const struct virtio_transport_ops transport = {
    .name = "test",
    .get_status = get_status,
    .set_status = set_status,
    .get_features = get_features,
    .set_features = set_features,
    .config_generation = config_generation,
    .config_read = config_read,
    .queue_max_size = queue_max_size,
    .queue_activate = queue_activate,
    .notify = notify,
    .interrupts_request = interrupts_request,
    .interrupts_free = interrupts_free,
};

static void interrupt(void *queue)
{
    virtio_queue_interrupt_isr(queue);
}

static void raise_interrupt(unsigned int queue)
{
    host_interrupt(interrupt, model->queues[queue]);
    host_settle();
}

/* A chain's pieces, copied into (from the driver) or out of (to it) one stretch of bytes. */
struct chain {
    uint16_t head;
    size_t count;
    struct {
        uint8_t *data;
        uint32_t length;
        bool is_writable;
    } pieces[32];
};

static bool take_chain(unsigned int queue, struct chain *chain)
{
    struct virtq *vq = model->queues[queue];

    if (model->seen[queue] == vq->avail->idx)
        return false;
    chain->head = vq->avail->ring[model->seen[queue]++ % vq->size];
    chain->count = 0;
    volatile struct virtq_desc *table = vq->desc;
    uint16_t at = chain->head;
    if (table[at].flags & VIRTQ_DESC_F_INDIRECT) {
        table = phys_to_virt(table[at].addr);
        at = 0;
    }
    for (;; at = table[at].next) {
        assert_true(chain->count < ARRAY_SIZE(chain->pieces));
        chain->pieces[chain->count].data = phys_to_virt(table[at].addr);
        chain->pieces[chain->count].length = table[at].len;
        chain->pieces[chain->count++].is_writable = table[at].flags & VIRTQ_DESC_F_WRITE;
        if (!(table[at].flags & VIRTQ_DESC_F_NEXT))
            return true;
    }
}

static void put_used(unsigned int queue, uint32_t id, uint32_t length)
{
    struct virtq *vq = model->queues[queue];
    volatile struct virtq_used_elem *elem = &vq->used->ring[vq->used->idx % vq->size];

    elem->id = id;
    elem->len = length;
    vq->used->idx++;
}

static unsigned int buffers_ready(void)
{
    return (uint16_t)(model->queues[RX]->avail->idx - model->seen[RX]);
}

static size_t write_chain(const struct chain *chain, const uint8_t *bytes, size_t length)
{
    size_t done = 0;

    for (size_t i = 0; i < chain->count; i++) {
        size_t piece = MIN_T(size_t, length - done, chain->pieces[i].length);
        assert_true(chain->pieces[i].is_writable);
        memcpy(chain->pieces[i].data, bytes + done, piece);
        done += piece;
    }
    return done;
}

static unsigned int header_size(void)
{
    return model->features & (MODERN | MERGEABLE) ? 12 : 10;
}

/* Header and frame into as many buffers as it takes. Return: false without enough of them. */
static bool device_delivers(const uint8_t *frame, size_t length)
{
    static uint8_t bytes[sizeof(struct virtio_net_hdr) + FRAME_MAX];
    size_t total = header_size() + length;
    struct virtio_net_hdr header = { .num_buffers = 0 };
    struct chain chains[20];
    size_t done = 0, written[20];
    unsigned int count = 0;

    if (buffers_ready() < (model->features & MERGEABLE ? total / 3000 + 2 : 1))
        return false;
    memcpy(bytes + header_size(), frame, length);
    memcpy(bytes, &header, header_size());
    while (done < total) {
        assert_true(take_chain(RX, &chains[count]));
        written[count] = write_chain(&chains[count], bytes + done, total - done);
        done += written[count++];
    }
    assert_true(count == 1 || model->features & MERGEABLE);
    if (header_size() == 12) { /* the place of the count is known, now its value is too */
        uint8_t *first = chains[0].pieces[0].data;
        memcpy(first + 10, &(uint16_t){ (uint16_t)count }, 2);
    }
    for (unsigned int i = 0; i < count; i++)
        put_used(RX, chains[i].head, (uint32_t)written[i]);
    return true;
}

/* ---- the stack, in place of net/ethernet.c --------------------------------------------------- */

const uint8_t ethernet_broadcast[MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static struct frame *held[HELD_MAX];
static uint32_t held_number[HELD_MAX];
static uint32_t next_number; /* of the frame to come */
static bool is_content_known;
static unsigned int arrived;

static size_t length_of(uint32_t number, size_t most)
{
    struct unit_random random = { number };

    return 18 + unit_random_below(&random, most - 17);
}

/* Every byte says which frame it is of and where it is in it. */
static size_t make_frame(uint8_t *bytes, uint32_t number, size_t most)
{
    size_t length = length_of(number, most);

    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(number * 31 + i * 7 + (i >> 8));
    memcpy(bytes, &number, sizeof(number));
    return length;
}

static size_t largest;

static void check_frame(const struct frame *frame, uint32_t number)
{
    static uint8_t expected[FRAME_MAX], bytes[FRAME_MAX];
    size_t length = make_frame(expected, number, largest);

    assert_int_equal(frame->length, length);
    frame_copy_out(frame, 0, bytes, frame->length);
    assert_memory_equal(bytes, expected, length);
}

static void let_go(unsigned int slot)
{
    if (held[slot])
        check_frame(held[slot], held_number[slot]);
    frame_free(held[slot]);
    held[slot] = NULL;
}

void ethernet_input(struct netdev *netdev, struct frame *frame)
{
    unsigned int slot = next_number % HELD_MAX;
    (void)netdev;

    arrived++;
    if (!is_content_known) {
        uint8_t bytes[64];
        frame_copy_out(frame, 0, bytes, MIN(frame->length, (uint32_t)sizeof(bytes)));
        frame_free(frame);
        return;
    }
    let_go(slot); /* 64 frames later it is still what it was */
    check_frame(frame, next_number);
    held[slot] = frame;
    held_number[slot] = next_number++;
}

void ethernet_output(struct netdev *netdev, struct frame *frame,
                     const uint8_t destination[MAC_SIZE], uint16_t type)
{
    (void)netdev, (void)destination, (void)type;
    frame_free(frame);
}

/* ---- start and stop -------------------------------------------------------------------------- */

static struct netdev *netdev;

static void start(uint64_t features, uint16_t ring_size)
{
    if (!loopback_netdev()) {
        host_kernel_start();
        init_run_level(INIT_SMP);
        init_run_level(INIT_BUS);
    }
    model = calloc(1, sizeof(*model)); /* a device lives for ever: virtio_device_register() */
    model->features =
        features & ~VIRTIO_FEATURE(VIRTIO_NET_F_MQ) & ~VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ);
    model->ring_size = ring_size;
    model->virtio.transport = &transport;
    model->virtio.id = VIRTIO_ID_NET;
    model->virtio.is_legacy = !(features & MODERN);
    strcpy(model->virtio.name, "test");
    next_number = arrived = 0;
    is_content_known = true;
    largest = 1514;
    assert_int_equal(virtio_device_register(&model->virtio), 0);
    netdev = &((struct virtio_net *)model->virtio.driver_data)->netdev;
    host_settle();
    assert_true(buffers_ready() > 0);
}

static void drop_page(struct virtq *vq, void *page)
{
    (void)vq, (void)page; /* rings of a device that is gone: their buffers go with the program */
}

static void stop(void)
{
    for (unsigned int i = 0; i < HELD_MAX; i++)
        let_go(i);
    netdev_unregister(netdev);
    for (unsigned int i = 0; i < 2; i++)
        virtq_reset(model->queues[i], drop_page);
    host_settle();
}

static uint64_t drops(enum netdev_drop reason)
{
    return atomic_load_relaxed(&netdev->counters.drops[reason]);
}

/* 5.1.3.1: segmentation without checksums is not taken, whatever is offered. */
static void test_features(void **state)
{
    (void)state;
    start(ALL_FEATURES & ~VIRTIO_FEATURE(VIRTIO_NET_F_CSUM), 64);
    assert_int_equal(netdev->features & (NETDEV_TX_CSUM | NETDEV_TSO4), 0);
    assert_false(virtio_has_feature(&model->virtio, VIRTIO_NET_F_HOST_TSO4));
    stop();
    start(ALL_FEATURES & ~VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM), 64);
    assert_false(virtio_has_feature(&model->virtio, VIRTIO_NET_F_GUEST_TSO4));
    stop();
    start(ALL_FEATURES, 64);
    assert_int_equal(netdev->features & (NETDEV_TX_CSUM | NETDEV_TSO4),
                     NETDEV_TX_CSUM | NETDEV_TSO4);
    stop();
}

/* ---- receiving --------------------------------------------------------------------------------
 */

static const uint64_t shapes[] = {
    ALL_FEATURES,
    ALL_FEATURES & ~MERGEABLE,
    ALL_FEATURES & ~VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX) & ~VIRTIO_FEATURE(VIRTIO_F_INDIRECT_DESC),
    ALL_FEATURES & ~MODERN,
    ALL_FEATURES & ~MODERN & ~MERGEABLE,
    ALL_FEATURES & ~MODERN & ~MERGEABLE & ~VIRTIO_FEATURE(VIRTIO_F_ANY_LAYOUT),
    VIRTIO_FEATURE(VIRTIO_NET_F_MAC), /* a legacy device that can do nothing */
};

/* Bursts of all sizes up to the ring's, with interrupts when the driver wants them. */
static void receive_many(uint64_t features, uint16_t ring_size, size_t most, uint32_t number)
{
    static uint8_t frame[FRAME_MAX];
    struct unit_random random = { features + ring_size };
    uint32_t sent = 0;

    start(features, ring_size);
    largest = most;
    while (sent < number) {
        unsigned int burst = 1 + (unsigned int)unit_random_below(&random, ring_size);
        size_t length = make_frame(frame, sent, most);
        while (burst-- > 0 && sent < number && device_delivers(frame, length))
            length = make_frame(frame, ++sent, most);
        raise_interrupt(RX);
        assert_int_equal(next_number, sent);
    }
    assert_int_equal(arrived, number);
    for (unsigned int i = 0; i < NETDEV_DROP_COUNT; i++)
        assert_int_equal(drops(i), 0);
    stop();
}

static void test_every_frame_once_and_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        receive_many(shapes[i], 16, 1514, 300);
        receive_many(shapes[i], 256, 1514, 1500);
        receive_many(shapes[i], 1024, 1514, 1500);
    }
}

static void test_large_frames_in_many_buffers(void **state)
{
    (void)state;
    receive_many(ALL_FEATURES, 256, 60000, 400);
    receive_many(ALL_FEATURES & ~MODERN, 256, 60000, 400);
}

/* Frames that nobody has room for are lost, and the ring is full again a moment later. */
static void test_no_memory(void **state)
{
    uint8_t frame[1514];
    (void)state;

    start(ALL_FEATURES, 64);
    unsigned int full = buffers_ready();
    size_t length = make_frame(frame, 0, largest);
    assert_true(device_delivers(frame, length));
    host_fail_allocations_from(1);
    raise_interrupt(RX);
    host_fail_allocations_from(0);
    assert_int_equal(arrived, 0);
    assert_int_equal(drops(NETDEV_DROP_RX_NO_MEMORY), 1);
    host_advance_ns(NS_PER_S);
    assert_int_equal(buffers_ready(), full);
    assert_true(device_delivers(frame, length));
    raise_interrupt(RX);
    assert_int_equal(arrived, 1);
    stop();
}

/* The driver's buffers in the ring that are smaller than @size. */
static unsigned int count_smaller(uint32_t size)
{
    const struct virtq *vq = model->queues[RX];
    unsigned int count = 0;

    for (uint16_t at = model->seen[RX]; at != vq->avail->idx; at++)
        count += vq->desc[vq->avail->ring[at % vq->size]].len < size;
    return count;
}

/* Memory is there, but in pieces: frames of all sizes come in small buffers and large ones. */
static void test_memory_in_pieces(void **state)
{
    static uint8_t frame[FRAME_MAX];
    unsigned int full, seen_small = 0;
    (void)state;

    start(ALL_FEATURES, 256);
    full = buffers_ready();
    largest = 60000;
    assert_int_equal(count_smaller(2 * PAGE_SIZE), 0);
    for (uint32_t number = 0; number < 400; number++) {
        if (number % 3 == 0 && length_of(number, largest) > 2000)
            host_fail_allocation(2); /* the first is the frame, then come the new buffers */
        assert_true(device_delivers(frame, make_frame(frame, number, largest)));
        raise_interrupt(RX);
        assert_int_equal(next_number, number + 1);
        assert_int_equal(buffers_ready(), full);
        seen_small += count_smaller(2 * PAGE_SIZE) > 0;
    }
    host_fail_allocation(0);
    assert_in_range(seen_small, 200, 400);
    assert_true(count_smaller(2 * PAGE_SIZE) < full);
    stop();
}

/* A small frame does not keep a large buffer: it goes back to the ring as it is. */
static void test_small_frames_pin_little(void **state)
{
    uint8_t frame[1514];
    (void)state;

    start(ALL_FEATURES, 256);
    for (uint32_t number = 0; number < HELD_MAX; number++) {
        assert_true(device_delivers(frame, make_frame(frame, number, largest)));
        raise_interrupt(RX);
        assert_true(frame_truesize(held[number]) < 2048);
    }
    stop();
}

/* ---- devices that lie while frames come in --------------------------------------------------- */

/* One used element of @length bytes, in whose header @buffers stands. Return: the buffer's number.
 */
static uint16_t deliver_lie(uint32_t length, uint16_t buffers, const struct virtio_net_hdr *given)
{
    struct virtio_net_hdr header = given ? *given : (struct virtio_net_hdr){ 0 };
    struct chain chain;

    header.num_buffers = buffers;
    assert_true(take_chain(RX, &chain));
    memcpy(chain.pieces[0].data, &header, sizeof(header));
    put_used(RX, chain.head, length);
    return chain.head;
}

static uint32_t buffer_length(void)
{
    struct virtq *vq = model->queues[RX];

    return vq->desc[vq->avail->ring[model->seen[RX] % vq->size]].len;
}

/* The device has said what none may: nothing was delivered, one drop is counted, and it is over. */
static void expect_end(void)
{
    raise_interrupt(RX);
    assert_int_equal(arrived, 0);
    assert_int_equal(drops(NETDEV_DROP_RX_ERROR), 1);
    assert_false(netdev_is_usable(netdev));
    raise_interrupt(RX);
    raise_interrupt(TX);
    assert_int_equal(drops(NETDEV_DROP_RX_ERROR), 1);
    stop();
}

static void test_used_elements_that_cannot_be(void **state)
{
    struct chain chain;
    (void)state;

    start(ALL_FEATURES, 64);
    put_used(RX, 64, 100); /* no such descriptor */
    expect_end();

    start(ALL_FEATURES, 64);
    put_used(RX, UINT32_MAX, 100);
    expect_end();

    start(ALL_FEATURES, 64);
    assert_true(take_chain(RX, &chain));
    deliver_lie(buffer_length() + 1, 1, NULL); /* longer than its buffer */
    expect_end();

    start(ALL_FEATURES, 64);
    model->queues[RX]->used->idx = 65; /* more than there are */
    expect_end();
}

static void test_the_same_buffer_twice(void **state)
{
    (void)state;
    start(ALL_FEATURES, 64);
    is_content_known = false;
    put_used(RX, deliver_lie(3000, 1, NULL), 3000); /* so large that the buffer is not reused */
    raise_interrupt(RX);
    assert_int_equal(arrived, 1); /* once */
    assert_int_equal(drops(NETDEV_DROP_RX_ERROR), 1);
    assert_false(netdev_is_usable(netdev));
    stop();
}

static void test_impossible_numbers_of_buffers(void **state)
{
    (void)state;
    start(ALL_FEATURES, 64);
    deliver_lie(100, 0, NULL);
    expect_end();
    start(ALL_FEATURES, 64);
    deliver_lie(100, FRAME_SEGMENTS_MAX + 1, NULL);
    expect_end();
    start(ALL_FEATURES, 64);
    deliver_lie(100, UINT16_MAX, NULL);
    expect_end();
}

/* What is wrong with one frame only costs that frame. */
static void test_wrong_frames_are_counted(void **state)
{
    static const uint32_t lengths[] = { 0, 1, 11, 12, 25 };
    uint8_t frame[1514];
    (void)state;

    start(ALL_FEATURES, 64);
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
        deliver_lie(lengths[i], 1, NULL); /* no room for a header of Ethernet */
    raise_interrupt(RX);
    assert_int_equal(arrived, 0);
    assert_int_equal(drops(NETDEV_DROP_RX_LENGTH), ARRAY_SIZE(lengths));

    deliver_lie(1000, 3, NULL); /* the other two never come */
    raise_interrupt(RX);
    deliver_lie(1000, 2, NULL);
    deliver_lie(0, 1, NULL); /* the second half is empty */
    raise_interrupt(RX);
    assert_int_equal(arrived, 0);
    assert_int_equal(drops(NETDEV_DROP_RX_ERROR), 2);

    size_t length = make_frame(frame, 0, largest);
    assert_true(device_delivers(frame, length));
    raise_interrupt(RX);
    assert_int_equal(arrived, 1);
    assert_true(netdev_is_usable(netdev));
    stop();
}

/* Offsets of checksums and sizes of segments are only numbers until somebody has looked. */
static void test_offload_fields_are_not_believed(void **state)
{
    (void)state;
    start(ALL_FEATURES, 64);
    is_content_known = false;
    for (uint32_t value = 0; value <= UINT16_MAX; value += 251) {
        struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                         .gso_type = (uint8_t)value,
                                         .hdr_len = (uint16_t)value,
                                         .gso_size = (uint16_t)value,
                                         .csum_start = (uint16_t)value,
                                         .csum_offset = (uint16_t)(value * 3) };
        deliver_lie(60 + value % 1000, 1, &header);
        raise_interrupt(RX);
    }
    assert_int_equal(arrived, UINT16_MAX / 251 + 1);
    stop();
}

/* All that the device can write, at random, with frames under way: no crash, and no more
 * frames than there were buffers. */
static void test_random_scribbling(void **state)
{
    struct unit_random random = { 11 };
    struct chain chain;
    (void)state;

    for (int turn = 0; turn < 500; turn++) {
        start(shapes[(size_t)turn % ARRAY_SIZE(shapes)], 16);
        is_content_known = false;
        for (int i = 0; i < 40 && netdev_is_usable(netdev); i++) {
            uint8_t *used = (uint8_t *)(uintptr_t)model->queues[RX]->used;
            if (take_chain(RX, &chain)) {
                for (unsigned int byte = 0; byte < MIN(chain.pieces[0].length, 14u); byte++)
                    chain.pieces[0].data[byte] = (uint8_t)(unit_random_u64(&random) % 3);
                put_used(RX, chain.head, (uint32_t)unit_random_below(&random, 2000));
            }
            if (unit_random_below(&random, 8) == 0)
                used[unit_random_below(&random, 4 + 16 * 8)] = (uint8_t)unit_random_u64(&random);
            raise_interrupt(RX);
        }
        assert_true(arrived <= model->queues[RX]->avail->idx);
        stop();
    }
}

/* ---- sending -----------------------------------------------------------------------------------
 */

static uint32_t next_sent; /* number of the next frame that the device is to see */

static void send_frame(uint32_t number, bool is_shared)
{
    struct frame *frame = frame_alloc(is_shared ? 0 : FRAME_HEADROOM, (uint32_t)largest, 1);

    frame_trim(frame, (uint32_t)make_frame(frame_data(frame), number, largest));
    netdev_transmit(netdev, frame);
}

/* The device takes up to @most frames off the ring, and looks at each. Return: how many. */
static unsigned int device_sends(unsigned int most)
{
    static uint8_t expected[FRAME_MAX], bytes[FRAME_MAX];
    unsigned int count = 0;
    struct chain chain;

    for (; count < most && take_chain(TX, &chain); count++) {
        size_t done = 0, length = make_frame(expected, next_sent++, largest);
        for (size_t i = 0; i < chain.count; i++) {
            assert_false(chain.pieces[i].is_writable);
            memcpy(bytes + done, chain.pieces[i].data, chain.pieces[i].length);
            done += chain.pieces[i].length;
        }
        assert_int_equal(done, header_size() + length);
        assert_memory_equal(bytes + header_size(), expected, length);
        for (unsigned int i = 0; i < 10; i++)
            assert_int_equal(bytes[i], 0); /* no offload was asked for; num_buffers is not ours */
        put_used(TX, chain.head, 0);
    }
    return count;
}

static void send_many(uint64_t features, uint16_t ring_size)
{
    struct unit_random random = { features + ring_size };
    uint32_t sent = 0;

    start(features, ring_size);
    next_sent = 0;
    while (sent < 2000) {
        for (uint64_t burst = unit_random_below(&random, 100); burst > 0; burst--)
            send_frame(sent++, burst % 3 == 0); /* also without room for the header */
        do {
            device_sends(1 + (unsigned int)unit_random_below(&random, 64));
            raise_interrupt(TX);
        } while (unit_random_below(&random, 4) > 0);
        while (sent - next_sent > 100 && device_sends(64) > 0)
            raise_interrupt(TX);
    }
    while (device_sends(64) > 0)
        raise_interrupt(TX);
    assert_int_equal(next_sent, sent);
    stop();
}

static void test_every_frame_is_sent_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        send_many(shapes[i], 16);
        send_many(shapes[i], 256);
        send_many(shapes[i], 1024);
    }
}

/* No time goes by, the device is not asked again, the driver not called again: frames wait. */
static void test_a_full_ring_queues_and_does_not_spin(void **state)
{
    const unsigned int ring = 16, room = NETDEV_QUEUE_LENGTH;
    (void)state;

    start(ALL_FEATURES & ~VIRTIO_FEATURE(VIRTIO_F_INDIRECT_DESC), (uint16_t)ring);
    next_sent = 0;
    uint32_t sent = 0;
    while (!netdev->queues[0].is_full)
        send_frame(sent++, false);
    assert_in_range(sent, ring / 2, ring + 1);
    unsigned int notifications = model->notifications, in_ring = sent - 1;
    uint64_t batches = atomic_load_relaxed(&netdev->counters.tx_batches);
    uint64_t now = clock_now_ns();
    for (unsigned int i = 1; i < room + 10; i++)
        send_frame(sent++, false);
    host_settle();
    assert_int_equal(clock_now_ns(), now);
    assert_int_equal(model->notifications, notifications);
    assert_int_equal(atomic_load_relaxed(&netdev->counters.tx_batches), batches);
    assert_int_equal(netdev->queues[0].pending.count, room);
    assert_int_equal(drops(NETDEV_DROP_TX_QUEUE_FULL), 10); /* the first of them waited already */

    unsigned int total = 0, count;
    while ((count = device_sends(3)) > 0) { /* it is slow, but it goes on */
        total += count;
        raise_interrupt(TX);
    }
    assert_int_equal(total, in_ring + room);
    assert_false(netdev->queues[0].is_full);
    stop();
}

/* Would the device interrupt for the next it has sent, and for the @count after it? */
static unsigned int interrupts_wanted(unsigned int count)
{
    const struct virtq *vq = model->queues[TX];
    unsigned int wanted = 0;

    for (unsigned int i = 0; i < count; i++)
        wanted += *vq->used_event == (uint16_t)(vq->used->idx + i);
    return wanted;
}

/* While there is room nobody hears of sent frames, and a timer frees the last of them. */
static void test_no_interrupt_while_there_is_room(void **state)
{
    const unsigned int ring = 64;
    (void)state;

    start(ALL_FEATURES, (uint16_t)ring);
    next_sent = 0;
    for (uint32_t sent = 0; sent < ring / 2; sent++) {
        send_frame(sent, false);
        assert_int_equal(interrupts_wanted(ring), 0);
    }
    size_t blocks = host_allocation_count();
    assert_int_equal(device_sends(ring), ring / 2);
    host_advance_ns(NS_PER_S);
    assert_int_equal(host_allocation_count(), blocks - ring); /* frames and their buffers */
    assert_int_equal(virtq_in_flight(model->queues[TX]), 0);
    stop();
}

static void test_one_interrupt_when_it_was_full(void **state)
{
    const unsigned int ring = 64;
    (void)state;

    start(ALL_FEATURES, (uint16_t)ring);
    next_sent = 0;
    for (uint32_t sent = 0; !netdev->queues[0].is_full; sent++)
        send_frame(sent, false);
    assert_int_equal(interrupts_wanted(ring), 1);
    assert_int_equal(interrupts_wanted(ring / 2 - 1), 0);
    device_sends(ring / 2);
    assert_true(netdev->queues[0].is_full);
    raise_interrupt(TX);
    assert_false(netdev->queues[0].is_full);
    assert_int_equal(interrupts_wanted(ring), 0);
    stop();
}

static void test_sent_that_cannot_be(void **state)
{
    (void)state;
    start(ALL_FEATURES, 64);
    next_sent = 0;
    send_frame(0, false);
    put_used(TX, 63, 0); /* not in flight */
    raise_interrupt(TX);
    assert_false(netdev_is_usable(netdev));
    assert_int_equal(drops(NETDEV_DROP_TX_ERROR), 1);
    send_frame(1, false);
    assert_int_equal(drops(NETDEV_DROP_TX_STOPPED), 1);
    stop();
}

UNIT_TESTS(UNIT_TEST(test_features), UNIT_TEST(test_every_frame_once_and_whole),
           UNIT_TEST(test_large_frames_in_many_buffers), UNIT_TEST(test_no_memory),
           UNIT_TEST(test_memory_in_pieces), UNIT_TEST(test_small_frames_pin_little),
           UNIT_TEST(test_used_elements_that_cannot_be), UNIT_TEST(test_the_same_buffer_twice),
           UNIT_TEST(test_impossible_numbers_of_buffers), UNIT_TEST(test_wrong_frames_are_counted),
           UNIT_TEST(test_offload_fields_are_not_believed), UNIT_TEST(test_random_scribbling),
           UNIT_TEST(test_every_frame_is_sent_once),
           UNIT_TEST(test_a_full_ring_queues_and_does_not_spin),
           UNIT_TEST(test_no_interrupt_while_there_is_room),
           UNIT_TEST(test_one_interrupt_when_it_was_full), UNIT_TEST(test_sent_that_cannot_be))
