/*
 * Receiving data: order, duplicates, FIN (RFC 9293 3.10.7.4, seventh and eighth).
 *
 * Frames are queued as they came. One that pins far more memory than it carries is copied into the
 * tail of the one before it, so that a peer sending single bytes costs us single bytes.
 */
#include "lib/errno.h"
#include "lib/string.h"
#include "net/tcp_internal.h"

#define COMPACT_BUFFER 2048u

static void purge(struct tcp_socket *tcp, struct frame_queue *queue)
{
    struct frame *frame;

    while ((frame = frame_queue_pop(queue)) != NULL) {
        tcp_charge(tcp, -(int64_t)frame_truesize(frame));
        frame_free(frame);
    }
}

void tcp_purge_receive(struct tcp_socket *tcp)
{
    purge(tcp, &tcp->receive_queue);
    purge(tcp, &tcp->out_of_order);
    tcp->unread = tcp->read_queue.bytes;
}

/* ---- queues ---- */

static bool is_wasteful(const struct frame *frame)
{
    return frame_truesize(frame) > 4 * (frame->length + 256);
}

/* Copy the payload of @frame behind the last frame of the queue. Return: was there room? */
static bool append_to_tail(struct frame_queue *queue, const struct frame *frame)
{
    struct frame *tail = list_entry(list_back(&queue->frames), struct frame, node);
    uint8_t *to;

    if (!tail || frame_tailroom(tail) < frame->length)
        return false;
    to = frame_put(tail, frame->length);
    frame_copy_out(frame, 0, to, frame->length);
    queue->bytes += frame->length;
    return true;
}

/* A small copy of @frame with room behind it; @frame itself when there is no memory. */
static struct frame *make_compact(struct frame *frame)
{
    struct frame *copy = frame_alloc(0, COMPACT_BUFFER, 1);

    if (!copy || frame->length > COMPACT_BUFFER) {
        frame_free(copy);
        return frame;
    }
    frame_copy_out(frame, 0, frame_data(copy), frame->length);
    frame_trim(copy, frame->length);
    copy->control[0] = frame->control[0];
    frame_free(frame);
    return copy;
}

/* In-order payload to the user's queue. Takes @frame. */
static void queue_in_order(struct tcp_socket *tcp, struct frame *frame)
{
    uint32_t length = frame->length;

    tcp->rcv_nxt += length;
    tcp_count_add(TCP_BYTES_RECEIVED, length);
    if (tcp->is_read_shut) { /* the user wants no more: taken and forgotten */
        frame_free(frame);
        return;
    }
    tcp->unread += length;
    if (is_wasteful(frame)) {
        if (append_to_tail(&tcp->receive_queue, frame)) {
            frame_free(frame);
            return;
        }
        frame = make_compact(frame);
    }
    tcp_charge(tcp, frame_truesize(frame));
    frame_queue_push(&tcp->receive_queue, frame);
}

static uint32_t seq_of(const struct frame *frame)
{
    return (uint32_t)frame->control[0];
}

static void drop_front(struct frame *frame, uint32_t bytes)
{
    frame_pull(frame, bytes);
    frame->control[0] = (uint32_t)(frame->control[0] + bytes);
}

static void discard(struct tcp_socket *tcp, struct frame *frame)
{
    list_remove(&frame->node);
    tcp->out_of_order.count--;
    tcp->out_of_order.bytes -= frame->length;
    tcp_charge(tcp, -(int64_t)frame_truesize(frame));
    frame_free(frame);
}

/*
 * Insert into the out-of-order queue, which stays disjoint: what is there already is cut off the
 * new frame, what the new frame covers goes. Takes @frame.
 */
static void queue_out_of_order(struct tcp_socket *tcp, struct frame *frame)
{
    struct list *list = &tcp->out_of_order.frames;
    struct list_node *position = list->head.prev;
    uint32_t end = seq_of(frame) + frame->length;
    struct frame *next;

    tcp_count(TCP_OUT_OF_ORDER);
    if (tcp->out_of_order.count >= TCP_OUT_OF_ORDER_MAX || tcp_memory_is_short()) {
        tcp_count(TCP_NO_MEMORY);
        frame_free(frame);
        return;
    }
    if (is_wasteful(frame))
        frame = make_compact(frame);
    while (position != &list->head &&
           seq_gt(seq_of(container_of(position, struct frame, node)), seq_of(frame)))
        position = position->prev;
    if (position != &list->head) {
        const struct frame *before = container_of(position, struct frame, node);
        uint32_t before_end = seq_of(before) + before->length;

        if (seq_geq(before_end, end)) {
            tcp_count(TCP_DUPLICATES);
            frame_free(frame);
            return;
        }
        if (seq_gt(before_end, seq_of(frame)))
            drop_front(frame, before_end - seq_of(frame));
    }
    while ((next = list_entry(position->next == &list->head ? NULL : position->next, struct frame,
                              node)) != NULL &&
           seq_lt(seq_of(next), end)) {
        if (seq_gt(seq_of(next) + next->length, end)) {
            frame_trim(frame, seq_of(next) - seq_of(frame));
            break;
        }
        discard(tcp, next);
    }
    tcp_charge(tcp, frame_truesize(frame));
    list_insert_after(position, &frame->node);
    tcp->out_of_order.count++;
    tcp->out_of_order.bytes += frame->length;
}

