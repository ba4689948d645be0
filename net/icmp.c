/*
 * ICMP (RFC 792, RFC 1122 3.2.2): answers echoes, carries errors to the transport protocols, sends
 * errors where they are due, and asks echoes for `ping`.
 *
 * Locks: echo_lock (rank NET_TABLE) guards the list of open echo series; the rate limit is atomic.
 */
#include "net/icmp.h"

#include "kernel/random.h"
#include "kernel/sync/spinlock.h"
#include "kernel/sync/wait_queue.h"
#include "kernel/time/clock.h"
#include "lib/atomic.h"
#include "lib/byteorder.h"
#include "lib/checksum.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/interface.h"
#include "net/netdev.h"
#include "net/route.h"
#include "net/tcp.h"
#include "net/udp.h"

#define ICMP_ERRORS_PER_SECOND 1000
#define ICMP_ERRORS_BURST      100
#define ANSWER_HEADROOM        (ETHERNET_HEADER_SIZE + IPV4_HEADER_SIZE)
#define ICMP_ECHO_MAX          (65535 - IPV4_HEADER_SIZE - ICMP_HEADER_SIZE)

struct icmp_header {
    uint8_t type;
    uint8_t code;
    uint16_t checksum;
    uint16_t identifier; /* echo; otherwise the upper half of the information word */
    uint16_t sequence;   /* echo; MTU of the next hop */
} __packed;

static atomic_u64 received[ICMP_TYPE_COUNT + 1]; /* the last: all other types */
static atomic_u64 sent[ICMP_TYPE_COUNT + 1];
static atomic_u64 counters[ICMP_COUNTER_COUNT];

static void count(enum icmp_counter counter)
{
    atomic_fetch_add_relaxed(&counters[counter], 1);
}

static void count_type(atomic_u64 *table, unsigned int type)
{
    atomic_fetch_add_relaxed(&table[MIN_T(unsigned int, type, ICMP_TYPE_COUNT)], 1);
}

/* ---- sending ---- */

/* Fill the checksum of the whole frame, which begins with the ICMP header, and send. */
static int send_message(struct frame *frame, const struct ipv4_output_options *options)
{
    struct icmp_header *header = (void *)frame_data(frame);

    header->checksum = 0;
    header->checksum = checksum_fold(frame_checksum(frame, 0, frame->length, 0));
    count_type(sent, header->type);
    return ipv4_output(frame, options);
}

/*
 * Token bucket over all errors, in one word: the time until which the allowance is used up.
 * Return: may one be sent?
 */
static bool take_allowance(void)
{
    static atomic_u64 used_until_ns;
    const uint64_t cost = NS_PER_S / ICMP_ERRORS_PER_SECOND;
    const uint64_t burst = cost * ICMP_ERRORS_BURST;
    uint64_t now = clock_now_ns() + burst; /* so that it never wraps below 0 */
    uint64_t used = atomic_load_relaxed(&used_until_ns);
    uint64_t next;

    do {
        next = MAX(used, now - burst) + cost;
        if (next > now)
            return false;
    } while (!atomic_cmpxchg_relaxed(&used_until_ns, &used, next));
    return true;
}

/* RFC 1122 3.2.2: what no error answers. */
static bool may_answer(const struct ipv4_packet *packet)
{
    unsigned int header_length = (packet->original[0] & 15u) * 4;
    uint16_t fragment = load_be16(packet->original + 6);
    uint8_t type;

    if (packet->is_broadcast || packet->source == 0 || ipv4_is_multicast(packet->source) ||
        packet->source >> 28 == 0xF)
        return false;
    if (fragment & IPV4_OFFSET_MASK)
        return false;
    if (packet->protocol != IP_PROTOCOL_ICMP)
        return true;
    if (packet->original_length <= header_length)
        return false;
    type = packet->original[header_length];
    return type == ICMP_ECHO_REQUEST || type == ICMP_ECHO_REPLY;
}

