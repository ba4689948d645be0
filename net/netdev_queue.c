/*
 * The queues of network devices: polling in softirq, transmit queues.
 *
 * Whoever has a frame for a queue to which nobody sends gives the driver all that is pending, and
 * what others leave there meanwhile: they do not wait for him. The lock is for the list only, never
 * held while the device is told. What a poll's frames are answered with is sent when the poll ends.
 *
 * Above: ethernet.c and the protocols. Below: drivers, through struct netdev_ops; netdev_room.c.
 * Locks: each queue's transmit lock (rank NETDEV); the per-CPU poll, wake and flush lists belong to
 * their CPU and are touched with interrupts off.
 */
#include "arch/irq.h"
#include "arch/percpu.h"
#include "kernel/init.h"
#include "kernel/irq/softirq.h"
#include "kernel/sched/preempt.h"
#include "lib/errno.h"
#include "net/ethernet.h"
#include "net/ipv4.h"
#include "net/netdev_internal.h"

/* Polls of one run of the softirq: beyond, others get the CPU and the softirq comes back. */
#define POLLS_PER_SOFTIRQ 16
#define BATCHES_MAX       8 /* given to the driver at a time */

/*
 * A queue's way through polling. SCHEDULED: on a CPU's list. AGAIN: scheduled while being polled.
 */
enum poll_state {
    POLL_IDLE,
    POLL_SCHEDULED,
    POLL_RUNNING,
    POLL_AGAIN
};

struct cpu_queues {
    struct list polls;   /* netdev_queue.poll_node; this CPU only, interrupts off */
    struct list wakes;   /* netdev_queue.wake_node; likewise */
    struct list flushes; /* netdev_queue.flush_node; likewise */
    bool is_polling;     /* a poll is under way; what it sends waits for its end */
    bool is_ready;
};
static DEFINE_PER_CPU(struct cpu_queues, cpu_queues);

/* The running CPU's lists. Context: interrupts off. */
static struct cpu_queues *this_cpu_queues(void)
{
    struct cpu_queues *queues = this_cpu_ptr(cpu_queues);

    if (!queues->is_ready) {
        list_init(&queues->polls);
        list_init(&queues->wakes);
        list_init(&queues->flushes);
        queues->is_ready = true;
    }
    return queues;
}

/* ---- transmit: from the queue to the driver ---- */

static void drop_pending_locked(struct netdev_queue *queue, enum netdev_drop reason)
    __must_hold(queue->lock)
{
    struct frame *frame;

    while ((frame = frame_queue_pop(&queue->pending)) != NULL) {
        netdev_count_drop(queue->netdev, reason);
        netdev_transmit_done(frame);
        frame_free(frame);
    }
}

/* Give the driver what is pending, with the lock dropped meanwhile. Return: has the ring room? */
static bool send_batch(struct netdev_queue *queue) __must_hold(queue->lock)
{
    struct netdev *netdev = queue->netdev;
    struct frame_queue batch;

    frame_queue_init(&batch);
    frame_queue_move(&batch, &queue->pending);
    queue->is_full = true; /* until told otherwise; a wake-up may come before transmit returns */
    spin_unlock(&queue->lock);
    atomic_fetch_add_relaxed(&netdev->counters.tx_batches, 1);
    bool is_full = netdev->ops->transmit(netdev, queue->index, &batch);
    spin_lock(&queue->lock);
    if (!is_full)
        queue->is_full = false;
    frame_queue_move(&batch, &queue->pending); /* what is left goes before what came */
    frame_queue_move(&queue->pending, &batch);
    return !queue->is_full;
}

/*
 * Send what is pending, unless somebody does: he takes ours too. Interrupts are off, so after some
 * batches what others still bring is left to the softirq.
 */
static void send_pending(struct netdev_queue *queue) __must_hold(queue->lock)
{
    unsigned int batches = 0;

    spin_assert_held(&queue->lock);
    if (queue->is_sending || queue->is_full || frame_queue_is_empty(&queue->pending))
        return;
    queue->is_sending = true;
    preempt_disable(); /* also while the lock is dropped */
    do {
        if (!netdev_is_usable(queue->netdev)) {
            drop_pending_locked(queue, NETDEV_DROP_TX_STOPPED);
            break;
        }
        if (batches++ == BATCHES_MAX) {
            netdev_transmit_wake(queue->netdev, queue->index);
            break;
        }
    } while (send_batch(queue) && !frame_queue_is_empty(&queue->pending));
    queue->is_sending = false;
    preempt_enable();
}