/* What has become next in order moves to the user. */
static void drain_out_of_order(struct tcp_socket *tcp)
{
    struct frame *frame;

    while ((frame = list_entry(list_front(&tcp->out_of_order.frames), struct frame, node)) !=
               NULL &&
           seq_leq(seq_of(frame), tcp->rcv_nxt)) {
        uint32_t overlap = tcp->rcv_nxt - seq_of(frame);

        if (overlap >= frame->length) {
            discard(tcp, frame);
            continue;
        }
        list_remove(&frame->node);
        tcp->out_of_order.count--;
        tcp->out_of_order.bytes -= frame->length;
        tcp_charge(tcp, -(int64_t)frame_truesize(frame));
        drop_front(frame, overlap);
        queue_in_order(tcp, frame);
    }
}

/* ---- segments ---- */

/* Cut off what lies before rcv_nxt and beyond the window and the FIN. Return: is anything left? */
static bool trim_to_window(struct tcp_socket *tcp, struct frame *frame, uint32_t *seq)
{
    uint32_t edge = seq_max(tcp->rcv_adv, tcp->rcv_nxt);
    uint32_t end = *seq + frame->length;

    if (tcp->has_fin)
        edge = seq_min(edge, tcp->fin_seq);
    if (seq_gt(end, edge)) {
        if (seq_geq(*seq, edge))
            return false;
        frame_trim(frame, edge - *seq);
        end = edge;
    }
    if (seq_leq(end, tcp->rcv_nxt)) {
        tcp_count(TCP_DUPLICATES);
        return false;
    }
    if (seq_lt(*seq, tcp->rcv_nxt)) {
        frame_pull(frame, tcp->rcv_nxt - *seq);
        *seq = tcp->rcv_nxt;
    }
    return true;
}

static void receive_data(struct tcp_socket *tcp, struct tcp_segment *segment)
{
    struct frame *frame = segment->frame;
    uint32_t seq = segment->seq;
    uint32_t length = segment->length;

    segment->frame = NULL;
    if (!trim_to_window(tcp, frame, &seq)) {
        tcp->must_ack = true; /* the peer seems not to know */
        frame_free(frame);
        return;
    }
    frame->control[0] = seq;
    if (seq != tcp->rcv_nxt) {
        tcp_sack_report(tcp, seq, seq + frame->length);
        queue_out_of_order(tcp, frame);
        tcp->must_ack = true; /* RFC 5681 4.2: at once, for fast retransmit */
        return;
    }
    if (tcp_memory_is_short() && tcp->unread > 0) {
        tcp_count(TCP_NO_MEMORY);
        tcp->must_ack = true;
        frame_free(frame);
        return;
    }
    if (!frame_queue_is_empty(&tcp->out_of_order))
        tcp->must_ack = true; /* fills a gap */
    queue_in_order(tcp, frame);
    drain_out_of_order(tcp);
    tcp_sack_report_trim(tcp);
    tcp_schedule_ack(tcp, length);
    socket_notify_locked(&tcp->base);
}

/* RFC 9293 3.10.7.4, eighth: the peer's FIN, now that all before it is here. */
static void process_fin(struct tcp_socket *tcp)
{
    tcp->has_received_fin = true;
    tcp->rcv_nxt = tcp->fin_seq + 1;
    tcp->must_ack = true;
    purge(tcp, &tcp->out_of_order);
    tcp->sack_block_count = 0;
    switch (tcp->state) {
    case TCP_SYN_RECEIVED:
    case TCP_ESTABLISHED:
        tcp->state = TCP_CLOSE_WAIT;
        break;
    case TCP_FIN_WAIT_1: /* our FIN is not acknowledged yet: that was looked at before */
        tcp->state = TCP_CLOSING;
        break;
    case TCP_FIN_WAIT_2:
        tcp_enter_time_wait(tcp);
        break;
    default:
        break;
    }
    socket_notify_locked(&tcp->base);
}

void tcp_receive_segment(struct tcp_socket *tcp, struct tcp_segment *segment)
{
    bool has_fin = segment->flags & TCP_FIN;
    uint32_t end = segment->seq + segment->length;

    if (segment->length > 0 && segment->frame)
        receive_data(tcp, segment);
    if (has_fin && !tcp->has_fin && seq_geq(end, tcp->rcv_nxt) &&
        seq_leq(end, seq_max(tcp->rcv_adv, tcp->rcv_nxt))) {
        tcp->has_fin = true;
        tcp->fin_seq = end;
        tcp->must_ack = true;
    }
    if (tcp->has_fin && !tcp->has_received_fin && tcp->rcv_nxt == tcp->fin_seq)
        process_fin(tcp);
}
