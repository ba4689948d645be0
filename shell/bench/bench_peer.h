/*
 * The other side of the network benchmarks: bench/linux/peer, on a machine of its own or in another
 * network namespace. What it does on which port is said in bench/linux/peer.c.
 */
#pragma once

#include "kernel/time/clock.h"
#include "net/socket.h"
#include "shell/bench/bench.h"

#define PEER_SOURCE  7001 /* TCP: sends without end */
#define PEER_SINK    7002 /* TCP: takes everything, and closes when we do */
#define PEER_ECHO    7003 /* TCP */
#define PEER_UDP     7004 /* UDP: sends datagrams that we are to echo, and counts them */
#define PEER_PING    7005 /* UDP: pings us, and counts the answers */
#define PEER_WAIT_NS (20 * NS_PER_S)

/**
 * bench_peer() - the address of the peer that the command line names, as its only argument
 * Return: 0 or -errno, having said why.
 */
int __must_check bench_peer(struct bench *bench, struct socket_address *peer);

/** bench_peer_connect() - a TCP connection to @port there. */
int __must_check bench_peer_connect(const struct socket_address *peer, uint16_t port,
                                    struct socket **socket);

/** bench_peer_failed() - say that @error ended the talk with it; @error. */
int bench_peer_failed(struct bench *bench, int error);
