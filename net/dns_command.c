/*
 * Commands of the resolver: nslookup, dnsflush, dnscache.
 */
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "net/dns.h"
#include "net/interface.h"
#include "net/socket.h"
#include "shell/command.h"

#define NSLOOKUP_TIMEOUT_NS (15 * NS_PER_S)

static int nslookup_command(struct shell *shell, int argc, char **argv)
{
    struct dns_answer answer;
    char text[IP_ADDRESS_TEXT_SIZE];

    if (argc != 2)
        return -EINVAL;
    int error = dns_resolve(argv[1], &answer, deadline_after_ns(NSLOOKUP_TIMEOUT_NS));
    if (error) {
        shell_error(shell, "%s: %s", argv[1], net_resolve_problem(error));
        return error == -EINVAL ? -EILSEQ : error;
    }
    if (answer.canonical_name[0])
        shell_printf(shell, "%s is an alias of %s\n", argv[1], answer.canonical_name);
    for (unsigned int i = 0; i < answer.address_count; i++)
        shell_printf(shell, "%s %s\n", argv[1], ipv4_format(text, answer.addresses[i]));
    return 0;
}
SHELL_COMMAND(nslookup, "nslookup HOST", "resolve a host name by DNS", nslookup_command,
              CMD_NORMAL);

static int dnsflush_command(struct shell *shell, int argc, char **argv __maybe_unused)
{
    if (argc != 1)
        return -EINVAL;
    shell_printf(shell, "%u names forgotten\n", dns_flush());
    return 0;
}
SHELL_COMMAND(dnsflush, "dnsflush", "forget the answers of the DNS", dnsflush_command, CMD_NORMAL);

static void print_servers(struct shell *shell)
{
    uint32_t servers[NAME_SERVERS_MAX];
    unsigned int count = interface_name_servers(servers);
    char text[IP_ADDRESS_TEXT_SIZE];

    for (unsigned int i = 0; i < count; i++)
        shell_printf(shell, "server %s\n", ipv4_format(text, servers[i]));
    if (count == 0)
        shell_printf(shell, "no server known\n");
}

static int dnscache_command(struct shell *shell, int argc, char **argv __maybe_unused)
{
    struct dns_cache_info info;
    char text[IP_ADDRESS_TEXT_SIZE];

    if (argc != 1)
        return -EINVAL;
    print_servers(shell);
    for (unsigned int i = 0; dns_cache_get(i, &info); i++)
        shell_printf(shell, "%-40s %-15s %llu s left\n", info.name,
                     info.result ? errno_text(info.result) : ipv4_format(text, info.address),
                     (unsigned long long)info.seconds_left);
    return 0;
}
SHELL_COMMAND(dnscache, "dnscache", "show the name servers and the answers that still hold",
              dnscache_command, CMD_NORMAL);
