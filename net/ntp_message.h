/*
 * NTP version 4 on paper (RFC 5905, 7.3; as a simple client, RFC 4330): the request, and what an
 * answer is worth. Pure functions, for host tests and fuzzing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

#define NTP_PORT        123
#define NTP_PACKET_SIZE 48
#define NTP_STRATUM_MAX 15

enum ntp_verdict {
    NTP_GOOD,
    NTP_NOT_OURS, /* malformed, or no answer to our request: somebody guesses. To be ignored */
    NTP_UNSYNCHRONISED, /* the server says that it does not know the time */
    NTP_IMPLAUSIBLE,    /* times that cannot be */
    NTP_KISS, /* "kiss of death": the server does not want to be asked, ->reference says why
               */
};

struct ntp_reply {
    unsigned int stratum; /* 1: a clock; 2: its client; ... */
    char reference[16]; /* where the server has its time from: "GPS", "10.0.0.1"; or the kiss's code
                         */
    uint64_t received_ns;    /* Unix time at which the request reached the server */
    uint64_t transmitted_ns; /* and the answer left it */
};

/** ntp_request_build() - @nonce comes back as the answer's originate timestamp: let it be random.
 */
void ntp_request_build(uint8_t packet[NTP_PACKET_SIZE], uint64_t nonce);

/** ntp_reply_parse() - what is @packet, to one who asked with @nonce? */
enum ntp_verdict ntp_reply_parse(const uint8_t *packet, size_t length, uint64_t nonce,
                                 struct ntp_reply *reply);

/* What one exchange says about our clock, measured by a second one that nobody steps. */
struct ntp_sample {
    int64_t epoch_ns;  /* Unix time when the monotonic clock was 0 */
    uint64_t delay_ns; /* there and back; the error of epoch_ns is at most half of it */
};

/**
 * ntp_sample_make() - from an answer, and the monotonic times of the request and of the answer
 * Return: false when the server claims to have had it for longer than we waited.
 */
bool __must_check ntp_sample_make(const struct ntp_reply *reply, uint64_t sent_ns,
                                  uint64_t received_ns, struct ntp_sample *sample);
