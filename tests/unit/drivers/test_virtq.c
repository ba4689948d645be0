/*
 * Split virtqueues against a simulated device that follows VIRTIO 1.2, 2.7 - and against one that
 * does not: whatever it writes is noticed and never believed.
 */
#include "tests/unit/unit.h"

#include "arch/host/host.h"
#include "arch/mmu.h"
#include "drivers/virtio/virtio.h"
#include "drivers/virtio/virtq.h"
#include "lib/errno.h"

static unsigned int notifications;

static void notify(struct virtio_device *device, struct virtq *vq)
{
    (void)device;
    (void)vq;
    notifications++;
}

static const struct virtio_transport_ops transport = { .name = "test", .notify = notify };
static struct virtio_device device = { .transport = &transport, .name = "test" };
static struct virtq *vq;
static uint16_t device_seen; /* the device's place in the available ring */

static void start(uint16_t size, uint64_t features)
{
    host_kernel_start();
    device.features = features | VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
    vq = virtq_create(&device, 3, size);
    assert_non_null(vq);
    device_seen = 0;
    notifications = 0;
}

/* ---- the device's side --------------------------------------------------------------------- */

static bool device_has_work(void)
{
    return device_seen != vq->avail->idx;
}

/* Walk one chain as a device would: the number of its buffers, and the bytes of both kinds. */
static uint16_t device_take(size_t *count, uint64_t *readable, uint64_t *writable)
{
    uint16_t head = vq->avail->ring[device_seen++ % vq->size];
    volatile struct virtq_desc *table = vq->desc;
    uint16_t at = head;
    bool has_seen_writable = false;

    assert_true(head < vq->size);
    *count = 0;
    *readable = *writable = 0;
    if (table[at].flags & VIRTQ_DESC_F_INDIRECT) {
        assert_int_equal(table[at].flags, VIRTQ_DESC_F_INDIRECT); /* no NEXT beside it */
        assert_int_equal(table[at].len % sizeof(struct virtq_desc), 0);
        table = phys_to_virt(table[at].addr);
        at = 0;
    }
    for (;;) {
        bool is_writable = table[at].flags & VIRTQ_DESC_F_WRITE;
        assert_true(is_writable || !has_seen_writable); /* 2.7.4.2: readable ones first */
        has_seen_writable = is_writable;
        *(is_writable ? writable : readable) += table[at].len;
        (*count)++;
        if (!(table[at].flags & VIRTQ_DESC_F_NEXT))
            return head;
        at = table[at].next;
    }
}

static void device_use(uint32_t id, uint32_t length)
{
    volatile struct virtq_used_elem *elem = &vq->used->ring[vq->used->idx % vq->size];

    elem->id = id;
    elem->len = length;
    vq->used->idx++;
}

/* ---- the driver's side --------------------------------------------------------------------- */

static int add(size_t readable_count, size_t writable_count, void *token)
{
    struct scatter_segment readable[64], writable[64];

    for (size_t i = 0; i < 64; i++)
        readable[i] = writable[i] = (struct scatter_segment){ 0x1000 * (i + 1), 100 };
    return virtq_add(vq, readable, readable_count, writable, writable_count, token);
}

static int tokens[1024];

/* Chains of all shapes in flight, used in any order: every token comes back once, nothing leaks. */
static void run_traffic(uint16_t size, uint64_t features)
{
    struct unit_random random = { size + features };
    struct {
        uint16_t head;
        uint32_t writable;
    } held[1024];
    size_t in_device = 0, in_flight = 0;

    start(size, features);
    memset(tokens, 0, sizeof(tokens));
    for (int turn = 0; turn < 5000; turn++) {
        size_t r = unit_random_u64(&random) % 4, w = unit_random_u64(&random) % 4;
        int *token = &tokens[unit_random_u64(&random) % 1024];
        if (r + w > 0 && !*token) {
            int error = add(r, w, token);
            assert_true(error == 0 ||
                        error == (r + w > size && !vq->has_indirect ? -E2BIG : -EBUSY));
            *token = error == 0;
            in_flight += error == 0;
            virtq_kick(vq);
        }
        if (device_has_work()) {
            size_t count;
            uint64_t readable, writable;
            held[in_device].head = device_take(&count, &readable, &writable);
            held[in_device++].writable = (uint32_t)writable;
        }
        if (in_device > 0 && unit_random_u64(&random) % 2) {
            size_t pick = unit_random_u64(&random) % in_device;
            device_use(held[pick].head, held[pick].writable);
            held[pick] = held[--in_device];
        }
        uint32_t length;
        int *done = unit_random_u64(&random) % 3 ? virtq_pop(vq, &length) : NULL;
        if (done) {
            assert_int_equal(*done, 1);
            *done = 0;
            in_flight--;
        }
        assert_false(vq->is_broken);
    }
    while (in_device > 0)
        device_use(held[--in_device].head, 0);
    while (device_has_work()) {
        size_t count;
        uint64_t readable, writable;
        device_use(device_take(&count, &readable, &writable), 0);
    }
    while (virtq_pop(vq, NULL))
        in_flight--;
    assert_int_equal(in_flight, 0);
    assert_int_equal(virtq_free_descriptors(vq), size);
    virtq_destroy(vq);
}

