/*
 * The growing ring of log_ring.h.
 */
#include "kernel/log_ring.h"

#include "arch/mmu.h"
#include "kernel/init.h"
#include "lib/atomic.h"
#include "lib/string.h"

#define LEVEL_ONE     (1ULL << LOG_RING_LEVEL_SHIFT)
#define POSITION_MASK (LEVEL_ONE - 1)

static struct log_place place_of(uint64_t state)
{
    return (struct log_place){ .position = state & POSITION_MASK,
                               .level = (unsigned int)(state >> LOG_RING_LEVEL_SHIFT) };
}

static size_t pages_at(const struct log_ring *ring, unsigned int level)
{
    return (size_t)ring->first_pages << level;
}

static uint64_t size_at(const struct log_ring *ring, unsigned int level)
{
    return (uint64_t)pages_at(ring, level) << ring->page_shift;
}

struct log_place log_ring_take(struct log_ring *ring, size_t count)
{
    /* acquire: pairs with the release in log_ring_grow(), for base and pages */
    return place_of(__atomic_fetch_add(&ring->state, count, __ATOMIC_ACQUIRE));
}

struct log_place log_ring_end(const struct log_ring *ring)
{
    return place_of(load_acquire(&ring->state)); /* as above */
}

uint64_t log_ring_first(const struct log_ring *ring, struct log_place end)
{
    uint64_t base = ring->base[end.level];
    uint64_t size = size_at(ring, end.level);

    return end.position - base > size ? end.position - size : base;
}

void *log_ring_at(const struct log_ring *ring, struct log_place place, size_t *left)
{
    uint64_t index = (place.position - ring->base[place.level]) & (size_at(ring, place.level) - 1);
    size_t page_size = (size_t)1 << ring->page_shift;
    size_t page = index >> ring->page_shift;
    size_t offset = index & (page_size - 1);
    char *start = ring->boot_memory ? ring->boot_memory + page * PAGE_SIZE : ring->pages[page];

    *left = page_size - offset;
    return start + (offset << (PAGE_SHIFT - ring->page_shift));
}

bool log_ring_wants_more(const struct log_ring *ring)
{
    struct log_place end = log_ring_end(ring);

    return end.level + 1 < LOG_RING_LEVELS &&
           end.position - ring->base[end.level] >= size_at(ring, end.level) / 2;
}

/* Where the lap began that the position before @end is in. */
static uint64_t lap_start(const struct log_ring *ring, struct log_place end)
{
    uint64_t base = ring->base[end.level];

    if (end.position == base)
        return base;
    return base + ALIGN_DOWN(end.position - base - 1, size_at(ring, end.level));
}

static bool add_pages(struct log_ring *ring, size_t first, size_t end,
                      const struct log_ring_source *source)
{
    for (size_t i = first; i < end; i++) {
        ring->pages[i] = source->allocate();
        if (!ring->pages[i]) {
            while (i-- > first) {
                source->release(ring->pages[i]);
                ring->pages[i] = NULL;
            }
            return false;
        }
    }
    return true;
}

bool log_ring_grow(struct log_ring *ring, const struct log_ring_source *source)
{
    uint64_t state = load_acquire(&ring->state);
    unsigned int level = place_of(state).level;

    if (!add_pages(ring, pages_at(ring, level), pages_at(ring, level + 1), source))
        return false;
    do
        ring->base[level + 1] = lap_start(ring, place_of(state));
    while (!__atomic_compare_exchange_n(&ring->state, &state, state + LEVEL_ONE, false,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    return true;
}

bool __init log_ring_settle(struct log_ring *ring, const struct log_ring_source *source)
{
    uint64_t end = log_ring_end(ring).position;
    unsigned int level = 0;

    while (level < LOG_RING_LEVELS - 1 && end >= size_at(ring, level) / 2)
        level++;
    if (!add_pages(ring, 0, pages_at(ring, level), source))
        return false;
    for (size_t i = 0; i < pages_at(ring, level); i++)
        memcpy(ring->pages[i], ring->boot_memory + i * PAGE_SIZE, PAGE_SIZE);
    ring->boot_memory = NULL;
    ring->state = level * LEVEL_ONE | end;
    return true;
}