void icmp_send_error(const struct ipv4_packet *packet, uint8_t type, uint8_t code, uint32_t info)
{
    struct ipv4_output_options options = {
        .source = packet->destination,
        .destination = packet->source,
        .protocol = IP_PROTOCOL_ICMP,
    };
    struct icmp_header *header;
    struct frame *frame;

    if (!may_answer(packet))
        return;
    if (!take_allowance()) {
        count(ICMP_RATE_LIMITED);
        return;
    }
    frame = frame_alloc(FRAME_HEADROOM, ICMP_HEADER_SIZE + packet->original_length, 1);
    if (!frame)
        return;
    header = (void *)frame_data(frame);
    header->type = type;
    header->code = code;
    store_be32(&header->identifier, info);
    memcpy(header + 1, packet->original, packet->original_length);
    if (send_message(frame, &options))
        return; /* the way back is closed: nobody to tell */
}

/*
 * The frame to answer with: the request itself when its bytes are ours alone, in one piece with
 * room for the headers before them; else a copy. (They may be somebody's still over lo, or lie in
 * several receive buffers.) Takes @frame. NULL when out of memory.
 */
static struct frame *make_answerable(struct frame *frame)
{
    struct frame *copy;

    if (frame->segment_count == 1 && frame_headroom(frame) >= ANSWER_HEADROOM &&
        !frame_buffer_is_shared(frame->segments[0].buffer))
        return frame;
    copy = frame_copy(frame, FRAME_HEADROOM);
    frame_free(frame);
    return copy;
}

static void answer_echo(struct frame *frame, const struct ipv4_packet *packet)
{
    struct ipv4_output_options options = {
        .source = packet->destination,
        .destination = packet->source,
        .protocol = IP_PROTOCOL_ICMP,
        .tos = packet->tos,
    };
    struct icmp_header *header;

    if (packet->is_broadcast) { /* RFC 1122 3.2.2.6: may be ignored, and smurfs say why */
        frame_free(frame);
        return;
    }
    frame = make_answerable(frame);
    if (!frame)
        return;
    frame->flags = 0;
    header = (void *)frame_data(frame);
    header->checksum = checksum_update16(header->checksum, cpu_to_be16(ICMP_ECHO_REQUEST << 8),
                                         cpu_to_be16(ICMP_ECHO_REPLY << 8));
    header->type = ICMP_ECHO_REPLY;
    count_type(sent, ICMP_ECHO_REPLY);
    if (ipv4_output(frame, &options))
        return; /* as for errors */
}

/* ---- ping ---- */

struct icmp_echo {
    struct list_node node; /* guarded by echo_lock, as all */
    uint16_t identifier;
    uint32_t destination;
    uint16_t sequence; /* the one waited for */
    uint64_t sent_ns;
    bool is_waiting;
    bool has_reply;
    struct icmp_echo_reply reply;
    struct wait_queue replied;
};

static DEFINE_SPINLOCK(echo_lock, "icmp_echo", LOCK_RANK_NET_TABLE);
static struct list echoes __guarded_global(echo_lock) = LIST_INIT(echoes);

static struct icmp_echo *find_echo_locked(uint16_t identifier)
{
    struct icmp_echo *echo;

    list_for_each_entry(echo, &echoes, node) {
        if (echo->identifier == identifier)
            return echo;
    }
    return NULL;
}

/* A reply or an error for (identifier, sequence). Return: did somebody wait for it? */
static bool finish_echo(uint16_t identifier, uint16_t sequence, const struct icmp_echo_reply *reply,
                        uint32_t about)
{
    irqflags_t flags = spin_lock_irqsave(&echo_lock);
    struct icmp_echo *echo = find_echo_locked(identifier);
    bool is_wanted = echo && echo->is_waiting && !echo->has_reply && echo->sequence == sequence &&
                     echo->destination == about;

    if (is_wanted) {
        echo->reply = *reply;
        echo->reply.sequence = sequence;
        echo->reply.rtt_ns = clock_now_ns() - echo->sent_ns;
        echo->has_reply = true;
        wake_all(&echo->replied);
    }
    spin_unlock_irqrestore(&echo_lock, flags);
    return is_wanted;
}

int icmp_echo_open(struct icmp_echo **result)
{
    struct icmp_echo *echo = kzalloc(sizeof(*echo));
    irqflags_t flags;
    bool is_free = false;

    if (!echo)
        return -ENOMEM;
    wait_queue_init(&echo->replied, "ping");
    flags = spin_lock_irqsave(&echo_lock);
    for (unsigned int tries = 0; tries < 100 && !is_free; tries++) {
        echo->identifier = (uint16_t)random_u32();
        is_free = !find_echo_locked(echo->identifier);
    }
    if (is_free)
        list_push_back(&echoes, &echo->node);
    spin_unlock_irqrestore(&echo_lock, flags);
    if (!is_free) {
        kfree(echo);
        return -EADDRINUSE;
    }
    *result = echo;
    return 0;
}

