/*
 * tcpstat: TCP's connections, listeners and counters.
 */
#include "lib/errno.h"
#include "net/tcp_internal.h"
#include "shell/command.h"

typedef unsigned long long ull;

static void show_connection(struct shell *shell, struct tcp_socket *tcp)
{
    char local[SOCKET_ADDRESS_TEXT_SIZE], peer[SOCKET_ADDRESS_TEXT_SIZE];
    irqflags_t flags = tcp_lock(tcp);
    enum tcp_state state = tcp->state;
    uint32_t unsent = tcp->snd_end - tcp->snd_una, unread = tcp->unread;
    uint32_t cwnd = tcp->cwnd, window = tcp->snd_wnd;
    uint64_t srtt = tcp->srtt_ns, rto = tcp_rto(tcp);

    socket_address_format(local, &tcp->base.local);
    socket_address_format(peer, &tcp->base.peer);
    tcp_unlock(tcp, flags);
    shell_printf(shell, "%-12s %-21s %-21s", tcp_state_name(state), local, peer);
    if (state == TCP_LISTEN)
        shell_printf(shell, " waiting %u half-open %u", tcp->listener->ready_count,
                     tcp->listener->half_open_count);
    else
        shell_printf(shell, " sendq %u recvq %u cwnd %u wnd %u rtt %llu us rto %llu ms", unsent,
                     unread, cwnd, window, (ull)(srtt / NS_PER_US), (ull)(rto / NS_PER_MS));
    shell_printf(shell, "\n");
}

static int tcpstat_command(struct shell *shell, int argc, char **argv)
{
    unsigned int bucket = 0, index = 0;
    struct tcp_socket *tcp;

    (void)argv;
    if (argc != 1)
        return -EINVAL;
    while ((tcp = tcp_table_get(&bucket, &index)) != NULL) {
        show_connection(shell, tcp);
        socket_put(&tcp->base);
    }
    shell_printf(shell, "%u connections, %llu bytes queued\n", tcp_connection_count(),
                 (ull)tcp_memory_bytes());
    for (unsigned int i = 0; i < TCP_COUNTER_COUNT; i++)
        shell_printf(shell, "%-28s %llu\n", tcp_counter_name(i), (ull)tcp_counter(i));
    return 0;
}
SHELL_COMMAND(tcpstat, "tcpstat", "TCP connections and counters", tcpstat_command, CMD_PANIC_OK);
