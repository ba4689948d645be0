/*
 * SEND, RFC 9293 3.10.2: the user's bytes into the send queue.
 *
 * Above: tcp_socket.c. Below: tcp_output.c. Data is copied with no spinlock held: the mutex of
 * writers guards write_buffer.
 */
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/tcp_internal.h"

#define WRITE_BUFFER_MIN 1024u
#define WRITE_BUFFER_MAX 32768u
#define WRITE_AT_ONCE    65536u

/* May data be queued? 0; -EAGAIN not yet (handshake, no room); or why never. */
static int check_send_locked(struct tcp_socket *tcp, uint32_t *room)
{
    uint32_t queued = tcp->snd_end - tcp->snd_una;

    if (tcp->base.error)
        return socket_take_error_locked(&tcp->base);
    switch (tcp->state) {
    case TCP_CLOSED:
        return tcp->was_connected ? -EPIPE : -ENOTCONN;
    case TCP_LISTEN:
        return -ENOTCONN;
    case TCP_SYN_SENT:
    case TCP_SYN_RECEIVED:
        return tcp->has_user_fin ? -EPIPE : -EAGAIN;
    case TCP_ESTABLISHED:
    case TCP_CLOSE_WAIT:
        break;
    default:
        return -EPIPE;
    }
    if (queued >= tcp->send_limit || (tcp_memory_is_short() && queued > 0))
        return -EAGAIN;
    *room = tcp->send_limit - queued;
    return 0;
}

/*
 * Append [data, data + length) of @buffer (one reference taken) to the stream, and send, unless
 * more follows at once.
 */
static int append(struct tcp_socket *tcp, struct frame_buffer *buffer, uint8_t *data,
                  uint32_t length, bool has_more)
{
    struct tcp_chunk *chunk = kmalloc(sizeof(*chunk));
    struct tcp_chunk *last;
    irqflags_t flags;
    uint32_t room;
    int error;

    if (!chunk)
        return -ENOMEM;
    flags = tcp_lock(tcp);
    error = check_send_locked(tcp, &room);
    if (!error) {
        last = list_entry(list_back(&tcp->chunks), struct tcp_chunk, node);
        if (last && last->buffer == buffer && last->data + last->length == data) {
            last->length += length;
        } else {
            *chunk = (struct tcp_chunk){ .buffer = frame_buffer_get(buffer),
                                         .data = data,
                                         .seq = tcp->snd_end,
                                         .length = length };
            list_push_back(&tcp->chunks, &chunk->node);
            chunk = NULL;
        }
        tcp_charge(tcp, length);
        tcp->snd_end += length;
        if (!has_more)
            tcp_output(tcp);
    }
    tcp_unlock(tcp, flags);
    kfree(chunk);
    return error;
}

/* Room in the buffer being filled, a new one if need be. NULL: out of memory. */
static struct frame_buffer *writable_buffer(struct tcp_socket *tcp, size_t wanted)
{
    if (tcp->write_buffer && tcp->write_filled == tcp->write_buffer->size) {
        frame_buffer_put(tcp->write_buffer);
        tcp->write_buffer = NULL;
    }
    if (!tcp->write_buffer) {
        size_t size = CLAMP(wanted, (size_t)WRITE_BUFFER_MIN, (size_t)WRITE_BUFFER_MAX);

        tcp->write_buffer = frame_buffer_alloc((uint32_t)size);
        tcp->write_filled = 0;
    }
    return tcp->write_buffer;
}

int tcp_send(struct socket *socket, const void *data, size_t length, size_t *sent)
{
    struct tcp_socket *tcp = to_tcp(socket);
    irqflags_t flags = tcp_lock(tcp);
    uint32_t room = 0;
    int error = check_send_locked(tcp, &room);

    tcp_unlock(tcp, flags);
    length = MIN(length, (size_t)MIN(room, WRITE_AT_ONCE));
    while (!error && *sent < length) {
        struct frame_buffer *buffer = writable_buffer(tcp, length - *sent);
        uint8_t *to;
        uint32_t part;

        if (!buffer) {
            error = -ENOMEM;
            break;
        }
        to = buffer->data + tcp->write_filled;
        part = MIN_T(uint32_t, buffer->size - tcp->write_filled, length - *sent);
        memcpy(to, (const uint8_t *)data + *sent, part);
        error = append(tcp, buffer, to, part, *sent + part < length);
        if (error)
            break;
        tcp->write_filled += part;
        *sent += part;
    }
    if (error && *sent > 0) { /* more was to follow, and does not */
        flags = tcp_lock(tcp);
        tcp_output(tcp);
        tcp_unlock(tcp, flags);
        if (error == -ENOMEM) /* which the next call may find, or not */
            error = 0;
    }
    return error;
}

int tcp_send_buffer(struct socket *socket, struct frame_buffer *buffer, uint8_t *data,
                    uint32_t length)
{
    return length ? append(to_tcp(socket), buffer, data, length, false) : 0;
}