void icmp_echo_close(struct icmp_echo *echo)
{
    irqflags_t flags = spin_lock_irqsave(&echo_lock);

    list_remove(&echo->node);
    spin_unlock_irqrestore(&echo_lock, flags);
    kfree(echo);
}

static struct frame *make_request(uint16_t identifier, uint16_t sequence, uint32_t payload_length)
{
    struct frame *frame = frame_alloc(FRAME_HEADROOM, ICMP_HEADER_SIZE + payload_length, 1);
    struct icmp_header *header;

    if (!frame)
        return NULL;
    header = (void *)frame_data(frame);
    header->type = ICMP_ECHO_REQUEST;
    header->code = 0;
    header->identifier = cpu_to_be16(identifier);
    header->sequence = cpu_to_be16(sequence);
    for (uint32_t i = 0; i < payload_length; i++)
        frame_data(frame)[ICMP_HEADER_SIZE + i] = (uint8_t)i;
    return frame;
}

int icmp_echo_request(struct icmp_echo *echo, uint32_t destination, uint16_t sequence,
                      uint32_t payload_length, uint64_t deadline_ns, struct icmp_echo_reply *reply)
{
    struct ipv4_output_options options = { .destination = destination,
                                           .protocol = IP_PROTOCOL_ICMP };
    struct frame *frame;
    irqflags_t flags;
    int error;

    if (payload_length > ICMP_ECHO_MAX)
        return -EMSGSIZE;
    frame = make_request(echo->identifier, sequence, payload_length);
    if (!frame)
        return -ENOMEM;
    flags = spin_lock_irqsave(&echo_lock);
    echo->destination = destination;
    echo->sequence = sequence;
    echo->has_reply = false;
    echo->is_waiting = true;
    echo->sent_ns = clock_now_ns();
    spin_unlock_irqrestore(&echo_lock, flags);

    error = send_message(frame, &options);
    if (!error)
        error = wait_event(&echo->replied, READ_ONCE(echo->has_reply), deadline_ns);

    flags = spin_lock_irqsave(&echo_lock);
    echo->is_waiting = false;
    if (!error)
        *reply = echo->reply;
    spin_unlock_irqrestore(&echo_lock, flags);
    return error;
}

/* ---- receiving ---- */

static void process_echo_reply(const struct icmp_header *header, const struct frame *frame,
                               const struct ipv4_packet *packet)
{
    struct icmp_echo_reply reply = {
        .source = packet->source,
        .ttl = packet->ttl,
        .type = ICMP_ECHO_REPLY,
        .length = frame->length - ICMP_HEADER_SIZE,
    };

    if (!finish_echo(be16_to_cpu(header->identifier), be16_to_cpu(header->sequence), &reply,
                     packet->source))
        count(ICMP_UNEXPECTED_REPLY);
}

int icmp_error_to_errno(uint8_t type, uint8_t code)
{
    if (type == ICMP_TIME_EXCEEDED)
        return -EHOSTUNREACH;
    if (type != ICMP_UNREACHABLE)
        return 0;
    switch (code) {
    case ICMP_NET_UNREACHABLE:
        return -ENETUNREACH;
    case ICMP_PROTOCOL_UNREACHABLE:
    case ICMP_PORT_UNREACHABLE:
        return -ECONNREFUSED;
    case ICMP_FRAGMENTATION_NEEDED:
        return -EMSGSIZE;
    default:
        return -EHOSTUNREACH;
    }
}

/* An echo request of ours was answered by an error. */
static void process_echo_error(const struct icmp_error *error)
{
    const struct icmp_header *request = (const void *)error->transport;
    struct icmp_echo_reply reply = { .type = error->type, .code = error->code };

    if (request->type == ICMP_ECHO_REQUEST)
        finish_echo(be16_to_cpu(request->identifier), be16_to_cpu(request->sequence), &reply,
                    error->destination);
}

void icmp_deliver_error(uint8_t protocol, const struct icmp_error *error)
{
    switch (protocol) {
    case IP_PROTOCOL_TCP:
        tcp_error(error);
        break;
    case IP_PROTOCOL_UDP:
        udp_error(error);
        break;
    case IP_PROTOCOL_ICMP:
        process_echo_error(error);
        break;
    default:
        break;
    }
}

