/*
 * Packets to another machine and back, a fixed number of them under way: the answer of each sends
 * the next. Whoever asked is told "done COUNT NANOSECONDS": how many came back, and how long it
 * took.
 */
#pragma once

#include <netinet/in.h>

/** fly_datagrams() - by UDP through @fd to @to, who asked for @count. */
void fly_datagrams(int fd, struct sockaddr_in *to, unsigned long count);

/** fly_pings() - by ICMP echo; the answer goes through @fd. */
void fly_pings(int fd, struct sockaddr_in *to, unsigned long count);
