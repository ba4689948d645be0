/*
 * ICMP errors about what we sent (RFC 9293 3.9.2.2): a smaller path MTU (RFC 1191), and reasons why
 * a peer cannot be reached. Strangers can forge them: RFC 5927.
 *
 * Below: icmp.c, which has checked the message. Above: path_mtu.c, tcp_output.c.
 */
#include "lib/byteorder.h"
#include "net/route.h"
#include "net/tcp_internal.h"

static void lower_mss(struct tcp_socket *tcp, uint32_t mtu)
{
    uint16_t before = tcp->mss;

    if (!tcp->netdev)
        return;
    path_mtu_lower(tcp->base.peer.ip.v4, tcp->netdev, MIN_T(uint32_t, mtu, 65535));
    if (tcp_update_route(tcp) || tcp->mss >= before || !tcp_is_synchronized(tcp))
        return;
    /* What is in flight was too large: it is lost, without any congestion. */
    tcp->high_rxt = tcp->snd_una;
    tcp->lost_edge = tcp->snd_nxt;
    tcp->must_retransmit = tcp->snd_una != tcp->snd_nxt;
    if (tcp->recovery != TCP_LOSS)
        tcp->recovery = TCP_RESEND;
    tcp->recovery_point = tcp->snd_nxt;
    tcp_output(tcp);
}

static void process_icmp(struct tcp_socket *tcp, const struct icmp_error *error)
{
    int code = icmp_error_to_errno(error->type, error->code);

    if (error->type == ICMP_UNREACHABLE && error->code == ICMP_FRAGMENTATION_NEEDED) {
        lower_mss(tcp, error->info & 0xFFFF);
        return;
    }
    if (code == 0)
        return;
    if (tcp->state == TCP_SYN_SENT) { /* RFC 5461: nothing is lost by giving up at once */
        tcp_count(TCP_ATTEMPTS_FAILED);
        tcp_end(tcp, code);
    } else {
        tcp->soft_error = code; /* the path may heal; it is the reason if the connection dies */
    }
}

void tcp_error(const struct icmp_error *error)
{
    const struct tcp_header *header = (const void *)error->transport; /* its first 8 bytes */
    struct socket_address local = socket_address_v4(error->source, be16_to_cpu(header->source));
    struct socket_address peer =
        socket_address_v4(error->destination, be16_to_cpu(header->destination));
    struct tcp_socket *tcp = tcp_table_find(&local, &peer);
    uint32_t seq = be32_to_cpu(header->seq);
    irqflags_t flags;

    if (!tcp)
        return;
    flags = tcp_lock(tcp);
    /* RFC 5927 4.1: only about something in flight, which a stranger would have to guess */
    if (tcp->state != TCP_CLOSED && seq_geq(seq, tcp->snd_una) && seq_lt(seq, tcp->snd_max))
        process_icmp(tcp, error);
    tcp_unlock(tcp, flags);
    socket_put(&tcp->base);
}