/*
 * An error about a packet of ours: find that packet's header behind the ICMP header and let its
 * protocol judge whether it sent such a thing.
 */
static void process_error(struct frame *frame)
{
    const struct ipv4_header *inner;
    const struct icmp_header *header;
    struct icmp_error error;
    unsigned int inner_length, length;
    const uint8_t *bytes = frame_header(frame, ICMP_HEADER_SIZE + IPV4_HEADER_SIZE);

    if (!bytes)
        goto malformed;
    inner = (const void *)(bytes + ICMP_HEADER_SIZE);
    inner_length = (inner->version_ihl & 15u) * 4;
    length = ICMP_HEADER_SIZE + inner_length + 8;
    if (inner->version_ihl >> 4 != 4 || inner_length < IPV4_HEADER_SIZE)
        goto malformed;
    bytes = frame_header(frame, length);
    if (!bytes)
        goto malformed;
    header = (const void *)bytes;
    inner = (const void *)(bytes + ICMP_HEADER_SIZE);
    if (be16_to_cpu(inner->fragment) & IPV4_OFFSET_MASK)
        return; /* no transport header in there */
    error = (struct icmp_error){
        .type = header->type,
        .code = header->code,
        .info = load_be32(&header->identifier),
        .source = be32_to_cpu(inner->source),
        .destination = be32_to_cpu(inner->destination),
        .transport = bytes + length - 8,
        .transport_length = 8,
    };
    if (interface_is_local(error.source))
        icmp_deliver_error(inner->protocol, &error);
    return;

malformed:
    count(ICMP_MALFORMED);
}

void icmp_input(struct frame *frame, const struct ipv4_packet *packet)
{
    const struct icmp_header *header = (void *)frame_header(frame, ICMP_HEADER_SIZE);

    if (!header) {
        count(ICMP_MALFORMED);
        goto drop;
    }
    if (checksum_fold(frame_checksum(frame, 0, frame->length, 0)) != 0) {
        count(ICMP_BAD_CHECKSUM);
        goto drop;
    }
    count_type(received, header->type);
    switch (header->type) {
    case ICMP_ECHO_REQUEST:
        answer_echo(frame, packet);
        return;
    case ICMP_ECHO_REPLY:
        process_echo_reply(header, frame, packet);
        break;
    case ICMP_UNREACHABLE:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETER_PROBLEM:
        process_error(frame);
        break;
    default: /* redirects and quenches are not followed (RFC 6633; strangers send redirects) */
        break;
    }
drop:
    frame_free(frame);
}

/* ---- display ---- */

uint64_t icmp_received(unsigned int type)
{
    return atomic_load_relaxed(&received[MIN_T(unsigned int, type, ICMP_TYPE_COUNT)]);
}

uint64_t icmp_sent(unsigned int type)
{
    return atomic_load_relaxed(&sent[MIN_T(unsigned int, type, ICMP_TYPE_COUNT)]);
}

uint64_t icmp_counter(enum icmp_counter counter)
{
    return atomic_load_relaxed(&counters[counter]);
}

const char *icmp_counter_name(enum icmp_counter counter)
{
    static const char *const names[ICMP_COUNTER_COUNT] = {
        [ICMP_BAD_CHECKSUM] = "bad checksum",
        [ICMP_MALFORMED] = "malformed",
        [ICMP_RATE_LIMITED] = "errors not sent: rate limit",
        [ICMP_UNEXPECTED_REPLY] = "unexpected replies",
    };

    return names[counter];
}

const char *icmp_type_name(unsigned int type)
{
    switch (type) {
    case ICMP_ECHO_REPLY:
        return "echo reply";
    case ICMP_UNREACHABLE:
        return "unreachable";
    case ICMP_SOURCE_QUENCH:
        return "source quench";
    case ICMP_REDIRECT:
        return "redirect";
    case ICMP_ECHO_REQUEST:
        return "echo request";
    case ICMP_TIME_EXCEEDED:
        return "time exceeded";
    case ICMP_PARAMETER_PROBLEM:
        return "parameter problem";
    case ICMP_TYPE_COUNT:
        return "other";
    default:
        return NULL;
    }
}
