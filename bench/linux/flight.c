/*
 * Packets to another machine and back, a fixed number of them under way.
 */
#include "flight.h"

#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define UNDER_WAY   16
#define SIZE        64  /* of UDP's data, or of the ICMP message */
#define LOST_MS     100 /* nothing came for so long: what was under way is lost */
#define LIMIT_NS    10000000000ull
#define DONE_TIMES  5
#define DONE_GAP_US 2000

struct flight {
    int fd;
    struct sockaddr_in to;
    void (*send)(struct flight *flight, unsigned long number);
    bool (*is_answer)(const unsigned char *packet, ssize_t length);
};

static unsigned long long now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned long long)t.tv_sec * 1000000000 + (unsigned long long)t.tv_nsec;
}

/* One packet, or none within the time: is it an answer? */
static int wait_answer(struct flight *flight)
{
    struct pollfd waiting = { .fd = flight->fd, .events = POLLIN };
    unsigned char packet[256] __attribute__((aligned(8)));

    if (poll(&waiting, 1, LOST_MS) != 1)
        return -1;
    return flight->is_answer(packet, recv(flight->fd, packet, sizeof(packet), 0));
}

/* Send @count, and wait until each has come back or is lost. How many came back. */
static unsigned long run(struct flight *flight, unsigned long count)
{
    unsigned long sent = 0, back = 0, lost = 0;
    unsigned long long limit = now_ns() + LIMIT_NS;

    while (back + lost < count && now_ns() < limit) {
        while (sent < count && sent < back + lost + UNDER_WAY)
            flight->send(flight, sent++);
        int answer = wait_answer(flight);
        if (answer < 0)
            lost = sent - back;
        else
            back += (unsigned long)answer;
    }
    return back;
}

static void measure(struct flight *flight, int answer_fd, unsigned long count)
{
    char text[64];
    unsigned long long start = now_ns();
    unsigned long back = run(flight, count);
    int length = snprintf(text, sizeof(text), "done %lu %llu", back, now_ns() - start);

    for (int i = 0; i < DONE_TIMES; i++) {
        sendto(answer_fd, text, (size_t)length, 0, (struct sockaddr *)&flight->to,
               sizeof(flight->to));
        usleep(DONE_GAP_US);
    }
}

static void send_datagram(struct flight *flight, unsigned long number)
{
    char data[SIZE] = "echo";

    memcpy(data + 8, &number, sizeof(number));
    sendto(flight->fd, data, sizeof(data), 0, (struct sockaddr *)&flight->to, sizeof(flight->to));
}

static bool is_datagram(const unsigned char *packet, ssize_t length)
{
    return length == SIZE && memcmp(packet, "echo", 4) == 0;
}

void fly_datagrams(int fd, struct sockaddr_in *to, unsigned long count)
{
    struct flight flight = { .fd = fd, .to = *to, .send = send_datagram, .is_answer = is_datagram };

    measure(&flight, fd, count);
}

/* The Internet checksum of an even number of bytes. */
static unsigned short checksum(const void *data, size_t size)
{
    const unsigned short *words = data;
    unsigned long sum = 0;

    for (size_t i = 0; i < size / 2; i++)
        sum += words[i];
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return (unsigned short)~sum;
}

static void send_ping(struct flight *flight, unsigned long number)
{
    _Alignas(8) unsigned char message[SIZE] = { 0 };
    struct icmphdr *header = (struct icmphdr *)message;

    header->type = ICMP_ECHO;
    header->un.echo.id = htons((unsigned short)getpid());
    header->un.echo.sequence = htons((unsigned short)number);
    header->checksum = checksum(message, sizeof(message));
    sendto(flight->fd, message, sizeof(message), 0, (struct sockaddr *)&flight->to,
           sizeof(flight->to));
}

static bool is_pong(const unsigned char *packet, ssize_t length)
{
    const struct iphdr *ip = (const struct iphdr *)packet;
    const struct icmphdr *header = (const struct icmphdr *)(packet + ip->ihl * 4);

    return length == (ssize_t)sizeof(*ip) + SIZE && header->type == ICMP_ECHOREPLY &&
           header->un.echo.id == htons((unsigned short)getpid());
}

void fly_pings(int fd, struct sockaddr_in *to, unsigned long count)
{
    struct flight flight = { .fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP),
                             .to = *to,
                             .send = send_ping,
                             .is_answer = is_pong };

    if (flight.fd < 0) {
        perror("peer: ping");
        return;
    }
    measure(&flight, fd, count);
    close(flight.fd);
}
