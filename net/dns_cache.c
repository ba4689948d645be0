/*
 * Answers of the DNS that still hold, found and not found alike; bounded.
 *
 * A hash table keyed by a secret, so that nobody who chooses names chooses collisions. Expired
 * entries go when they are met, or when room is needed.
 */
#include "kernel/random.h"
#include "kernel/sync/spinlock.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/hash.h"
#include "lib/list.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/dns.h"

#define BUCKETS 64

struct entry {
    struct list_node node;
    uint64_t expires_ns;
    int result;
    struct dns_answer answer;
    char name[DNS_NAME_MAX];
};

static DEFINE_SPINLOCK(cache_lock, "dns_cache", LOCK_RANK_NET_TABLE);
static struct list buckets[BUCKETS] __guarded_global(cache_lock);
static unsigned int entry_count __guarded_global(cache_lock);
static struct hash_key cache_key __guarded_global(cache_lock);

static struct list *bucket_locked(const char *name) __must_hold(cache_lock)
{
    if (!buckets[0].head.next) { /* the first use */
        random_bytes(&cache_key, sizeof(cache_key));
        for (size_t i = 0; i < BUCKETS; i++)
            list_init(&buckets[i]);
    }
    return &buckets[hash_string(&cache_key, name) % BUCKETS];
}

static void remove_locked(struct entry *entry) __must_hold(cache_lock)
{
    list_remove(&entry->node);
    kfree(entry);
    entry_count--;
}

static struct entry *find_locked(const char *name) __must_hold(cache_lock)
{
    struct list *bucket = bucket_locked(name);
    struct entry *entry;

    list_for_each_entry_safe(entry, bucket, node) {
        if (strcmp(entry->name, name) != 0)
            continue;
        if (entry->expires_ns > clock_now_ns())
            return entry;
        remove_locked(entry);
        return NULL;
    }
    return NULL;
}

static void make_room_locked(void) __must_hold(cache_lock)
{
    struct entry *entry, *first = NULL;

    for (size_t i = 0; i < BUCKETS; i++)
        list_for_each_entry(entry, &buckets[i], node)
            if (!first || entry->expires_ns < first->expires_ns)
                first = entry;
    if (first)
        remove_locked(first);
}

int dns_cache_find(const char *name, struct dns_answer *answer)
{
    char normal[DNS_NAME_MAX];
    int result = -EAGAIN;

    dns_name_normalize(normal, name);
    irqflags_t flags = spin_lock_irqsave(&cache_lock);
    struct entry *entry = find_locked(normal);
    if (entry) {
        *answer = entry->answer;
        result = entry->result;
    }
    spin_unlock_irqrestore(&cache_lock, flags);
    return result;
}

void dns_cache_add(const char *name, int result, const struct dns_answer *answer)
{
    struct entry *entry = answer->ttl ? kzalloc(sizeof(*entry)) : NULL;

    if (!entry) /* TTL 0: for this one use; out of memory: asked again next time */
        return;
    dns_name_normalize(entry->name, name);
    entry->result = result;
    entry->answer = *answer;
    entry->expires_ns = deadline_after_ns(answer->ttl * NS_PER_S);
    irqflags_t flags = spin_lock_irqsave(&cache_lock);
    struct entry *old = find_locked(entry->name);
    if (old)
        remove_locked(old);
    if (entry_count >= DNS_CACHE_MAX)
        make_room_locked();
    list_push_front(bucket_locked(entry->name), &entry->node);
    entry_count++;
    spin_unlock_irqrestore(&cache_lock, flags);
}

unsigned int dns_flush(void)
{
    irqflags_t flags = spin_lock_irqsave(&cache_lock);
    unsigned int count = entry_count;

    while (entry_count > 0)
        make_room_locked();
    spin_unlock_irqrestore(&cache_lock, flags);
    return count;
}

bool dns_cache_get(unsigned int index, struct dns_cache_info *info)
{
    struct entry *entry, *found = NULL;
    uint64_t now = clock_now_ns();
    irqflags_t flags = spin_lock_irqsave(&cache_lock);

    bucket_locked("");
    for (size_t i = 0; i < BUCKETS && !found; i++)
        list_for_each_entry(entry, &buckets[i], node)
            if (!found && entry->expires_ns > now && index-- == 0)
                found = entry;
    if (found) {
        strlcpy(info->name, found->name, sizeof(info->name));
        info->result = found->result;
        info->address = found->answer.addresses[0];
        info->seconds_left = (found->expires_ns - now) / NS_PER_S;
    }
    spin_unlock_irqrestore(&cache_lock, flags);
    return found != NULL;
}
