/*
 * Selective acknowledgments (RFC 2018, RFC 2883, RFC 6675).
 *
 * Sender: the scoreboard holds what the peer says it has, as disjoint rising ranges above snd_una.
 * It is bounded: when full, new ranges are forgotten, which costs a retransmission and no more.
 * Receiver: up to four blocks to report, the most recent first.
 */
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/tcp_internal.h"

/* ---- sender ---- */

static bool is_plausible(const struct tcp_socket *tcp, const struct tcp_range *block)
{
    return seq_lt(block->start, block->end) && seq_gt(block->start, tcp->snd_una) &&
           seq_leq(block->end, tcp->snd_max);
}

/* Add [start, end). Return: was any of it new? */
static bool add_range(struct tcp_scoreboard *board, struct tcp_range block)
{
    unsigned int first = 0, last;
    uint32_t known = 0;
    uint32_t length = block.end - block.start;

    while (first < board->count && seq_lt(board->ranges[first].end, block.start))
        first++;
    for (last = first; last < board->count && seq_leq(board->ranges[last].start, block.end);
         last++) {
        struct tcp_range *range = &board->ranges[last];
        uint32_t start = seq_max(range->start, block.start);
        uint32_t end = seq_min(range->end, block.end);

        if (seq_lt(start, end))
            known += end - start;
    }
    if (known == length)
        return false;
    if (first == last) { /* touches nothing: a new entry */
        if (board->count == TCP_SCOREBOARD_MAX)
            return false;
        memmove(&board->ranges[first + 1], &board->ranges[first],
                (board->count - first) * sizeof(board->ranges[0]));
        board->ranges[first] = block;
        board->count++;
        return true;
    }
    block.start = seq_min(block.start, board->ranges[first].start);
    block.end = seq_max(block.end, board->ranges[last - 1].end);
    board->ranges[first] = block;
    memmove(&board->ranges[first + 1], &board->ranges[last],
            (board->count - last) * sizeof(board->ranges[0]));
    board->count -= last - first - 1;
    return true;
}

bool tcp_sack_update(struct tcp_socket *tcp, const struct tcp_segment *segment)
{
    bool is_new = false;

    if (!tcp->has_sack || segment->options.sack_count == 0)
        return false;
    if (!tcp->scoreboard) {
        tcp->scoreboard = kmalloc(sizeof(*tcp->scoreboard));
        if (!tcp->scoreboard)
            return false;
        tcp->scoreboard->count = 0;
    }
    for (unsigned int i = 0; i < segment->options.sack_count; i++) {
        if (is_plausible(tcp, &segment->options.sack[i]))
            is_new |= add_range(tcp->scoreboard, segment->options.sack[i]);
    }
    return is_new;
}

void tcp_sack_clear(struct tcp_socket *tcp)
{
    kfree(tcp->scoreboard);
    tcp->scoreboard = NULL;
}

void tcp_sack_advance(struct tcp_socket *tcp)
{
    struct tcp_scoreboard *board = tcp->scoreboard;
    unsigned int gone = 0;

    if (!board)
        return;
    while (gone < board->count && seq_leq(board->ranges[gone].end, tcp->snd_una))
        gone++;
    memmove(&board->ranges[0], &board->ranges[gone],
            (board->count - gone) * sizeof(board->ranges[0]));
    board->count -= gone;
    if (board->count > 0 && seq_lt(board->ranges[0].start, tcp->snd_una))
        board->ranges[0].start = tcp->snd_una;
    if (board->count == 0 && tcp->recovery == TCP_OPEN)
        tcp_sack_clear(tcp); /* an idle connection is small */
}

uint32_t tcp_sack_unsacked(const struct tcp_socket *tcp, uint32_t start, uint32_t end)
{
    const struct tcp_scoreboard *board = tcp->scoreboard;
    uint32_t bytes;

    if (seq_geq(start, end))
        return 0;
    bytes = end - start;
    for (unsigned int i = 0; board && i < board->count; i++) {
        uint32_t from = seq_max(start, board->ranges[i].start);
        uint32_t to = seq_min(end, board->ranges[i].end);

        if (seq_lt(from, to))
            bytes -= to - from;
    }
    return bytes;
}

bool tcp_sack_next_hole(const struct tcp_socket *tcp, uint32_t start, uint32_t end,
                        struct tcp_range *hole)
{
    const struct tcp_scoreboard *board = tcp->scoreboard;

    for (unsigned int i = 0; board && i < board->count; i++) {
        const struct tcp_range *range = &board->ranges[i];

        if (seq_lt(start, range->start)) {
            end = seq_min(end, range->start);
            break;
        }
        if (seq_lt(start, range->end))
            start = range->end;
    }
    if (seq_geq(start, end))
        return false;
    *hole = (struct tcp_range){ start, end };
    return true;
}

/*
 * RFC 6675 IsLost(): DupThresh separate ranges above, or more than (DupThresh - 1) * SMSS bytes.
 * Both only grow downwards, so there is one edge.
 */
uint32_t tcp_sack_lost_edge(const struct tcp_socket *tcp)
{
    const struct tcp_scoreboard *board = tcp->scoreboard;
    uint32_t bytes = 0;

    if (!board)
        return tcp->snd_una;
    for (unsigned int i = board->count; i-- > 0;) {
        bytes += board->ranges[i].end - board->ranges[i].start;
        if (bytes > (TCP_DUPLICATE_ACKS - 1) * (uint32_t)tcp->mss ||
            board->count - i >= TCP_DUPLICATE_ACKS)
            return board->ranges[i].start;
    }
    return tcp->snd_una;
}

/* ---- receiver ---- */

static void remove_block(struct tcp_socket *tcp, unsigned int index)
{
    tcp->sack_block_count--;
    memmove(&tcp->sack_blocks[index], &tcp->sack_blocks[index + 1],
            (tcp->sack_block_count - index) * sizeof(tcp->sack_blocks[0]));
}

void tcp_sack_report(struct tcp_socket *tcp, uint32_t start, uint32_t end)
{
    struct tcp_range block = { start, end };

    if (!tcp->has_sack || seq_geq(start, end))
        return;
    /* A block that touches the new one becomes part of it; the result goes to the front. */
    for (unsigned int i = 0; i < tcp->sack_block_count;) {
        const struct tcp_range *other = &tcp->sack_blocks[i];

        if (seq_leq(other->start, block.end) && seq_leq(block.start, other->end)) {
            block.start = seq_min(block.start, other->start);
            block.end = seq_max(block.end, other->end);
            remove_block(tcp, i);
            i = 0; /* the larger block may touch one that was passed */
        } else {
            i++;
        }
    }
    if (tcp->sack_block_count == TCP_SACK_BLOCKS)
        tcp->sack_block_count--;
    memmove(&tcp->sack_blocks[1], &tcp->sack_blocks[0],
            tcp->sack_block_count * sizeof(tcp->sack_blocks[0]));
    tcp->sack_blocks[0] = block;
    tcp->sack_block_count++;
}

void tcp_sack_report_trim(struct tcp_socket *tcp)
{
    for (unsigned int i = 0; i < tcp->sack_block_count;) {
        if (seq_leq(tcp->sack_blocks[i].end, tcp->rcv_nxt) ||
            seq_leq(tcp->sack_blocks[i].start, tcp->rcv_nxt))
            remove_block(tcp, i);
        else
            i++;
    }
}