/* Send what is pending now, or when the poll ends that this CPU is in. */
static void send_soon(struct netdev_queue *queue) __must_hold(queue->lock)
{
    struct cpu_queues *cpu = this_cpu_queues();

    if (!cpu->is_polling) {
        send_pending(queue);
    } else if (!queue->is_flush_queued) {
        queue->is_flush_queued = true;
        list_push_back(&cpu->flushes, &queue->flush_node);
    }
}

static void flush_after_poll(struct cpu_queues *cpu)
{
    for (;;) {
        irqflags_t flags = irq_save();
        struct netdev_queue *queue =
            list_entry(list_pop_front(&cpu->flushes), struct netdev_queue, flush_node);

        irq_restore(flags);
        if (!queue)
            return;
        flags = spin_lock_irqsave(&queue->lock);
        queue->is_flush_queued = false;
        send_pending(queue);
        spin_unlock_irqrestore(&queue->lock, flags);
    }
}

/* ---- receive: polling ---- */

static void enqueue_poll(struct netdev_queue *queue)
{
    irqflags_t flags = irq_save();

    list_push_back(&this_cpu_queues()->polls, &queue->poll_node);
    irq_restore(flags);
    softirq_raise(SOFTIRQ_NET_RX);
}

void netdev_poll_schedule_isr(struct netdev *netdev, unsigned int index)
{
    struct netdev_queue *queue = &netdev->queues[index];
    unsigned int state = atomic_load_relaxed(&queue->poll_state);
    unsigned int next;

    do {
        if (state == POLL_SCHEDULED || state == POLL_AGAIN)
            return;
        next = state == POLL_IDLE ? POLL_SCHEDULED : POLL_AGAIN;
    } while (!atomic_cmpxchg(&queue->poll_state, &state, next));
    if (next == POLL_SCHEDULED)
        enqueue_poll(queue);
}

static struct netdev_queue *next_poll(void)
{
    irqflags_t flags = irq_save();
    struct list_node *node = list_pop_front(&this_cpu_queues()->polls);

    irq_restore(flags);
    return list_entry(node, struct netdev_queue, poll_node);
}

/* One poll of @queue. Return: is there more to do? */
static bool poll_once(struct netdev_queue *queue)
{
    struct netdev *netdev = queue->netdev;
    struct cpu_queues *cpu = this_cpu_queues();

    cpu->is_polling = true;
    unsigned int work = netdev->ops->poll(netdev, queue->index, NETDEV_POLL_BUDGET);
    cpu->is_polling = false;
    flush_after_poll(cpu);
    atomic_fetch_add_relaxed(&netdev->counters.rx_polls, 1);
    if (work >= NETDEV_POLL_BUDGET)
        return true;
    return netdev->ops->poll_end && netdev->ops->poll_end(netdev, queue->index);
}

static void net_rx_softirq(void)
{
    struct netdev_queue *queue;

    for (unsigned int polls = 0; polls < POLLS_PER_SOFTIRQ; polls++) {
        unsigned int running = POLL_RUNNING;

        queue = next_poll();
        if (!queue)
            return;
        atomic_store(&queue->poll_state, POLL_RUNNING);
        if (!poll_once(queue) && atomic_cmpxchg(&queue->poll_state, &running, POLL_IDLE))
            continue;
        atomic_store(&queue->poll_state, POLL_SCHEDULED);
        enqueue_poll(queue);
    }
    softirq_raise(SOFTIRQ_NET_RX);
}

void netdev_receive(struct netdev *netdev, struct frame *frame)
{
    atomic_fetch_add_relaxed(&netdev->counters.rx_frames, 1);
    atomic_fetch_add_relaxed(&netdev->counters.rx_bytes, frame->length);
    frame->netdev = netdev;
    if (!READ_ONCE(netdev->is_started)) {
        netdev_count_drop(netdev, NETDEV_DROP_RX_STOPPED);
        frame_free(frame);
        return;
    }
    if (netdev->features & NETDEV_LOOPBACK)
        ipv4_input(netdev, frame);
    else
        ethernet_input(netdev, frame);
}

/* ---- transmit: into the queue ---- */

struct netdev_queue *netdev_queue_here(const struct netdev *netdev)
{
    return &netdev->queues[cpu_current() % netdev->queue_count];
}

static struct netdev_queue *queue_for(struct netdev *netdev, const struct frame *frame)
{
    if (netdev->ops->select_queue)
        return &netdev->queues[netdev->ops->select_queue(netdev, frame) % netdev->queue_count];
    return netdev_queue_here(netdev);
}

