/*
 * Shared by ipv4_input.c, ipv4_output.c and ipv4_fragment.c.
 */
#pragma once

#include "net/ipv4.h"

void ipv4_count(enum ipv4_counter counter);

/**
 * ipv4_reassemble() - a fragment has arrived
 * @frame: handed over; begins at the fragment's payload
 * Return: the whole packet's payload, when this was the last piece missing, with @packet's original
 * bytes those of the first fragment; NULL otherwise.
 * Context: softirq.
 */
struct frame *ipv4_reassemble(struct frame *frame, struct ipv4_packet *packet, uint16_t id,
                              uint16_t fragment);
