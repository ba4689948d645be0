/*
 * lib/ring.h against a queue that never wraps, and under two threads.
 */
#include "lib/ring.h"

#include <pthread.h>

#include "tests/unit/unit.h"

/* Everything ever written, and how far each side has come. */
static uint8_t stream[1 << 20];

static void test_random_operations_match_reference(void **state)
{
    (void)state;
    for (uint32_t size = 1; size <= 4096; size *= 4) {
        struct unit_random random = { size };
        uint8_t *memory = malloc(size), *data = malloc(2 * (size_t)size + 2);
        uint32_t written = 0, read = 0;
        struct ring ring;

        unit_random_fill(&random, stream, sizeof(stream));
        ring_init(&ring, memory, size);
        /* Positions wrap around 2^32 on the way. */
        ring.read = ring.write = (atomic_u32)ATOMIC_INIT(UINT32_MAX - 100);
        for (int step = 0; step < 4000 && written + 3 * size < sizeof(stream); step++) {
            uint32_t length = (uint32_t)unit_random_below(&random, 2 * size + 1);
            uint32_t used = written - read, offset, got;
            uint8_t *target;
            const uint8_t *source;

            switch (unit_random_below(&random, 6)) {
            case 0:
                got = ring_write(&ring, stream + written, length);
                assert_int_equal(got, MIN(length, size - used));
                written += got;
                break;
            case 1:
                got = ring_read(&ring, data, length);
                assert_int_equal(got, MIN(length, used));
                assert_memory_equal(data, stream + read, got);
                read += got;
                break;
            case 2:
                offset = (uint32_t)unit_random_below(&random, size + 2);
                got = ring_peek(&ring, offset, data, length);
                assert_int_equal(got, offset >= used ? 0 : MIN(length, used - offset));
                assert_memory_equal(data, stream + read + offset, got);
                break;
            case 3:
                got = ring_skip(&ring, length);
                assert_int_equal(got, MIN(length, used));
                read += got;
                break;
            case 4:
                got = ring_read_span(&ring, &source);
                assert_true(got <= used && (got > 0) == (used > 0));
                assert_memory_equal(source, stream + read, got);
                read += ring_skip(&ring, got);
                break;
            default:
                got = ring_write_span(&ring, &target);
                assert_true(got <= size - used && (got > 0) == (used < size));
                memcpy(target, stream + written, got);
                ring_commit(&ring, got);
                written += got;
            }
            assert_int_equal(ring_used(&ring), written - read);
            assert_int_equal(ring_free(&ring), size - (written - read));
            assert_int_equal(ring_is_empty(&ring), written == read);
        }
        ring_clear(&ring);
        assert_true(ring_is_empty(&ring));
        free(memory);
        free(data);
    }
}

#define TRANSFER (4u << 20)

static void *produce(void *context)
{
    struct ring *ring = context;
    struct unit_random random = { 1 };
    uint32_t sent = 0;
    uint8_t piece[100];

    while (sent < TRANSFER) {
        uint32_t length = (uint32_t)unit_random_below(&random, sizeof(piece)) + 1;

        length = MIN(length, TRANSFER - sent);
        for (uint32_t i = 0; i < length; i++)
            piece[i] = (uint8_t)((sent + i) * 2654435761u >> 24);
        sent += ring_write(ring, piece, length);
    }
    return NULL;
}

static void test_two_threads(void **state)
{
    struct unit_random random = { 2 };
    uint8_t memory[256], piece[100];
    struct ring ring;
    uint32_t received = 0;
    pthread_t producer;

    (void)state;
    ring_init(&ring, memory, sizeof(memory));
    assert_int_equal(pthread_create(&producer, NULL, produce, &ring), 0);
    while (received < TRANSFER) {
        uint32_t got = ring_read(&ring, piece, (uint32_t)unit_random_below(&random, sizeof(piece)));

        for (uint32_t i = 0; i < got; i++)
            assert_int_equal(piece[i], (uint8_t)((received + i) * 2654435761u >> 24));
        received += got;
    }
    pthread_join(producer, NULL);
    assert_true(ring_is_empty(&ring));
}

static void test_pointer_ring(void **state)
{
    struct unit_random random = { 3 };
    void *slots[8];
    struct pointer_ring ring;
    uintptr_t pushed = 1, popped = 1;

    (void)state;
    pointer_ring_init(&ring, slots, 8);
    assert_null(pointer_ring_pop(&ring));
    for (int step = 0; step < 2000; step++) {
        if (unit_random_below(&random, 2)) {
            bool has_room = pushed - popped < 8;

            assert_int_equal(pointer_ring_push(&ring, (void *)pushed), has_room);
            pushed += has_room;
        } else {
            void *want = popped < pushed ? (void *)popped : NULL;

            assert_ptr_equal(pointer_ring_pop(&ring), want);
            popped += want != NULL;
        }
        assert_int_equal(pointer_ring_used(&ring), pushed - popped);
    }
}

UNIT_TESTS(UNIT_TEST(test_random_operations_match_reference), UNIT_TEST(test_two_threads),
           UNIT_TEST(test_pointer_ring))
