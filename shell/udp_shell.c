/*
 * The UDP shell: commands by datagram (udpshell=PORT).
 *
 * One task receives; each request runs in a task of its own, so that a long ping of one client does
 * not hold up the next. What a client was answered last is kept (up to REPLY_KEEP_MAX bytes), so
 * that a request which comes again, because an answer got lost, is answered again and not run
 * again.
 *
 * Output is sent a chunk at a time while the command runs: its length is not limited. A client that
 * lost a chunk asks again and gets what was kept.
 *
 * Above: sessions (shell/session.h). Below: a UDP socket; packets are udp_shell_packet.c's.
 */
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/parameter.h"
#include "kernel/random.h"
#include "kernel/sched/task.h"
#include "kernel/sync/wait_queue.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/list.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/socket.h"
#include "shell/session.h"
#include "shell/udp_shell_packet.h"

#define CLIENTS_MAX    32
#define REPLY_KEEP_MAX (256 * 1024)

static uint16_t udp_shell_port;            /* const after start(); 0: off */
static struct udp_shell_key parsed_key;    /* const after use_key() */
static const struct udp_shell_key *in_use; /* atomic: NULL, or parsed_key for good */

static int port_parameter(const char *value)
{
    uint16_t port;

    if (parse_u16(value, &port) || port == 0)
        return -EINVAL;
    udp_shell_port = port;
    return 0;
}

static int key_parameter(const char *value)
{
    struct udp_shell_key key;

    if (parse_hex(value, key.bytes, sizeof(key.bytes), &key.length) || key.length < 16)
        return -EINVAL;
    parsed_key = key;
    return 0;
}

/* From now on nothing without the key's HMAC is answered. */
static int use_key(void)
{
    if (parsed_key.length)
        __atomic_store_n(&in_use, &parsed_key, __ATOMIC_RELEASE); /* pairs with the_key() */
    return 0;
}
PARAMETER_LATE(udpshell_key, "udpshell.key", "HEX, 16 to 64 bytes",
               "shared secret: requests without its HMAC get no answer", key_parameter,
               PARAMETER_STAGE_SERVICE, use_key);

static const struct udp_shell_key *the_key(void)
{
    static const struct udp_shell_key none;
    const struct udp_shell_key *key = __atomic_load_n(&in_use, __ATOMIC_ACQUIRE);

    return key ? key : &none;
}

/* One peer and its last request. */
struct udp_client {
    struct list_node node;      /* in order of use, the latest first; guarded by clients_lock */
    struct socket_address peer; /* const */
    uint32_t sequence;          /* of the request that runs or ran last; guarded by clients_lock */
    bool is_running;            /* guarded by clients_lock */
    bool is_ending;             /* guarded by clients_lock: is_running ends at any moment */
    struct wait_queue idle;     /* is_running ended */
    struct udp_shell_packet head; /* the reply's: sequence, session, counter, chunk */
    /* The running task's own; the receiver's when is_running is false: */
    char *line;
    struct shell *shell;
    size_t fill;
    char chunk[UDP_SHELL_TEXT_MAX];
    char *kept; /* the reply so far */
    size_t kept_length, kept_capacity;
    bool is_kept_whole;
    uint8_t packet[UDP_SHELL_PACKET_MAX];
};

static DEFINE_SPINLOCK(clients_lock, "udp_shell", LOCK_RANK_NET_TABLE);
static struct list clients __guarded_global(clients_lock) = LIST_INIT(clients);
static unsigned int client_count;       /* the receiver's */
static struct socket *udp_shell_socket; /* const after the task has started */
static uint64_t session;                /* const after the task has started */
static struct udp_shell_window window;  /* the receiver's */

/* ---- replies ------------------------------------------------------------------------------- */

static void send_chunk(struct udp_client *client, const char *text, size_t length, bool is_last)
{
    client->head.text = text;
    client->head.length = length;
    client->head.flags = is_last ? UDP_SHELL_LAST : 0;
    size_t bytes = udp_shell_build(the_key(), &client->head, client->packet);
    int error = socket_send_to(udp_shell_socket, client->packet, bytes, &client->peer);
    if (error)
        log_debug("udp_shell", "a chunk was not sent: %s", errno_text(error));
    client->head.chunk++;
}

/* Keep @text for a repetition; too much, or no memory: the repetition will say so. */
static void keep(struct udp_client *client, const char *text, size_t length)
{
    size_t wanted = client->kept_length + length;

    if (!client->is_kept_whole)
        return;
    if (wanted > client->kept_capacity) {
        size_t capacity = MAX(MIN(wanted * 2, (size_t)REPLY_KEEP_MAX), (size_t)1024);
        char *larger = wanted <= capacity ? krealloc(client->kept, capacity) : NULL;
        if (!larger) {
            client->is_kept_whole = false;
            return;
        }
        client->kept = larger;
        client->kept_capacity = capacity;
    }
    memcpy(client->kept + client->kept_length, text, length);
    client->kept_length = wanted;
}

