/*
 * Which local ports are picked for sockets that do not ask for one; declared in socket_internal.h.
 *
 * Above: udp.c, tcp_table.c. The search starts where a stranger cannot tell (RFC 6056 3.3.2).
 */
#include "kernel/parameter.h"
#include "kernel/random.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "net/socket_internal.h"

/* RFC 6335 6: the dynamic ports. Const after the parameters are read. */
static uint16_t first_port = 49152;
static uint16_t last_port = 65535;

static int ports_parameter(const char *value)
{
    const char *dash = strchr(value, '-');
    uint64_t first, last;

    if (!dash || parse_u64_n(value, (size_t)(dash - value), &first) || parse_u64(dash + 1, &last) ||
        first == 0 || first > last || last > UINT16_MAX)
        return -EINVAL;
    first_port = (uint16_t)first;
    last_port = (uint16_t)last;
    return 0;
}
PARAMETER(net_ports, "net.ports", "FIRST-LAST",
          "local ports of sockets that do not ask for one (default 49152-65535)", ports_parameter);

bool port_search_next(struct port_search *search, uint16_t *port)
{
    uint32_t count = last_port - first_port + 1u;

    if (search->tried == 0)
        search->start = random_below(count);
    if (search->tried == count)
        return false;
    *port = (uint16_t)(first_port + (search->start + search->tried++) % count);
    return true;
}
