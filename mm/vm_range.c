/*
 * The dynamic range cut into parts: trees, descriptions.
 *
 * Every part, used or free, is in one tree by address; the free ones are in a second tree by size,
 * from which the smallest that fits is taken, so that addresses are used again and with them the
 * page tables they have.
 *
 * Works before there is a heap, for firmware tables, on a few descriptions set aside for that.
 */
#include "mm/vm_range.h"

#include "arch/mmu.h"
#include "kernel/init.h"
#include "kernel/panic.h"
#include "kernel/sync/spinlock.h"
#include "lib/errno.h"
#include "mm/caller.h"
#include "mm/kmalloc.h"
#include "mm/vm_internal.h"

#define BOOT_RANGES 48 /* before there is a heap; ACPI has 5 to 30 tables */

static DEFINE_SPINLOCK(range_lock, "virtual ranges", LOCK_RANK_VM_RANGE);
static struct rbtree by_address __guarded_global(range_lock);
static struct rbtree by_size __guarded_global(range_lock);
static size_t used_ranges __guarded_global(range_lock);
static size_t used_bytes __guarded_global(range_lock);

static struct vm_range boot_ranges[BOOT_RANGES];
static struct list boot_descriptions __guarded_global(range_lock) = LIST_INIT(boot_descriptions);
static struct pool *range_pool; /* constant after vm_init() */

/*
 * Descriptions.
 */

static struct vm_range *description_alloc(void)
{
    struct vm_range *range;
    irqflags_t flags;

    if (range_pool)
        return pool_alloc(range_pool);
    flags = spin_lock_irqsave(&range_lock);
    range = list_entry(list_pop_front(&boot_descriptions), struct vm_range, node);
    spin_unlock_irqrestore(&range_lock, flags);
    return range;
}

static void description_free(struct vm_range *range)
{
    irqflags_t flags;

    if (!range)
        return;
    if (range < boot_ranges || range >= boot_ranges + BOOT_RANGES) {
        pool_free(range_pool, range);
        return;
    }
    flags = spin_lock_irqsave(&range_lock);
    list_push_back(&boot_descriptions, &range->node);
    spin_unlock_irqrestore(&range_lock, flags);
}

/*
 * The trees.
 */

static struct vm_range *of_address_node(const struct rb_node *node)
{
    return container_of((struct rb_node *)node, struct vm_range, address_node);
}

static struct vm_range *of_size_node(const struct rb_node *node)
{
    return container_of((struct rb_node *)node, struct vm_range, size_node);
}

static int compare_addresses(const struct rb_node *a, const struct rb_node *b)
{
    vaddr_t first = of_address_node(a)->start;
    vaddr_t second = of_address_node(b)->start;

    return first < second ? -1 : first > second;
}

static int compare_address_key(const void *key, const struct rb_node *node)
{
    vaddr_t address = *(const vaddr_t *)key;
    vaddr_t start = of_address_node(node)->start;

    return address < start ? -1 : address > start;
}

static int compare_sizes(const struct rb_node *a, const struct rb_node *b)
{
    size_t first = of_size_node(a)->size;
    size_t second = of_size_node(b)->size;

    return first < second ? -1 : first > second;
}

static int compare_size_key(const void *key, const struct rb_node *node)
{
    size_t size = *(const size_t *)key;
    size_t other = of_size_node(node)->size;

    return size < other ? -1 : size > other;
}

/* All of the dynamic range is one free range, when the first is taken. */
static void create_first_range_locked(void) __must_hold(range_lock)
{
    struct vm_range *range = &boot_ranges[0];

    for (size_t i = 1; i < BOOT_RANGES; i++)
        list_push_back(&boot_descriptions, &boot_ranges[i].node);
    range->start = mmu_dynamic_range_start() + PAGE_SIZE; /* a guard for the first of all */
    range->size = mmu_dynamic_range_end() - range->start;
    range->state = RANGE_FREE;
    rb_insert(&by_address, &range->address_node, compare_addresses);
    rb_insert(&by_size, &range->size_node, compare_sizes);
}

static void ensure_first_range(void)
{
    irqflags_t flags = spin_lock_irqsave(&range_lock);

    if (rbtree_is_empty(&by_address))
        create_first_range_locked();
    spin_unlock_irqrestore(&range_lock, flags);
}

/*
 * Cuts @size bytes from the front of the smallest free range that has them. @range describes them
 * then, unless the whole free range was just right: that is returned instead. NULL: no room.
 */
