/*
 * The addresses of this machine, in a hash table with open addressing (linear probing) that is at
 * most half full.
 *
 * A reader takes no lock: it asks again when the sequence has changed meanwhile (seqlock). Whatever
 * it sees of a table that is just being filled, it ends: the writer does. A table that has become
 * too small is replaced by one of twice the size and kept, for a reader may be in it; all that were
 * ever replaced are together as large as the one in use. Addresses are chosen by whoever runs the
 * machine, not by those who send to it, so the hash needs no secret.
 */
#include "net/own_addresses.h"

#include "kernel/sync/seqlock.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"
#include "net/netdev.h"

#define FIRST_COUNT 16
#define FIRST_SHIFT 28

/* A slot has the address in its lower half and its enum address_kind in the upper one, and is read
 * and written whole. One that is free is 0. */
_Static_assert(ADDRESS_FOREIGN == 0, "a free slot says that an address is of nobody here");

struct own_table {
    uint32_t count; /* const; a power of two */
    uint32_t shift; /* const; 32 - log2(count): the hash is what is left of the product */
    uint64_t slots[];
};

static struct own_table first_table = {
    .count = FIRST_COUNT,
    .shift = FIRST_SHIFT,
    .slots = { [FIRST_COUNT - 1] = 0 },
};
static struct own_table *table = &first_table; /* replaced with release */
static struct own_table *larger;               /* to replace it; the writer's */
static struct seqlock sequence;

/* The slot that has @address, or where it would be; its contents in @found. */
static uint64_t *slot_of(struct own_table *in, uint32_t address, uint64_t *found)
{
    uint32_t mask = in->count - 1;
    uint32_t index = address * 0x9E3779B1u >> in->shift; /* Fibonacci hashing: Knuth 6.4 */

    for (;; index = (index + 1) & mask) {
        *found = READ_ONCE(in->slots[index]);
        if (*found == 0 || (uint32_t)*found == address)
            return &in->slots[index];
    }
}

enum address_kind interface_classify(uint32_t address)
{
    uint64_t found;
    uint32_t read;

    if (address == IPV4_BROADCAST)
        return ADDRESS_BROADCAST;
    do {
        read = seqlock_read_begin(&sequence);
        /* acquire: pairs with the release in own_addresses_end() */
        slot_of(__atomic_load_n(&table, __ATOMIC_ACQUIRE), address, &found);
    } while (seqlock_read_retry(&sequence, read));
    if (found == 0 && ipv4_is_loopback(address))
        return ADDRESS_OWN;
    return (enum address_kind)(found >> 32);
}

int own_addresses_reserve(unsigned int count)
{
    const struct own_table *latest = larger ? larger : table;
    uint32_t slots = latest->count;
    uint32_t shift = latest->shift;

    for (; slots / 4 < count; slots *= 2) /* two addresses each, and half is left free */
        shift--;
    if (slots == latest->count)
        return 0;
    struct own_table *made = kzalloc(sizeof(*made) + slots * sizeof(made->slots[0]));
    if (!made)
        return -ENOMEM;
    made->count = slots;
    made->shift = shift;
    kfree(larger);
    larger = made;
    return 0;
}

void own_addresses_begin(void)
{
    seqlock_write_begin(&sequence);
}

static void put(struct own_table *in, uint32_t address, enum address_kind kind)
{
    uint64_t found;
    uint64_t *slot = slot_of(in, address, &found);

    if (found == 0)
        WRITE_ONCE(*slot, (uint64_t)kind << 32 | address);
}

static uint32_t broadcast_of(const struct interface *interface)
{
    const struct netdev *netdev = container_of(interface, struct netdev, interface);

    if (interface->prefix_length >= 31 || netdev->features & NETDEV_LOOPBACK)
        return 0;
    return interface->ipv4 | ~ipv4_mask(interface->prefix_length);
}

void own_addresses_end(const struct list *interfaces)
{
    struct own_table *in = larger ? larger : table;
    const struct interface *interface;

    for (size_t i = 0; i < in->count; i++)
        WRITE_ONCE(in->slots[i], 0);
    list_for_each_entry(interface, interfaces, node)
        put(in, interface->ipv4, ADDRESS_OWN);
    list_for_each_entry(interface, interfaces, node) { /* after all of those: they count more */
        if (broadcast_of(interface))
            put(in, broadcast_of(interface), ADDRESS_BROADCAST);
    }
    larger = NULL;
    __atomic_store_n(&table, in, __ATOMIC_RELEASE); /* pairs with the acquire of the readers */
    seqlock_write_end(&sequence);
}
