/*
 * What the commands of the network share.
 */
#include "net/command.h"

#include "kernel/time/clock.h"
#include "net/socket.h"

#define RESOLVE_NS (15 * NS_PER_S)

int command_resolve(struct shell *shell, const char *host, struct ip_address *address)
{
    int error = net_resolve(host, address, deadline_after_ns(RESOLVE_NS));

    if (error)
        shell_error(shell, "%s: %s", host, net_resolve_problem(error));
    return error;
}
