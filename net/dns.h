/*
 * The DNS resolver: a stub that asks the name servers of net/interface.h, with a cache.
 */
#pragma once

#include <stdint.h>

#include "lib/compiler.h"
#include "net/dns_message.h"
#include "net/ip_address.h"

/**
 * dns_resolve() - addresses of the host @name
 * Answered from the cache while its TTL lasts, else by asking each server in turn, again and again
 * with longer waits until @deadline_ns or DNS_TRIES. Each question has a random id and port, and
 * only an answer from the server asked, with that id and question, counts.
 * Return: 0 with @answer; -ENOENT no such host (NXDOMAIN); -ENODATA the name has no IPv4 address;
 * -EINVAL not a name; -EDESTADDRREQ no server known, or dns=off; -ETIMEDOUT; -ECANCELED;
 * -EIO every server refused; -ENETDOWN and others, as sockets do, when none can be reached.
 * Context: task, may sleep.
 */
int __must_check dns_resolve(const char *name, struct dns_answer *answer, uint64_t deadline_ns);

/** dns_flush() - forget all answers. Return: how many there were. Context: any. */
unsigned int dns_flush(void);

/* ---- dns_cache.c ---- */

#define DNS_CACHE_MAX 256 /* names; the one that expires first makes room */

/** dns_cache_find() - 0, -ENOENT or -ENODATA as dns_resolve(); -EAGAIN not in the cache. */
int dns_cache_find(const char *name, struct dns_answer *answer);
/** dns_cache_add() - @result: 0, -ENOENT or -ENODATA; kept for answer->ttl seconds. */
void dns_cache_add(const char *name, int result, const struct dns_answer *answer);

struct dns_cache_info {
    char name[DNS_NAME_MAX];
    int result;
    uint32_t address; /* the first */
    uint64_t seconds_left;
};
/** dns_cache_get() - entry @index for display; false past the end. */
bool dns_cache_get(unsigned int index, struct dns_cache_info *info);
