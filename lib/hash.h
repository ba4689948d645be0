/*
 * Keyed hash for tables whose keys come from outside: without the key, an attacker cannot choose
 * inputs that collide. SipHash-2-4, 64 bits (Aumasson and Bernstein, 2012).
 */
#pragma once

#include "lib/compiler.h"

/* Filled once with random bytes. */
struct hash_key {
    uint64_t word[2];
};

uint64_t hash_bytes(const struct hash_key *key, const void *data, size_t size);

/* The hash of two 64-bit words: hash_bytes() of their 16 little-endian bytes, faster. */
uint64_t hash_u64x2(const struct hash_key *key, uint64_t a, uint64_t b);

/* The hash of a string, without its end. */
uint64_t hash_string(const struct hash_key *key, const char *text);