/* What the device will not do is done here. Return: 0, or the frame cannot be sent. */
static int fit_to_device(struct netdev *netdev, struct frame *frame)
{
    unsigned int header = netdev->features & NETDEV_LOOPBACK ? 0 : ETHERNET_HEADER_SIZE;

    if (frame->gso_type != FRAME_GSO_NONE) {
        if (!(netdev->features & NETDEV_TSO4))
            return -EMSGSIZE;
    } else if (frame->length > READ_ONCE(netdev->mtu) + header) {
        return -EMSGSIZE;
    }
    if (netdev->features & (NETDEV_TX_CSUM | NETDEV_TSO4))
        return 0;
    return frame_complete_checksum(frame);
}

void netdev_transmit(struct netdev *netdev, struct frame *frame)
{
    struct netdev_queue *queue;
    irqflags_t flags;

    if (fit_to_device(netdev, frame)) {
        netdev_count_drop(netdev, NETDEV_DROP_TX_LENGTH);
        frame_free(frame);
        return;
    }
    frame->netdev = netdev;
    queue = queue_for(netdev, frame);
    frame->queue = (uint16_t)queue->index;

    flags = spin_lock_irqsave(&queue->lock);
    if (queue->pending.count >= NETDEV_QUEUE_LENGTH) {
        netdev_count_drop(netdev, NETDEV_DROP_TX_QUEUE_FULL);
        frame_free(frame);
    } else {
        bool has_more = frame->flags & FRAME_MORE;

        atomic_fetch_add_relaxed(&netdev->counters.tx_frames, 1);
        atomic_fetch_add_relaxed(&netdev->counters.tx_bytes, frame->length);
        netdev_take_room_locked(queue, frame);
        frame_queue_push(&queue->pending, frame);
        if (!has_more)
            send_soon(queue);
    }
    spin_unlock_irqrestore(&queue->lock, flags);
}

static void flush_queue(struct netdev_queue *queue)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);

    send_soon(queue);
    spin_unlock_irqrestore(&queue->lock, flags);
}

void netdev_flush(struct netdev *netdev)
{
    for (unsigned int i = 0; i < netdev->queue_count; i++) {
        if (netdev->queues[i].pending.count > 0) /* a race is with somebody who flushes himself */
            flush_queue(&netdev->queues[i]);
    }
}

void netdev_transmit_wake(struct netdev *netdev, unsigned int index)
{
    struct netdev_queue *queue = &netdev->queues[index];
    irqflags_t flags;

    if (atomic_exchange_acquire(&queue->is_wake_queued, true))
        return;
    flags = irq_save();
    list_push_back(&this_cpu_queues()->wakes, &queue->wake_node);
    irq_restore(flags);
    softirq_raise(SOFTIRQ_NET_TX);
}

static void net_tx_softirq(void)
{
    for (;;) {
        irqflags_t flags = irq_save();
        struct netdev_queue *queue =
            list_entry(list_pop_front(&this_cpu_queues()->wakes), struct netdev_queue, wake_node);

        irq_restore(flags);
        if (!queue)
            return;
        atomic_store_release(&queue->is_wake_queued, false);
        flags = spin_lock_irqsave(&queue->lock);
        queue->is_full = false;
        send_pending(queue);
        spin_unlock_irqrestore(&queue->lock, flags);
        netdev_serve_waiters(queue);
    }
}

/* ---- start and stop ---- */

void netdev_queue_init(struct netdev_queue *queue, struct netdev *netdev, unsigned int index)
{
    queue->netdev = netdev;
    queue->index = index;
    spin_lock_init(&queue->lock, "netdev_queue", LOCK_RANK_NETDEV);
    frame_queue_init(&queue->pending);
    list_node_init(&queue->poll_node);
    list_node_init(&queue->wake_node);
    list_node_init(&queue->flush_node);
    netdev_room_init(queue);
}

void netdev_queue_stop(struct netdev_queue *queue)
{
    irqflags_t flags = spin_lock_irqsave(&queue->lock);

    while (queue->is_sending || queue->is_flush_queued) { /* another CPU, with preemption off */
        spin_unlock_irqrestore(&queue->lock, flags);
        cpu_relax();
        flags = spin_lock_irqsave(&queue->lock);
    }
    queue->is_full = false;
    drop_pending_locked(queue, NETDEV_DROP_TX_STOPPED);
    spin_unlock_irqrestore(&queue->lock, flags);
    netdev_serve_waiters(queue); /* what they send is dropped, and they know what to do then */
}

static int __init netdev_queues_init(void)
{
    softirq_register(SOFTIRQ_NET_RX, "net_rx", net_rx_softirq);
    softirq_register(SOFTIRQ_NET_TX, "net_tx", net_tx_softirq);
    return 0;
}
INIT_HOOK(netdev_queues_init, INIT_SMP);
