/*
 * ping and udpsend.
 */
#include "kernel/sync/wait_queue.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "net/command.h"
#include "net/icmp.h"
#include "net/socket.h"
#include "shell/command.h"

#define PING_COUNT       5
#define PING_PAYLOAD     56
#define PING_INTERVAL_NS NS_PER_S

typedef unsigned long long ull;

struct ping_total {
    unsigned int sent, answered;
    uint64_t least_ns, most_ns, sum_ns;
};

static void show_reply(struct shell *shell, const struct icmp_echo_reply *reply,
                       struct ping_total *total)
{
    char ip[IP_ADDRESS_TEXT_SIZE];

    if (reply->type != ICMP_ECHO_REPLY) {
        shell_printf(shell, "seq %u: %s, code %u\n", reply->sequence,
                     icmp_type_name(reply->type) ? icmp_type_name(reply->type) : "error",
                     reply->code);
        return;
    }
    total->answered++;
    total->sum_ns += reply->rtt_ns;
    total->least_ns = total->answered == 1 ? reply->rtt_ns : MIN(total->least_ns, reply->rtt_ns);
    total->most_ns = MAX(total->most_ns, reply->rtt_ns);
    shell_printf(shell, "%u bytes from %s: seq %u ttl %u time %llu us\n", reply->length,
                 ipv4_format(ip, reply->source), reply->sequence, reply->ttl,
                 (ull)(reply->rtt_ns / NS_PER_US));
}

/* One question and what came of it. Return: 0 go on; -ECANCELED, or an error that ends it. */
static int ping_once(struct shell *shell, struct icmp_echo *echo, uint32_t destination,
                     uint16_t sequence, struct ping_total *total)
{
    uint64_t next = deadline_after_ns(PING_INTERVAL_NS);
    struct icmp_echo_reply reply;
    int error = icmp_echo_request(echo, destination, sequence, PING_PAYLOAD, next, &reply);

    total->sent++;
    if (error == -ETIMEDOUT) {
        shell_printf(shell, "seq %u: no answer\n", sequence);
        return 0;
    }
    if (error)
        return error;
    show_reply(shell, &reply, total);
    return 0;
}

static int ping_series(struct shell *shell, uint32_t destination, uint32_t count)
{
    struct ping_total total = { 0 };
    struct icmp_echo *echo;
    int error = icmp_echo_open(&echo);

    if (error) {
        shell_error(shell, "%s", errno_text(error));
        return error;
    }
    for (uint32_t i = 0; !error && i < count; i++) {
        uint64_t next = deadline_after_ns(PING_INTERVAL_NS);

        error = ping_once(shell, echo, destination, (uint16_t)(i + 1), &total);
        if (!error && i + 1 < count)
            error = sleep_until_ns(next);
    }
    icmp_echo_close(echo);
    if (error && error != -ECANCELED) {
        shell_error(shell, "%s", errno_text(error));
        return error;
    }
    shell_printf(shell, "%u sent, %u received", total.sent, total.answered);
    if (total.answered)
        shell_printf(shell, ", min/avg/max %llu/%llu/%llu us", (ull)(total.least_ns / NS_PER_US),
                     (ull)(total.sum_ns / total.answered / NS_PER_US),
                     (ull)(total.most_ns / NS_PER_US));
    shell_printf(shell, "\n");
    return error ? error : total.answered ? 0 : -ETIMEDOUT;
}

static int ping_command(struct shell *shell, int argc, char **argv)
{
    struct ip_address address;
    const char *host = NULL;
    uint32_t count = PING_COUNT;
    int error;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
            if (parse_u32(argv[++i], &count) || count == 0 || count > 1000000) {
                shell_error(shell, "'%s' is not a count from 1 to 1000000", argv[i]);
                return -EINVAL;
            }
        } else if (argv[i][0] == '-' || host) {
            return -EINVAL;
        } else {
            host = argv[i];
        }
    }
    if (!host)
        return -EINVAL;
    error = command_resolve(shell, host, &address);
    return error ? error : ping_series(shell, address.v4, count);
}
SHELL_COMMAND(ping, "ping [-c COUNT] HOST", "ask a host for echoes and show their round-trip times",
              ping_command, CMD_NORMAL);

/* ---- udpsend ---- */

static int udpsend_command(struct shell *shell, int argc, char **argv)
{
    struct socket_address peer;
    struct socket *socket;
    int error;

    if (argc != 4)
        return -EINVAL;
    error = command_resolve(shell, argv[1], &peer.ip);
    if (error)
        return error;
    if (parse_u16(argv[2], &peer.port) || peer.port == 0) {
        shell_error(shell, "'%s' is not a port from 1 to 65535", argv[2]);
        return -EINVAL;
    }
    error = socket_create(SOCKET_UDP, &socket);
    if (error)
        return error;
    error = socket_set_option(socket, SOCKET_OPTION_BROADCAST, 1);
    if (!error)
        error = socket_send_to(socket, argv[3], strlen(argv[3]), &peer);
    socket_close(socket);
    if (error)
        shell_error(shell, "%s: %s", argv[1], errno_text(error));
    return error;
}
SHELL_COMMAND(udpsend, "udpsend HOST PORT MESSAGE", "send one UDP packet", udpsend_command,
              CMD_NORMAL);
