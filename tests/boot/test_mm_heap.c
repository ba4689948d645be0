/*
 * Boot tests of kmalloc() and pools: magazines and slabs under all CPUs at once, with the contents
 * of every object checked, and in debug builds poison and red zones too.
 */
#include "arch/cpu.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "tests/boot_test.h"

#define PATIENCE (30 * NS_PER_S)

/* Every object begins with its size and is filled with a byte that follows from its address. */
struct object {
    size_t size;
    uint8_t bytes[];
};

static uint8_t byte_of(const struct object *object)
{
    return (uint8_t)((uintptr_t)object >> 5 ^ object->size);
}

static struct object *object_fill(struct object *object, size_t size)
{
    if (!object)
        return NULL;
    object->size = size;
    memset(object->bytes, byte_of(object), size - sizeof(*object));
    return object;
}

static bool object_is_whole(const struct object *object, size_t size)
{
    if (object->size != size)
        return false;
    for (size_t i = 0; i < size - sizeof(*object); i++)
        if (object->bytes[i] != byte_of(object))
            return false;
    return true;
}

BOOT_TEST(mm, heap_of_every_size)
{
    static struct object *objects[600];

    for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
        objects[i] = object_fill(kmalloc(8 + i * 11), 8 + i * 11);
        EXPECT(objects[i]);
        EXPECT_EQ((uintptr_t)objects[i] % 16, 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
        EXPECT(object_is_whole(objects[i], 8 + i * 11));
        kfree(objects[i]);
    }
}

BOOT_TEST(mm, heap_resize)
{
    static const uint8_t digits[10] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    volatile size_t too_many = SIZE_MAX / 8; /* the compiler shall not know */
    uint8_t *memory = kmalloc(sizeof(digits));

    EXPECT(memory);
    memcpy(memory, digits, sizeof(digits));
    for (size_t size = sizeof(digits); size < 100000; size = size * 5 / 3) {
        memory = krealloc(memory, size);
        EXPECT(memory);
        EXPECT_EQ(memcmp(memory, digits, sizeof(digits)), 0);
        memset(memory + sizeof(digits), 0x55, size - sizeof(digits));
    }
    memory = krealloc(memory, sizeof(digits));
    EXPECT(memory);
    EXPECT_EQ(memcmp(memory, digits, sizeof(digits)), 0);
    kfree(memory);
    EXPECT(!kcalloc(too_many, 9));
}

BOOT_TEST(mm, pool)
{
    struct pool *pool = pool_create("boot test", 200, 64);
    static struct object *objects[1000];

    EXPECT(pool);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
            objects[i] = object_fill(pool_alloc(pool), 200);
            EXPECT(objects[i]);
            EXPECT_EQ((uintptr_t)objects[i] % 64, 0);
        }
        for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
            EXPECT(object_is_whole(objects[i], 200));
            pool_free(pool, objects[i]);
        }
    }
    pool_destroy(pool);
}

/*
 * Churn with poison: objects live for a while, some change hands between CPUs.
 */

#define CHURN_STEPS 40000 /* shared by the CPUs */
#define CHURN_OWN   48
#define CHURN_SHARE 64

static struct object *shared[CHURN_SHARE]; /* atomic */

static bool release(struct object *object)
{
    bool is_whole;

    if (!object)
        return true;
    is_whole = object->size >= sizeof(*object) && object->size < 5000 &&
               object_is_whole(object, object->size);
    kfree(object);
    return is_whole;
}

static size_t churn_size(uint32_t random)
{
    size_t size = random % 16 ? random / 16 % 500 : random / 16 % 4900;

    return size + sizeof(struct object);
}

static int churn(void *arg)
{
    struct object *own[CHURN_OWN] = { NULL };
    uint32_t state = (uint32_t)(uintptr_t)arg + 77;
    bool ok = true;

    for (size_t step = 0; step < CHURN_STEPS / cpu_online_count(); step++) {
        struct object **slot;
        size_t size;

        state = state * 1664525u + 1013904223u;
        size = churn_size(state >> 4);
        slot = &own[(state >> 16) % CHURN_OWN];
        ok &= release(*slot);
        *slot = object_fill(kmalloc(size), size);
        if (step % 4 == 0)
            *slot =
                __atomic_exchange_n(&shared[(state >> 10) % CHURN_SHARE], *slot, __ATOMIC_ACQ_REL);
    }
    for (size_t i = 0; i < CHURN_OWN; i++)
        ok &= release(own[i]);
    return ok ? 0 : -EIO;
}

BOOT_TEST(mm, heap_churn_on_all_cpus)
{
    static struct task *tasks[CPU_MAX];
    unsigned int cpu;
    int status;

    for_each_online_cpu(cpu)
        EXPECT_EQ(task_create_on(cpu, "heap churn", churn, (void *)(uintptr_t)cpu, &tasks[cpu]), 0);
    for_each_online_cpu(cpu) {
        EXPECT_EQ(task_join(tasks[cpu], &status, deadline_after_ns(PATIENCE)), 0);
        EXPECT_EQ(status, 0);
    }
    for (size_t i = 0; i < CHURN_SHARE; i++) {
        EXPECT(release(shared[i]));
        shared[i] = NULL;
    }
}

BOOT_TEST(mm, heap_exhausted_and_back)
{
    struct object **chain = NULL;
    size_t count = 0;
    bool failed;

    /* Objects of 64 KiB until there are no more, on any machine: at most 4096 of them. */
    while (count < 4096) {
        struct object **object = kmalloc(65536);

        if (!object)
            break;
        *object = (struct object *)chain;
        chain = object;
        count++;
    }
    failed = count < 4096;
    while (chain) {
        struct object **object = chain;

        chain = (struct object **)*object;
        kfree(object);
    }
    EXPECT(failed || count == 4096);
    chain = kmalloc(65536);
    EXPECT(chain);
    kfree(chain);
}