/* shell_ops.write: fill chunks, send full ones. NUL bytes do not go over this wire. */
static void write_reply(struct shell *shell, const char *text, size_t length)
{
    struct udp_client *client = shell_context(shell);

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\0')
            continue;
        if (client->fill == UDP_SHELL_TEXT_MAX) {
            keep(client, client->chunk, client->fill);
            send_chunk(client, client->chunk, client->fill, false);
            client->fill = 0;
        }
        client->chunk[client->fill++] = text[i];
    }
}

static void repeat_reply(struct udp_client *client)
{
    static const char note[] = "\n(the output was too long to be repeated whole)\n";
    size_t at = 0;

    client->head.chunk = 0;
    while (client->kept_length - at > UDP_SHELL_TEXT_MAX) {
        send_chunk(client, client->kept + at, UDP_SHELL_TEXT_MAX, false);
        at += UDP_SHELL_TEXT_MAX;
    }
    send_chunk(client, client->kept + at, client->kept_length - at, client->is_kept_whole);
    if (!client->is_kept_whole)
        send_chunk(client, note, sizeof(note) - 1, true);
}

/* ---- running ------------------------------------------------------------------------------- */

static const struct shell_ops reply_ops = { .write = write_reply };

static void set_ending(struct udp_client *client)
{
    irqflags_t flags = spin_lock_irqsave(&clients_lock);

    client->is_ending = true;
    spin_unlock_irqrestore(&clients_lock, flags);
}

/* From now on the receiver may free @client. */
static void set_idle(struct udp_client *client)
{
    irqflags_t flags = spin_lock_irqsave(&clients_lock);

    client->is_running = client->is_ending = false;
    wake_all(&client->idle);
    spin_unlock_irqrestore(&clients_lock, flags);
}

static int request_task(void *arg)
{
    struct udp_client *client = arg;
    int status = shell_run(client->shell, client->line);

    keep(client, client->chunk, client->fill);
    kfree(client->line);
    client->line = NULL;
    set_ending(client); /* the answer to the last chunk, a new request, may come at once */
    send_chunk(client, client->chunk, client->fill, true);
    set_idle(client);
    return status;
}

static void answer_at_once(struct udp_client *client, const char *text)
{
    size_t length = strlen(text);

    keep(client, text, length);
    send_chunk(client, text, length, true);
}

static void begin_request(struct udp_client *client, const struct udp_shell_packet *packet)
{
    client->head = *packet;
    client->head.chunk = 0;
    client->fill = 0;
    client->kept_length = 0;
    client->is_kept_whole = true;
    client->line = kmalloc(packet->length + 1);
    if (!client->line) {
        answer_at_once(client, "out of memory\n");
        return;
    }
    memcpy(client->line, packet->text, packet->length);
    client->line[packet->length] = '\0';
    irqflags_t flags = spin_lock_irqsave(&clients_lock);
    client->is_running = true;
    spin_unlock_irqrestore(&clients_lock, flags);
    if (task_create("udp-shell-command", request_task, client, NULL) == 0)
        return;
    set_idle(client);
    kfree(client->line);
    client->line = NULL;
    answer_at_once(client, "out of memory\n");
}

/* ---- clients ------------------------------------------------------------------------------- */

static void free_client(struct udp_client *client)
{
    shell_destroy(client->shell);
    kfree(client->kept);
    kfree(client);
}

static struct udp_client *new_client(const struct socket_address *peer)
{
    struct udp_client *client = kzalloc(sizeof(*client));

    if (!client)
        return NULL;
    client->peer = *peer;
    wait_queue_init(&client->idle, "udp shell");
    client->shell = shell_create("udp", &reply_ops, client, 0);
    if (!client->shell) {
        kfree(client);
        return NULL;
    }
    return client;
}

static bool is_same_peer(const struct socket_address *a, const struct socket_address *b)
{
    return a->port == b->port && ip_equal(&a->ip, &b->ip);
}

/* The client at @peer, moved to the front; NULL when it is new. Called by the receiver alone. */
static struct udp_client *find_client(const struct socket_address *peer)
{
    struct udp_client *client, *found = NULL;
    irqflags_t flags = spin_lock_irqsave(&clients_lock);

    list_for_each_entry(client, &clients, node)
        if (is_same_peer(&client->peer, peer)) {
            found = client;
            break;
        }
    if (found) {
        list_remove(&found->node);
        list_push_front(&clients, &found->node);
    }
    spin_unlock_irqrestore(&clients_lock, flags);
    return found;
}

/* Make room: the idle client that was silent for longest, taken off the list; NULL: all are busy.
 */
static struct udp_client *evict_client(void)
{
    struct udp_client *client, *found = NULL;
    irqflags_t flags = spin_lock_irqsave(&clients_lock);

