/*
 * The host's side of the network rows. Ends when it is killed, or who started it ends.
 *
 *     7001/tcp  sends without end
 *     7002/tcp  takes everything, and closes when the other side does
 *     7003/tcp  echoes
 *     7004/udp  "go COUNT": sends so many datagrams of 64 B, which the other side echoes
 *     7005/udp  "go COUNT": pings the other side so many times (needs root)
 *
 * The last two keep some packets under way and answer "done COUNT NANOSECONDS":
 * bench/linux/flight.c.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flight.h"

static char buffer[1 << 18];

static int open_port(int type, int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int one = 1, fd = socket(AF_INET, type, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
        (type == SOCK_STREAM && listen(fd, 128))) {
        perror("peer");
        exit(1);
    }
    return fd;
}

/* A process that ends when its parent does. True in it. */
static bool begin_process(void)
{
    if (fork() != 0)
        return false;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return true;
}

static int next_connection(int fd)
{
    int one = 1, connection = accept(fd, NULL, NULL);

    if (connection >= 0)
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return connection;
}

static void serve_source(int fd)
{
    while (write(fd, buffer, sizeof(buffer)) > 0)
        ;
}

static void serve_echo(int fd)
{
    ssize_t got;

    while ((got = read(fd, buffer, sizeof(buffer))) > 0)
        if (write(fd, buffer, (size_t)got) != got)
            break;
}

/* A process for each connection. */
static void serve_each(int port, void (*serve)(int fd))
{
    int fd = open_port(SOCK_STREAM, port);

    if (!begin_process())
        return;
    for (;;) {
        int connection = next_connection(fd);
        if (connection < 0)
            continue;
        if (begin_process()) {
            serve(connection);
            exit(0);
        }
        close(connection);
    }
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* One process for all, since connecting is measured here, and forking should not be. */
static void serve_sink(int port)
{
    int listener = open_port(SOCK_STREAM, port), epoll = epoll_create1(0);
    struct epoll_event event;

    if (!begin_process())
        return;
    watch(epoll, listener);
    for (;;) {
        if (epoll_wait(epoll, &event, 1, -1) != 1)
            continue;
        int fd = event.data.fd;
        if (fd == listener) {
            int connection = next_connection(listener);
            if (connection >= 0)
                watch(epoll, connection);
        } else if (read(fd, buffer, sizeof(buffer)) <= 0) {
            close(fd);
        }
    }
}

static void serve_flights(int port,
                          void (*fly)(int fd, struct sockaddr_in *to, unsigned long count))
{
    int fd = open_port(SOCK_DGRAM, port);

    if (!begin_process())
        return;
    for (;;) {
        struct sockaddr_in from;
        socklen_t length = sizeof(from);
        char text[64] = "";
        unsigned long count;

        if (recvfrom(fd, text, sizeof(text) - 1, 0, (struct sockaddr *)&from, &length) > 0 &&
            sscanf(text, "go %lu", &count) == 1)
            fly(fd, &from, count);
    }
}

int main(void)
{
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    serve_each(7001, serve_source);
    serve_sink(7002);
    serve_each(7003, serve_echo);
    serve_flights(7004, fly_datagrams);
    serve_flights(7005, fly_pings);
    printf("ready\n");
    fflush(stdout);
    pause();
    return 0;
}
