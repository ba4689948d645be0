/*
 * The network rows, against bench/linux/peer: streams, requests, small packets, a download.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rows.h"

#define TOTAL        (256UL * 1024 * 1024) /* over all connections */
#define CHUNK        65536
#define STREAMS_MAX  8
#define TRIPS        5000
#define CONNECTIONS  2000
#define PACKETS      50000
#define DATAGRAM_MAX 128
#define WAIT_S       20

static uint8_t buffer[CHUNK];

static struct sockaddr_in address_of(const char *text, int port)
{
    struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

    inet_aton(text, &peer.sin_addr);
    return peer;
}

static int connect_to(const char *address, int type, int port)
{
    struct sockaddr_in peer = address_of(address, port);
    struct timeval wait = { .tv_sec = WAIT_S };
    int one = 1, fd = socket(AF_INET, type, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    if (connect(fd, (struct sockaddr *)&peer, sizeof(peer)))
        rows_fail("connect");
    if (type == SOCK_STREAM)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

/* ---- streams --------------------------------------------------------------------------------- */

static void receive_stream(const char *address, uint64_t bytes)
{
    int fd = connect_to(address, SOCK_STREAM, 7001);

    for (uint64_t total = 0; total < bytes;) {
        ssize_t got = read(fd, buffer, sizeof(buffer));
        if (got <= 0)
            rows_fail("receive");
        total += (uint64_t)got;
    }
}

static void send_stream(const char *address, uint64_t bytes)
{
    int fd = connect_to(address, SOCK_STREAM, 7002);

    for (uint64_t total = 0; total < bytes; total += CHUNK)
        if (write(fd, buffer, CHUNK) != CHUNK)
            rows_fail("send");
    shutdown(fd, SHUT_WR);
    if (read(fd, buffer, 1) != 0)
        rows_fail("send");
}

/* A process for each connection, as a server's users are. */
static void measure_streams(const char *address, unsigned int count, const char *direction,
                            void (*stream)(const char *address, uint64_t bytes))
{
    uint64_t total = rows_count(TOTAL / CHUNK) / count * count * CHUNK;
    uint64_t start = rows_now_ns();
    char name[32];
    int status, failed = 0;

    for (unsigned int i = 0; i < count; i++)
        if (fork() == 0) {
            stream(address, total / count);
            exit(0);
        }
    while (wait(&status) > 0)
        failed |= status;
    if (failed)
        exit(1);
    snprintf(name, sizeof(name), "tcp_%s_%u", direction, count);
    rows_report(name, total * 1000 / (rows_now_ns() - start), "MB/s");
}

void tcp_rows(const char *address)
{
    for (unsigned int count = 1; count <= STREAMS_MAX; count += STREAMS_MAX - 1) {
        measure_streams(address, count, "receive", receive_stream);
        measure_streams(address, count, "send", send_stream);
    }
}

/* ---- requests -------------------------------------------------------------------------------- */

static void measure_trips(const char *address)
{
    static uint64_t times[TRIPS];
    size_t count = rows_count(TRIPS);
    int fd = connect_to(address, SOCK_STREAM, 7003);

    for (size_t i = 0; i < count; i++) {
        uint64_t start = rows_now_ns();
        if (write(fd, buffer, 1) != 1 || read(fd, buffer, 1) != 1)
            rows_fail("round trip");
        times[i] = rows_now_ns() - start;
    }
    close(fd);
    rows_report_percentiles("tcp_round_trip", times, count);
}

static void measure_connections(const char *address)
{
    uint64_t count = rows_count(CONNECTIONS), start = rows_now_ns();

    for (uint64_t i = 0; i < count; i++) {
        int fd = connect_to(address, SOCK_STREAM, 7002);
        if (shutdown(fd, SHUT_WR) || read(fd, buffer, 1) != 0)
            rows_fail("close");
        close(fd);
    }
    rows_report("tcp_connect_close", count * 1000000000 / (rows_now_ns() - start), "requests/s");
}

void requests_rows(const char *address)
{
    measure_trips(address);
    measure_connections(address);
}

/* ---- small packets: the peer measures, and tells --------------------------------------------- */

static void converse(const char *address, int port, const char *name)
{
    int fd = connect_to(address, SOCK_DGRAM, port);
    char text[DATAGRAM_MAX + 1];
    unsigned long count, ns;
    int length = snprintf(text, sizeof(text), "go %lu", rows_count(PACKETS));

    if (send(fd, text, (size_t)length, 0) != length)
        rows_fail(name);
    rows_now_ns(); /* for the instructions; the peer has the time */
    for (;;) {
        ssize_t got = recv(fd, text, DATAGRAM_MAX, 0);
        if (got < 0)
            rows_fail(name);
        text[got] = '\0';
        if (sscanf(text, "done %lu %lu", &count, &ns) == 2)
            break;
        if (send(fd, text, (size_t)got, 0) != got)
            rows_fail(name);
    }
    rows_now_ns();
    rows_report(name, count * 1000000000 / (ns ? ns : 1), "packets/s");
    close(fd);
}

void udp_rows(const char *address)
{
    converse(address, 7004, "udp_echo_64");
}

void ping_rows(const char *address)
{
    converse(address, 7005, "ping_answered");
}

/* ---- a download into a file, by what users have ------------------------------------------------
 */

void wget_rows(const char *url, const char *path)
{
    char command[512];
    struct stat status;

    snprintf(command, sizeof(command), "wget -q -O '%s' '%s'", path, url);
    uint64_t start = rows_now_ns();
    if (system(command) != 0)
        rows_fail("wget");
    sync();
    uint64_t ns = rows_now_ns() - start;
    if (stat(path, &status))
        rows_fail(path);
    rows_report("wget_to_disk", (uint64_t)status.st_size * 1000 / ns, "MB/s");
}