static void test_traffic(void **state)
{
    (void)state;
    for (uint16_t size = 4; size <= 1024; size *= 4) {
        run_traffic(size, 0);
        run_traffic(size, VIRTIO_FEATURE(VIRTIO_F_INDIRECT_DESC));
        run_traffic(size, VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX));
        run_traffic(size,
                    VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX) | VIRTIO_FEATURE(VIRTIO_F_INDIRECT_DESC));
    }
}

static void test_small_ring_holds_many_by_indirection(void **state)
{
    (void)state;
    start(16, VIRTIO_FEATURE(VIRTIO_F_INDIRECT_DESC));
    int taken = 0;
    while (add(2, 8, &tokens[taken]) == 0)
        taken++;
    assert_in_range(taken, 7, 16);
    assert_true(virtq_free_descriptors(vq) == 0);
    virtq_destroy(vq);
}

static void test_too_many_segments(void **state)
{
    (void)state;
    start(4, 0);
    assert_int_equal(add(3, 2, tokens), -E2BIG);
    assert_int_equal(add(0, 0, tokens), -E2BIG);
    assert_int_equal(add(2, 2, tokens), 0);
    assert_int_equal(add(1, 0, tokens), -EBUSY);
    virtq_destroy(vq);
}

static void test_no_memory_for_a_table(void **state)
{
    (void)state;
    start(4, VIRTIO_FEATURE(VIRTIO_F_INDIRECT_DESC));
    host_fail_allocation(1);
    assert_int_equal(add(5, 5, tokens), -ENOMEM);
    assert_int_equal(virtq_free_descriptors(vq), 4);
    assert_int_equal(add(5, 5, tokens), 0);
    virtq_destroy(vq);
}

/* The device is told when it wants to be (2.7.10), and not otherwise. */
static void test_notification_flag(void **state)
{
    (void)state;
    start(8, 0);
    assert_int_equal(add(1, 0, tokens), 0);
    virtq_kick(vq);
    assert_int_equal(notifications, 1);
    virtq_kick(vq); /* nothing new */
    assert_int_equal(notifications, 1);
    vq->used->flags = VIRTQ_USED_F_NO_NOTIFY;
    assert_int_equal(add(1, 0, tokens), 0);
    virtq_kick(vq);
    assert_int_equal(notifications, 1);
    virtq_destroy(vq);
}

static void test_notification_event_wraps(void **state)
{
    size_t count;
    uint64_t readable, writable;
    (void)state;

    start(4, VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX));
    for (uint32_t i = 0; i < 70000; i++) {                       /* the 16-bit index wraps */
        *vq->avail_event = (uint16_t)(i + (i % 3 == 0 ? 0 : 1)); /* every third is wanted */
        notifications = 0;
        assert_int_equal(add(1, 0, tokens), 0);
        virtq_kick(vq);
        assert_int_equal(notifications, i % 3 == 0);
        device_use(device_take(&count, &readable, &writable), 0);
        assert_ptr_equal(virtq_pop(vq, NULL), tokens);
    }
    virtq_destroy(vq);
}

static void test_interrupt_race(void **state)
{
    size_t count;
    uint64_t readable, writable;
    (void)state;

    start(8, VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX));
    assert_int_equal(add(0, 1, tokens), 0);
    virtq_disable_interrupts(vq);
    assert_true(virtq_enable_interrupts(vq));
    assert_int_equal(*vq->used_event, 0); /* interrupt at the next */
    device_use(device_take(&count, &readable, &writable), 100);
    assert_false(virtq_enable_interrupts(vq)); /* it came before the wish: look again */
    assert_non_null(virtq_pop(vq, NULL));
    assert_true(virtq_enable_interrupts(vq));
    virtq_destroy(vq);
}

/* One interrupt after three of four, and none when they were used before the wish. */
static void test_interrupt_after_some(void **state)
{
    size_t count;
    uint64_t readable, writable;
    (void)state;

    start(8, VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX));
    for (unsigned int i = 0; i < 4; i++)
        assert_int_equal(add(1, 0, tokens), 0);
    assert_int_equal(virtq_in_flight(vq), 4);
    device_use(device_take(&count, &readable, &writable), 0);
    assert_true(virtq_interrupt_after(vq, 3));
    assert_int_equal(*vq->used_event, 2); /* when the index passes it, it is 3 */
    device_use(device_take(&count, &readable, &writable), 0);
    device_use(device_take(&count, &readable, &writable), 0);
    assert_false(virtq_interrupt_after(vq, 3));
    while (virtq_pop(vq, NULL))
        ;
    assert_int_equal(virtq_in_flight(vq), 1);
    virtq_disable_interrupts(vq);
    assert_int_not_equal(*vq->used_event, vq->last_used_idx);
    virtq_destroy(vq);
}