    list_for_each_entry_reverse(client, &clients, node)
        if (!client->is_running) {
            found = client;
            break;
        }
    if (found) {
        list_remove(&found->node);
        client_count--;
    }
    spin_unlock_irqrestore(&clients_lock, flags);
    return found;
}

static struct udp_client *add_client(const struct socket_address *peer)
{
    if (client_count >= CLIENTS_MAX) {
        struct udp_client *old = evict_client();
        if (!old) {
            log_warning("udp_shell", "%u clients are busy: one more gets no answer", CLIENTS_MAX);
            return NULL;
        }
        free_client(old);
    }
    struct udp_client *client = new_client(peer);
    if (!client)
        return NULL;
    irqflags_t flags = spin_lock_irqsave(&clients_lock);
    list_push_front(&clients, &client->node);
    client_count++;
    spin_unlock_irqrestore(&clients_lock, flags);
    return client;
}

/* ---- requests ------------------------------------------------------------------------------ */

static bool is_running(struct udp_client *client, bool *is_ending)
{
    irqflags_t flags = spin_lock_irqsave(&clients_lock);
    bool running = client->is_running;

    *is_ending = client->is_ending;
    spin_unlock_irqrestore(&clients_lock, flags);
    return running;
}

/* Does a command of @client run? One that has just answered is waited for: it needs no more. */
static bool is_busy(struct udp_client *client)
{
    bool is_ending;

    if (!is_running(client, &is_ending))
        return false;
    return !is_ending || wait_event_uncancellable(&client->idle, !is_running(client, &is_ending),
                                                  deadline_after_ns(NS_PER_S)) != 0;
}

static void handle_request(const struct udp_shell_packet *packet, const struct socket_address *peer)
{
    struct udp_client *client = find_client(peer);
    bool is_new = client == NULL;

    if (is_new)
        client = add_client(peer);
    if (!client || is_busy(client))
        return; /* busy: the answer is on its way, or the client asks again */
    if (!is_new && client->sequence == packet->sequence) {
        client->head.counter = packet->counter;
        repeat_reply(client);
        return;
    }
    client->sequence = packet->sequence;
    begin_request(client, packet);
}

/* With a key: the session is told to those who ask with a good HMAC; replays get no answer. */
static bool is_admitted(const struct udp_shell_packet *packet, const struct socket_address *peer)
{
    static uint8_t bytes[UDP_SHELL_PACKET_MAX]; /* the receiver's */

    if (!the_key()->length)
        return true;
    if ((packet->session != 0 || packet->length != 0) && packet->session != session)
        return false;
    if (!udp_shell_window_accept(&window, packet->counter))
        return false;
    if (packet->session == 0) {
        struct udp_shell_packet hello = { .sequence = packet->sequence,
                                          .flags = UDP_SHELL_LAST,
                                          .session = session,
                                          .counter = packet->counter,
                                          .text = "" };
        size_t length = udp_shell_build(the_key(), &hello, bytes);
        int error = socket_send_to(udp_shell_socket, bytes, length, peer);
        if (error)
            log_debug("udp_shell", "the session was not told: %s", errno_text(error));
        return false;
    }
    return true;
}

static int receiver_task(void *arg __maybe_unused)
{
    static uint8_t bytes[UDP_SHELL_PACKET_MAX + 1]; /* one more: what is longer is seen to be */
    struct socket_address peer;
    struct udp_shell_packet packet;
    size_t length;

    for (;;) {
        int error = socket_receive_from(udp_shell_socket, bytes, sizeof(bytes), DEADLINE_NEVER,
                                        &length, &peer);
        if (error == -ECANCELED)
            return error;
        if (error || udp_shell_parse(the_key(), bytes, length, &packet) != 0)
            continue;
        if (is_admitted(&packet, &peer))
            handle_request(&packet, &peer);
    }
}

/* At boot, or later when udpshell= comes from metadata; once. */
static int udp_shell_start(void)
{
    struct socket_address any = { .port = udp_shell_port };

    if (!udp_shell_port || udp_shell_socket)
        return 0;
    int error = use_key();
    if (!error)
        error = socket_create(SOCKET_UDP, &udp_shell_socket);
    if (!error)
        error = socket_bind(udp_shell_socket, &any);
    if (!error) {
        session = random_u64() | 1; /* not 0 */
        error = task_create("udp-shell", receiver_task, NULL, NULL);
    }
    if (error)
        return error;
    log_info("udp_shell", "listening on port %u", udp_shell_port);
    if (!the_key()->length)
        log_warning("udp_shell",
                    "no udpshell.key: whoever reaches port %u has this machine in hand",
                    udp_shell_port);
    return 0;
}
INIT_HOOK(udp_shell_start, INIT_APP);
PARAMETER_LATE(udpshell, "udpshell", "PORT", "run commands that arrive by UDP", port_parameter,
               PARAMETER_STAGE_SERVICE, udp_shell_start);
