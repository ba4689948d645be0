/*
 * ntpdate: set the wall clock by a server of the network time protocol.
 *
 * A few exchanges; the one with the shortest way there and back has the smallest error and wins.
 * Each request carries a random number that the answer must return, so that one who does not see
 * our packets cannot set our clock.
 */
#include "kernel/random.h"
#include "kernel/sync/wait_queue.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "net/ntp_message.h"
#include "net/socket.h"
#include "shell/command.h"

#define SAMPLES     4
#define RESOLVE_NS  (10 * NS_PER_S)
#define ANSWER_NS   (2 * NS_PER_S) /* for each request */
#define INTERVAL_NS (250 * NS_PER_MS)

struct query {
    struct shell *shell;
    const char *host;
    struct socket *socket;
    bool is_resolved;
    enum ntp_verdict verdict; /* the last; with one that is not NTP_GOOD it is over */
    unsigned int answers;
    struct ntp_sample best; /* valid if there were answers, as is the next */
    struct ntp_reply reply; /* the one that best was made from, or that ended it */
};

static void keep_best(struct query *query, const struct ntp_sample *sample,
                      const struct ntp_reply *reply)
{
    if (query->answers++ > 0 && sample->delay_ns >= query->best.delay_ns)
        return;
    query->best = *sample;
    query->reply = *reply;
}

/* Wait for the answer to the request of @nonce; what is none is passed over. */
static int await_answer(struct query *query, uint64_t nonce, uint64_t sent_ns)
{
    uint64_t deadline_ns = sent_ns + ANSWER_NS;
    uint8_t packet[NTP_PACKET_SIZE];

    for (;;) {
        struct ntp_reply reply;
        struct ntp_sample sample;
        size_t length;
        int error = socket_receive(query->socket, packet, sizeof(packet), deadline_ns, &length);
        uint64_t received_ns = clock_now_ns();

        if (error)
            return error;
        enum ntp_verdict verdict = ntp_reply_parse(packet, length, nonce, &reply);
        if (verdict == NTP_NOT_OURS)
            continue;
        if (verdict == NTP_GOOD && !ntp_sample_make(&reply, sent_ns, received_ns, &sample))
            verdict = NTP_IMPLAUSIBLE;
        if (verdict == NTP_GOOD) {
            keep_best(query, &sample, &reply);
            return 0;
        }
        query->verdict = verdict;
        query->reply = reply;
        return -EPROTO;
    }
}

static int exchange(struct query *query)
{
    uint8_t packet[NTP_PACKET_SIZE];
    uint64_t nonce = random_u64(), sent_ns = clock_now_ns();

    ntp_request_build(packet, nonce);
    int error = socket_send(query->socket, packet, sizeof(packet), sent_ns + ANSWER_NS, NULL);
    return error ? error : await_answer(query, nonce, sent_ns);
}

/* All exchanges; one that got no answer does not spoil the others. */
static int ask(struct query *query)
{
    int error = 0;

    for (unsigned int i = 0; i < SAMPLES && (!error || error == -ETIMEDOUT); i++) {
        if (i > 0 && !error)
            error = sleep_ns(INTERVAL_NS);
        if (error != -ECANCELED)
            error = exchange(query);
    }
    if (error == -ETIMEDOUT && query->answers > 0)
        error = 0;
    return error;
}

static void print_offset(struct shell *shell, int64_t offset_ns)
{
    uint64_t size = offset_ns < 0 ? -(uint64_t)offset_ns : (uint64_t)offset_ns;

    shell_printf(shell, "%c%llu.%06llu s", offset_ns < 0 ? '-' : '+',
                 (unsigned long long)(size / NS_PER_S),
                 (unsigned long long)(size % NS_PER_S / NS_PER_US));
}

static void print_result(struct query *query, bool is_set)
{
    struct shell *shell = query->shell;
    uint64_t now_ns = clock_now_ns();
    int64_t true_ns = query->best.epoch_ns + (int64_t)now_ns;
    int64_t offset_ns = true_ns - (int64_t)clock_wall_ns();
    char address[IP_ADDRESS_TEXT_SIZE];
    struct calendar_time date;
    struct socket_address peer;

    socket_peer(query->socket, &peer);
    shell_printf(shell, "%s: stratum %u (%s), %u of %u answers, delay %llu.%06llu s, offset ",
                 ipv4_format(address, peer.ip.v4), query->reply.stratum, query->reply.reference,
                 query->answers, SAMPLES, (unsigned long long)(query->best.delay_ns / NS_PER_S),
                 (unsigned long long)(query->best.delay_ns % NS_PER_S / NS_PER_US));
    print_offset(shell, offset_ns);
    if (is_set)
        clock_wall_set((uint64_t)(query->best.epoch_ns + (int64_t)clock_now_ns()));
    calendar_from_unix((uint64_t)true_ns / NS_PER_S, &date);
    shell_printf(shell, "\n%s%04u-%02u-%02u %02u:%02u:%02u UTC\n",
                 is_set ? "the clock is set: " : "it is ", date.year, date.month, date.day,
                 date.hour, date.minute, date.second);
}

/* Why there is no time from this server. */
static void explain(struct query *query, int error)
{
    struct shell *shell = query->shell;
    const char *host = query->host;

    if (error == -ECANCELED)
        return;
    if (!query->is_resolved)
        shell_error(shell, "%s: %s", host, net_resolve_problem(error));
    else if (query->verdict == NTP_KISS)
        shell_error(shell, "%s does not want to be asked (kiss of death: %s)", host,
                    query->reply.reference);
    else if (query->verdict == NTP_UNSYNCHRONISED)
        shell_error(shell, "%s is not synchronised itself (stratum %u)", host,
                    query->reply.stratum);
    else if (query->verdict == NTP_IMPLAUSIBLE)
        shell_error(shell, "%s answers with times that cannot be", host);
    else if (error == -ETIMEDOUT)
        shell_error(shell, "%s: no answer", host);
    else if (error == -ECONNREFUSED)
        shell_error(shell, "%s: nobody listens there", host);
    else
        shell_error(shell, "%s: %s", host, errno_text(error));
}

static int open_socket(struct query *query)
{
    struct socket_address server = { .port = NTP_PORT };
    int error = net_resolve(query->host, &server.ip, deadline_after_ns(RESOLVE_NS));

    query->is_resolved = !error;
    if (error)
        return error;
    error = socket_create(SOCKET_UDP, &query->socket);
    if (error)
        return error;
    error = socket_connect(query->socket, &server, deadline_after_ns(ANSWER_NS));
    if (error)
        socket_close(query->socket);
    return error;
}

static int ntpdate_command(struct shell *shell, int argc, char **argv)
{
    bool is_query = argc == 3 && strcmp(argv[1], "-q") == 0;
    struct query query = { .shell = shell, .host = argv[argc - 1] };

    if (argc != 2 + is_query || query.host[0] == '-')
        return -EINVAL;
    int error = open_socket(&query);
    if (!error) {
        error = ask(&query);
        if (!error)
            print_result(&query, !is_query);
        socket_close(query.socket);
    }
    if (error)
        explain(&query, error);
    return error == -EINVAL ? -ENOENT : error; /* the arguments were in order */
}
SHELL_COMMAND(ntpdate, "ntpdate [-q] HOST",
              "set the clock by a time server (NTP)\n"
              "-q only shows what the server says. Ctrl-C ends it and sets nothing.",
              ntpdate_command, CMD_NORMAL);
