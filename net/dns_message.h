/*
 * DNS messages (RFC 1035, RFC 2308): building a question, and taking an answer apart.
 *
 * Pure functions of bytes, for host tests and fuzzing. Only what a stub resolver needs: questions
 * for A records, answers with CNAME chains, and how long to believe them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

#define DNS_NAME_MAX      254 /* text without the final dot, with its NUL (RFC 1035, 2.3.4) */
#define DNS_QUERY_MAX     300
#define DNS_ADDRESSES_MAX 8
#define DNS_TTL_MAX       86400 /* seconds that an answer is believed, whatever it says */
#define DNS_NEGATIVE_TTL  60    /* without an SOA record to tell (RFC 2308, 5) */

enum dns_result {
    DNS_FOUND,
    DNS_NO_NAME,    /* NXDOMAIN */
    DNS_NO_ADDRESS, /* the name exists, but has no A record */
    DNS_TRUNCATED,  /* ask again over TCP */
    DNS_FAILED,     /* SERVFAIL, REFUSED...: another server may know */
    DNS_NOT_MINE,   /* wrong id or question: not the answer to this query; keep waiting */
    DNS_MALFORMED,
};

struct dns_answer {
    uint32_t addresses[DNS_ADDRESSES_MAX]; /* host order */
    unsigned int address_count;
    uint32_t ttl; /* seconds; of a negative answer too */
    unsigned int rcode;
    char canonical_name[DNS_NAME_MAX]; /* end of the CNAME chain; "" when there was none */
};

/** dns_name_is_valid() - labels of 1 to 63 bytes, at most 253 in all, a final dot is allowed. */
bool dns_name_is_valid(const char *name);

/** dns_name_normalize() - lower case, no final dot; @name is valid. */
void dns_name_normalize(char normal[DNS_NAME_MAX], const char *name);

/** dns_build_query() - a question for the A records of @name. Return: length, 0 for a bad name. */
size_t dns_build_query(uint8_t query[DNS_QUERY_MAX], const char *name, uint16_t id);

/** dns_parse_answer() - is @message the answer to our question, and what does it say? */
enum dns_result dns_parse_answer(const uint8_t *message, size_t length, const char *name,
                                 uint16_t id, struct dns_answer *answer);