static struct vm_range *take_range_locked(struct vm_range *range, size_t size)
    __must_hold(range_lock)
{
    struct rb_node *found = rb_find_ge(&by_size, &size, compare_size_key);
    struct vm_range *space;

    if (!found)
        return NULL;
    space = of_size_node(found);
    rb_erase(&by_size, &space->size_node);
    if (space->size == size)
        return space;
    range->start = space->start;
    range->size = size;
    space->start += size;
    space->size -= size;
    rb_insert(&by_address, &range->address_node, compare_addresses);
    rb_insert(&by_size, &space->size_node, compare_sizes);
    return range;
}

/* Joins @range with a free neighbour. Return: a description that is not needed any more. */
static struct vm_range *join_locked(struct vm_range *range, struct vm_range *next)
    __must_hold(range_lock)
{
    rb_erase(&by_address, &next->address_node);
    range->size += next->size;
    return next;
}

/* The range is free again. The descriptions of neighbours that it was joined with go to @unused. */
static void give_range_locked(struct vm_range *range, struct list *unused) __must_hold(range_lock)
{
    struct rb_node *prev = rb_prev(&range->address_node);
    struct rb_node *next = rb_next(&range->address_node);

    range->state = RANGE_FREE;
    if (next && of_address_node(next)->state == RANGE_FREE) {
        rb_erase(&by_size, &of_address_node(next)->size_node);
        list_push_back(unused, &join_locked(range, of_address_node(next))->node);
    }
    if (prev && of_address_node(prev)->state == RANGE_FREE) {
        struct vm_range *first = of_address_node(prev);

        rb_erase(&by_size, &first->size_node);
        list_push_back(unused, &join_locked(first, range)->node);
        range = first;
    }
    rb_insert(&by_size, &range->size_node, compare_sizes);
}

struct vm_range *vm_range_reserve(size_t size, enum range_state state)
{
    struct vm_range *fresh, *range;
    irqflags_t flags;

    ensure_first_range();
    fresh = description_alloc();
    if (!fresh)
        return NULL;
    flags = spin_lock_irqsave(&range_lock);
    range = take_range_locked(fresh, size);
    if (range) {
        range->state = state;
        range->chunks = 0;
        range->pages = 0;
        list_node_init(&range->node);
        used_ranges++;
        used_bytes += size;
    }
    spin_unlock_irqrestore(&range_lock, flags);
    if (range != fresh)
        description_free(fresh);
    return range;
}

struct vm_range *vm_range_claim(vaddr_t address, enum range_state state, const char *function,
                                uintptr_t caller)
{
    irqflags_t flags = spin_lock_irqsave(&range_lock);
    struct rb_node *found = rb_find(&by_address, &address, compare_address_key);
    struct vm_range *range = found ? of_address_node(found) : NULL;
    enum range_state was = range ? range->state : RANGE_FREE;

    if (range && was == state)
        range->state = RANGE_PENDING;
    spin_unlock_irqrestore(&range_lock, flags);
    if (was != state)
        panic("%s(%#lx) by %s: %s", function, (unsigned long)address, caller_text(caller).text,
              was == RANGE_PENDING ? "it has been freed already" : "no such range begins there");
    return range;
}

static void free_descriptions(struct list *unused)
{
    struct vm_range *range;

    while ((range = list_entry(list_pop_front(unused), struct vm_range, node)) != NULL)
        description_free(range);
}

void vm_range_give(struct list *ranges)
{
    struct list unused = LIST_INIT(unused);
    struct list_node *node;
    irqflags_t flags = spin_lock_irqsave(&range_lock);

    while ((node = list_pop_front(ranges)) != NULL) {
        struct vm_range *range = container_of(node, struct vm_range, node);

        used_ranges--;
        used_bytes -= range->size;
        give_range_locked(range, &unused);
    }
    spin_unlock_irqrestore(&range_lock, flags);
    free_descriptions(&unused);
}

/* Without the lock: for a person to read, also after a panic. */
void vm_range_count(size_t *ranges, size_t *bytes) __no_thread_safety_analysis
{
    *ranges = READ_ONCE(used_ranges);
    *bytes = READ_ONCE(used_bytes);
}

int __init vm_init(void)
{
    range_pool = pool_create("vm range", sizeof(struct vm_range), 0);
    return range_pool ? 0 : -ENOMEM;
}