/* ---- a device that breaks its contract ------------------------------------------------------ */

static void expect_broken(void)
{
    assert_null(virtq_pop(vq, NULL));
    assert_true(vq->is_broken);
    assert_null(virtq_pop(vq, NULL));
    assert_false(virtq_has_used(vq));
    virtq_destroy(vq);
}

static void test_used_id_out_of_range(void **state)
{
    (void)state;
    start(8, 0);
    assert_int_equal(add(0, 1, tokens), 0);
    device_use(8, 0);
    expect_broken();
}

static void test_used_id_not_in_flight(void **state)
{
    (void)state;
    start(8, 0);
    assert_int_equal(add(0, 1, tokens), 0);
    device_use(5, 0);
    expect_broken();
}

static void test_used_twice(void **state)
{
    (void)state;
    start(8, 0);
    assert_int_equal(add(0, 1, tokens), 0);
    device_use(0, 0);
    device_use(0, 0);
    assert_non_null(virtq_pop(vq, NULL));
    expect_broken();
}

static void test_used_length_past_the_buffer(void **state)
{
    (void)state;
    start(8, 0);
    assert_int_equal(add(1, 2, tokens), 0); /* 200 writable bytes */
    device_use(0, 201);
    expect_broken();
}

/* Unless the driver does not care: QEMU's virtio-scsi counts what it has read as well. */
static void test_used_length_is_ignored(void **state)
{
    uint32_t length;
    (void)state;

    start(8, 0);
    vq->ignores_length = true;
    assert_int_equal(add(1, 2, tokens), 0);
    device_use(0, 300);
    assert_ptr_equal(virtq_pop(vq, &length), tokens);
    assert_int_equal(length, 200);
}

static void test_used_index_jumps(void **state)
{
    (void)state;
    start(8, 0);
    assert_int_equal(add(0, 1, tokens), 0);
    vq->used->idx = 1000;
    expect_broken();
}

/* Every byte of both structures that the device can write, at random: no crash, no token twice. */
static void test_random_scribbling(void **state)
{
    struct unit_random random = { 7 };
    (void)state;

    for (int turn = 0; turn < 2000; turn++) {
        start(8, turn % 2 ? VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX) : 0);
        memset(tokens, 0, sizeof(tokens));
        for (int i = 0; i < 8; i++)
            assert_int_equal(add(0, 1, &tokens[i]), 0);
        uint8_t *used = (uint8_t *)(uintptr_t)vq->used;
        for (int i = 0; i < 12; i++)
            used[unit_random_u64(&random) % (6 + 8 * 8)] = (uint8_t)unit_random_u64(&random);
        int *token;
        for (int i = 0; i < 20 && (token = virtq_pop(vq, NULL)) != NULL; i++)
            assert_int_equal((*token)++, 0);
        virtq_destroy(vq);
    }
}

static int dropped;

static void count_dropped(struct virtq *queue, void *token)
{
    (void)queue;
    (*(int *)token)++;
    dropped++;
}

static void test_reset_gives_tokens_back(void **state)
{
    (void)state;
    start(8, VIRTIO_FEATURE(VIRTIO_F_INDIRECT_DESC));
    memset(tokens, 0, sizeof(tokens));
    dropped = 0;
    for (int i = 0; i < 5; i++)
        assert_int_equal(add(1, 1, &tokens[i]), 0);
    device_use(99, 0);
    assert_null(virtq_pop(vq, NULL));
    virtq_reset(vq, count_dropped);
    assert_int_equal(dropped, 5);
    assert_false(vq->is_broken);
    assert_int_equal(virtq_free_descriptors(vq), 8);
    assert_int_equal(add(1, 1, tokens), 0);
    virtq_destroy(vq);
}

UNIT_TESTS(UNIT_TEST(test_traffic), UNIT_TEST(test_small_ring_holds_many_by_indirection),
           UNIT_TEST(test_too_many_segments), UNIT_TEST(test_no_memory_for_a_table),
           UNIT_TEST(test_notification_flag), UNIT_TEST(test_notification_event_wraps),
           UNIT_TEST(test_interrupt_race), UNIT_TEST(test_interrupt_after_some),
           UNIT_TEST(test_used_id_out_of_range), UNIT_TEST(test_used_id_not_in_flight),
           UNIT_TEST(test_used_twice), UNIT_TEST(test_used_length_past_the_buffer),
           UNIT_TEST(test_used_length_is_ignored), UNIT_TEST(test_used_index_jumps),
           UNIT_TEST(test_random_scribbling), UNIT_TEST(test_reset_gives_tokens_back))
