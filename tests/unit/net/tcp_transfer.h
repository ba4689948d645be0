/*
 * One TCP transfer over the wire, from host A's user to host B's, checked byte by byte. A file that
 * uses it says:
 *
 *     // links: net/loopback.c net/arp.c tests/unit/net/wire.c tests/unit/net/tcp_transfer.c
 */
#pragma once

#include "kernel/time/clock.h"
#include "net/tcp.h"
#include "tests/unit/net/wire.h"

/**
 * transfer_by() - send @length bytes by that congestion control; both users close
 * What arrives must be exact; all of it must, unless a user was told of an error. Nothing may stay.
 * Return: how long it took, until both had closed.
 */
uint64_t transfer_by(enum tcp_congestion_kind congestion, uint64_t seed, size_t length,
                     const struct wire_conditions *conditions);
/** transfer_once() - by the default, CUBIC. */
uint64_t transfer_once(uint64_t seed, size_t length, const struct wire_conditions *conditions);
