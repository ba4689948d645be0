/*
 * RECEIVE, RFC 9293 3.10.3: what has arrived to the user.
 *
 * Above: tcp_socket.c. Below: tcp_receive.c, which fills the receive queue. Data is copied with no
 * spinlock held: the mutex of readers guards read_queue.
 */
#include "lib/errno.h"
#include "net/tcp_internal.h"

/* Take what has arrived into read_queue. Return: 0 there is something; -EAGAIN; the error; 1 end.
 */
static int refill(struct tcp_socket *tcp)
{
    irqflags_t flags = tcp_lock(tcp);
    int result = 0;

    if (!frame_queue_is_empty(&tcp->receive_queue)) {
        list_splice(&tcp->read_queue.frames, &tcp->receive_queue.frames);
        tcp->read_queue.count += tcp->receive_queue.count;
        tcp->read_queue.bytes += tcp->receive_queue.bytes;
        frame_queue_init(&tcp->receive_queue);
        tcp_reader_asks(tcp, true);
    } else if (tcp->base.error) {
        result = socket_take_error_locked(&tcp->base);
    } else if (tcp->has_received_fin || tcp->is_read_shut ||
               (tcp->state == TCP_CLOSED && tcp->was_opened)) {
        result = 1;
    } else if (tcp->state == TCP_CLOSED || tcp->state == TCP_LISTEN) {
        result = -ENOTCONN;
    } else {
        tcp_reader_asks(tcp, false);
        result = -EAGAIN;
    }
    tcp_unlock(tcp, flags);
    return result;
}

static void account_read(struct tcp_socket *tcp, uint32_t bytes, uint32_t freed)
{
    irqflags_t flags = tcp_lock(tcp);

    tcp_charge(tcp, -(int64_t)freed);
    tcp_consumed(tcp, bytes, !frame_queue_is_empty(&tcp->read_queue));
    tcp_unlock(tcp, flags);
}

int tcp_receive(struct socket *socket, void *data, size_t size, size_t *received,
                struct socket_address *peer)
{
    struct tcp_socket *tcp = to_tcp(socket);
    uint8_t *to = data;
    size_t done = 0;
    uint32_t freed = 0;

    if (frame_queue_is_empty(&tcp->read_queue)) {
        int result = refill(tcp);

        if (result)
            return result < 0 ? result : 0;
    }
    while (done < size && !frame_queue_is_empty(&tcp->read_queue)) {
        struct frame *frame = list_entry(list_front(&tcp->read_queue.frames), struct frame, node);
        uint32_t part = MIN_T(uint32_t, size - done, frame->length);

        frame_copy_out(frame, 0, to + done, part);
        done += part;
        if (part == frame->length) {
            frame_queue_pop(&tcp->read_queue);
            freed += frame_truesize(frame);
            frame_free(frame);
        } else {
            uint32_t before = frame_truesize(frame);

            tcp->read_queue.bytes -= part;
            frame_pull(frame, part);
            freed += before - frame_truesize(frame);
        }
    }
    if (peer)
        socket_peer(socket, peer);
    account_read(tcp, (uint32_t)done, freed);
    *received = done;
    return 0;
}

int tcp_receive_frame(struct socket *socket, struct frame **frame)
{
    struct tcp_socket *tcp = to_tcp(socket);

    if (frame_queue_is_empty(&tcp->read_queue)) {
        int result = refill(tcp);

        if (result)
            return result < 0 ? result : 0;
    }
    *frame = frame_queue_pop(&tcp->read_queue);
    account_read(tcp, (*frame)->length, frame_truesize(*frame));
    return 0;
}
