/*
 * The DNS resolver: asking, over UDP and, when the answer was cut, over TCP.
 *
 * Above: net_resolve() and so every command that takes a host. Below: sockets. A question has its
 * own connected UDP socket: its random port, the random id and the connection to one server are
 * what a forger has to guess.
 */
#include "net/dns.h"

#include "kernel/init.h"
#include "kernel/parameter.h"
#include "kernel/random.h"
#include "kernel/time/clock.h"
#include "lib/byteorder.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/interface.h"
#include "net/socket.h"

#define DNS_PORT       53
#define DNS_TRIES      4 /* rounds over all servers */
#define FIRST_WAIT_NS  (1 * NS_PER_S)
#define TCP_TIMEOUT_NS (5 * NS_PER_S)
#define UDP_ANSWER_MAX 1500
#define TCP_ANSWER_MAX 65535

static bool is_enabled = true; /* const after the parameters */

static int dns_parameter(const char *value)
{
    return parse_bool(value, &is_enabled);
}
PARAMETER(dns, "dns", "on|off", "resolve host names", dns_parameter);

struct question {
    const char *name;
    uint16_t id;
    uint8_t bytes[DNS_QUERY_MAX];
    size_t length;
    struct dns_answer *answer;
};

/* Wait for the answer to @question; what else arrives is ignored. 0 with *@result, or -errno. */
static int await_answer(struct socket *socket, const struct question *question, uint8_t *buffer,
                        uint64_t deadline_ns, enum dns_result *result)
{
    do {
        size_t length;
        int error = socket_receive(socket, buffer, UDP_ANSWER_MAX, deadline_ns, &length);
        if (error)
            return error;
        *result = dns_parse_answer(buffer, length, question->name, question->id, question->answer);
    } while (*result == DNS_NOT_MINE || *result == DNS_MALFORMED);
    return 0;
}

static int ask_udp(const struct question *question, uint32_t server, uint64_t deadline_ns,
                   enum dns_result *result)
{
    struct socket_address address = socket_address_v4(server, DNS_PORT);
    struct socket *socket;
    uint8_t *buffer = kmalloc(UDP_ANSWER_MAX);

    if (!buffer)
        return -ENOMEM;
    int error = socket_create(SOCKET_UDP, &socket);
    if (error)
        goto free_buffer;
    error = socket_connect(socket, &address, deadline_ns);
    if (!error)
        error = socket_send(socket, question->bytes, question->length, deadline_ns, NULL);
    if (!error)
        error = await_answer(socket, question, buffer, deadline_ns, result);
    socket_close(socket);
free_buffer:
    kfree(buffer);
    return error;
}

static int receive_all(struct socket *socket, uint8_t *to, size_t length, uint64_t deadline_ns)
{
    while (length > 0) {
        size_t received;
        int error = socket_receive(socket, to, length, deadline_ns, &received);
        if (error)
            return error;
        if (received == 0)
            return -ECONNRESET;
        to += received;
        length -= received;
    }
    return 0;
}

/* Messages over TCP have their length in front (RFC 1035, 4.2.2). */
static int exchange_tcp(struct socket *socket, const struct question *question, uint8_t *buffer,
                        uint64_t deadline_ns, enum dns_result *result)
{
    uint8_t length_bytes[2];

    store_be16(length_bytes, (uint16_t)question->length);
    int error = socket_send(socket, length_bytes, 2, deadline_ns, NULL);
    if (!error)
        error = socket_send(socket, question->bytes, question->length, deadline_ns, NULL);
    if (!error)
        error = receive_all(socket, length_bytes, 2, deadline_ns);
    if (error)
        return error;
    size_t length = load_be16(length_bytes);
    error = receive_all(socket, buffer, length, deadline_ns);
    if (!error)
        *result = dns_parse_answer(buffer, length, question->name, question->id, question->answer);
    return error;
}

static int ask_tcp(const struct question *question, uint32_t server, uint64_t deadline_ns,
                   enum dns_result *result)
{
    struct socket_address address = socket_address_v4(server, DNS_PORT);
    struct socket *socket;
    uint8_t *buffer = kmalloc(TCP_ANSWER_MAX);

    if (!buffer)
        return -ENOMEM;
    int error = socket_create(SOCKET_TCP, &socket);
    if (error)
        goto free_buffer;
    error = socket_connect(socket, &address, deadline_ns);
    if (!error)
        error = exchange_tcp(socket, question, buffer, deadline_ns, result);
    socket_close(socket);
free_buffer:
    kfree(buffer);
    return error;
}

/* One server, once. */
static int ask(const struct question *question, uint32_t server, uint64_t wait_ns,
               uint64_t deadline_ns, enum dns_result *result)
{
    int error = ask_udp(question, server, MIN(deadline_after_ns(wait_ns), deadline_ns), result);

    if (!error && *result == DNS_TRUNCATED)
        error =
            ask_tcp(question, server, MIN(deadline_after_ns(TCP_TIMEOUT_NS), deadline_ns), result);
    return error;
}

/* What an answer means to the caller; -EAGAIN: ask on. */
static int verdict(enum dns_result result)
{
    switch (result) {
    case DNS_FOUND:
        return 0;
    case DNS_NO_NAME:
        return -ENOENT;
    case DNS_NO_ADDRESS:
        return -ENODATA;
    default:
        return -EAGAIN;
    }
}

static int ask_servers(struct question *question, uint64_t deadline_ns)
{
    uint32_t servers[NAME_SERVERS_MAX];
    unsigned int count = interface_name_servers(servers);
    uint64_t wait_ns = FIRST_WAIT_NS;
    int last = -EDESTADDRREQ;

    for (unsigned int try = 0; try < DNS_TRIES && count > 0; try++, wait_ns *= 2) {
        for (unsigned int i = 0; i < count; i++) {
            enum dns_result result = DNS_FAILED;
            question->id = (uint16_t)random_u32();
            question->length = dns_build_query(question->bytes, question->name, question->id);
            int error = ask(question, servers[i], wait_ns, deadline_ns, &result);
            if (error == -ECANCELED || error == -ENOMEM)
                return error;
            if (!error && verdict(result) != -EAGAIN)
                return verdict(result);
            last = error ? error : -EIO;
            if (clock_now_ns() >= deadline_ns)
                return -ETIMEDOUT;
        }
    }
    return last;
}

int dns_resolve(const char *name, struct dns_answer *answer, uint64_t deadline_ns)
{
    if (!dns_name_is_valid(name))
        return -EINVAL;
    if (!is_enabled)
        return -EDESTADDRREQ;
    int result = dns_cache_find(name, answer);
    if (result != -EAGAIN)
        return result;
    struct question *question = kzalloc(sizeof(*question));
    if (!question)
        return -ENOMEM;
    question->name = name;
    question->answer = answer;
    result = ask_servers(question, deadline_ns);
    kfree(question);
    if (result == 0 || result == -ENOENT || result == -ENODATA)
        dns_cache_add(name, result, answer);
    return result;
}

/* For net_resolve(): the first address will do. */
static int resolve_host(const char *name, struct ip_address *address, uint64_t deadline_ns)
{
    struct dns_answer answer;
    int error = dns_resolve(name, &answer, deadline_ns);

    if (!error)
        *address = ip_from_v4(answer.addresses[0]);
    return error;
}

static int __init dns_init(void)
{
    net_set_resolver(resolve_host);
    return 0;
}
INIT_HOOK(dns_init, INIT_SERVICE);
