/*
 * Frames in at the bottom, the whole stack above: devices, ARP, IPv4 with fragments, ICMP, UDP, TCP
 * with a listener and a connection under way.
 *
 * Input: a series of records: one byte of kind, two of length (little endian), the bytes.
 *   kind bit 0   put a right IPv4 header checksum in, and skip transport checksums, so that mutated
 *                packets get past them
 *   kind bit 1   fill TCP's sequence and acknowledgment numbers relative to the last SYN-ACK seen
 *   kind bits 2-5  let time pass afterwards: 2^n milliseconds
 */
// links: net/loopback.c net/arp.c net/netdev.c net/udp.c net/tcp_socket.c net/ipv4_fragment.c
#include <string.h>

#include "arch/host/host.h"
#include "kernel/init.h"
#include "kernel/sched/task.h"
#include "lib/byteorder.h"
#include "lib/checksum.h"
#include "net/ethernet.h"
#include "net/ipv4.h"
#include "net/loopback.h"
#include "net/netdev.h"
#include "net/socket.h"
#include "net/tcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OWN  IPV4(10, 1, 0, 1)
#define PEER IPV4(10, 1, 0, 2)

/* An input of 4 KiB may let half a day go by. */
#define INPUT_TIME_LIMIT_NS (10 * 24 * 3600 * NS_PER_S)

static struct netdev device;
static struct frame *waiting;
static uint32_t their_next, our_next;

/* Learn the numbers of our own SYN and SYN-ACK, so that inputs can get into connections. */
static void observe(const struct frame *frame)
{
    uint8_t bytes[ETHERNET_HEADER_SIZE + 40];
    const uint8_t *tcp = bytes + ETHERNET_HEADER_SIZE + 20;

    if (frame->length < sizeof(bytes))
        return;
    frame_copy_out(frame, 0, bytes, sizeof(bytes));
    if (bytes[ETHERNET_HEADER_SIZE + 9] != IP_PROTOCOL_TCP || !(tcp[13] & 2))
        return;
    our_next = load_be32(tcp + 4) + 1;
    if (tcp[13] & 16)
        their_next = load_be32(tcp + 8);
}

static bool fuzz_transmit(struct netdev *netdev, unsigned int queue, struct frame_queue *frames)
{
    struct frame *frame;

    (void)netdev;
    (void)queue;
    while ((frame = frame_queue_pop(frames)) != NULL) {
        observe(frame);
        netdev_transmit_done(frame);
        frame_free(frame);
    }
    return false;
}

static unsigned int fuzz_poll(struct netdev *netdev, unsigned int queue, unsigned int budget)
{
    struct frame *frame = waiting;

    (void)queue;
    (void)budget;
    waiting = NULL;
    if (frame)
        netdev_receive(netdev, frame);
    return frame != NULL;
}

static const struct netdev_ops fuzz_ops = { .transmit = fuzz_transmit, .poll = fuzz_poll };

struct input {
    const uint8_t *data;
    size_t size;
};

static void adjust(uint8_t *bytes, size_t length, uint8_t kind, struct frame *frame)
{
    uint8_t *ip = bytes + ETHERNET_HEADER_SIZE;
    unsigned int header;

    if (length < ETHERNET_HEADER_SIZE + 20)
        return;
    header = (ip[0] & 15u) * 4;
    if (!(kind & 1) || header < 20 || length < ETHERNET_HEADER_SIZE + header)
        return;
    if (kind & 2 && ip[9] == IP_PROTOCOL_TCP && length >= ETHERNET_HEADER_SIZE + header + 20) {
        store_be32(ip + header + 4, load_be32(ip + header + 4) + their_next);
        store_be32(ip + header + 8, load_be32(ip + header + 8) + our_next);
    }
    uint16_t zero = 0, sum;
    memcpy(ip + 10, &zero, 2);
    sum = checksum(ip, header);
    memcpy(ip + 10, &sum, 2);
    frame->flags |= FRAME_CSUM_VERIFIED;
}

static void feed(const struct input *input)
{
    const uint8_t *at = input->data, *end = at + input->size;

    while (end - at >= 3) {
        uint8_t kind = at[0];
        size_t length = at[1] | (size_t)at[2] << 8;

        at += 3;
        length = MIN(length, (size_t)(end - at));
        waiting = frame_alloc(0, (uint32_t)length, 1);
        memcpy(frame_data(waiting), at, length);
        adjust(frame_data(waiting), length, kind, waiting);
        at += length;
        netdev_poll_schedule_isr(&device, 0);
        host_settle();
        if (kind >> 2 & 15)
            host_advance_ns(NS_PER_MS << (kind >> 2 & 15));
    }
}

/* Take what arrives, and echo it. */
static int serve(void *arg)
{
    struct socket *listener = arg, *connection;
    char buffer[1024];
    size_t got;

    while (socket_accept(listener, &connection, deadline_after_ns(60 * NS_PER_S)) == 0) {
        while (socket_receive(connection, buffer, sizeof(buffer), deadline_after_ns(NS_PER_S),
                              &got) == 0 &&
               got > 0 &&
               socket_send(connection, buffer, got, deadline_after_ns(NS_PER_S), NULL) == 0)
            ;
        socket_close(connection);
    }
    return 0;
}

/* Long enough for fragments; and for what TCP gives up after minutes only where there is such. */
static void let_all_end(void)
{
    host_advance_ns(60 * NS_PER_S);
    for (unsigned int i = 0; i < 34 && tcp_connection_count() > 0; i++)
        host_advance_ns(10 * NS_PER_S);
}

static int run(void *arg)
{
    const struct socket_address tcp_local = { .port = 80 }, udp_local = { .port = 53 };
    const struct socket_address tcp_peer = socket_address_v4(PEER, 8080);
    struct socket *listener, *active, *udp;
    struct task *server;
    int status;

    memset(&device, 0, sizeof(device));
    strcpy(device.name, "eth");
    device.ops = &fuzz_ops;
    device.mtu = 1500;
    device.is_link_up = true;
    memcpy(device.mac, (uint8_t[]){ 2, 0, 0, 0, 0, 1 }, MAC_SIZE);
    if (netdev_register(&device) || interface_set_ipv4(&device, OWN, 24) ||
        socket_create(SOCKET_TCP, &listener) || socket_bind(listener, &tcp_local) ||
        socket_listen(listener, 2) || socket_create(SOCKET_UDP, &udp) ||
        socket_bind(udp, &udp_local) || socket_create(SOCKET_TCP, &active) ||
        socket_set_option(active, SOCKET_OPTION_NONBLOCK, 1) ||
        task_create("server", serve, listener, &server))
        host_fail("set-up");
    status = socket_connect(active, &tcp_peer, DEADLINE_NEVER);
    feed(arg);
    socket_close(active);
    socket_close(udp);
    task_cancel(server);
    if (task_join(server, &status, DEADLINE_NEVER))
        host_fail("join");
    socket_close(listener);
    let_all_end();
    netdev_unregister(&device);
    host_advance_ns(2 * NS_PER_S);
    if (tcp_connection_count() || tcp_memory_bytes())
        host_fail("%u connections, %llu bytes left", tcp_connection_count(),
                  (unsigned long long)tcp_memory_bytes());
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = { data, size };

    if (!loopback_netdev()) {
        host_kernel_start();
        init_run_level(INIT_SMP);
        init_run_level(INIT_BUS);
    }
    our_next = their_next = 0;
    host_set_time_limit(deadline_after_ns(INPUT_TIME_LIMIT_NS));
    host_run(run, &input);
    return 0;
}
