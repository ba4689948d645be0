/*
 * Network devices: registry, polling in softirq, transmit queues.
 *
 * Above: ethernet.c and the protocols. Below: drivers, through struct netdev_ops.
 * Whoever has a frame for a queue to which nobody sends gives the driver all that is pending, and
 * what others leave there meanwhile: they do not wait for him. The lock is for the list only, never
 * held while the device is told. What a poll's frames are answered with is sent when the poll ends.
 *
 * Locks: devices_lock (list and names), each queue's transmit lock (rank NETDEV); the per-CPU poll,
 * wake and flush lists belong to their CPU and are touched with interrupts off.
 */
#include "net/netdev.h"

#include "arch/irq.h"
#include "arch/percpu.h"
#include "kernel/init.h"
#include "kernel/irq/softirq.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/sched/preempt.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/arp.h"
#include "net/ethernet.h"
#include "net/ipv4.h"
#include "net/netdev_internal.h"
#include "net/route.h"

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

static DEFINE_SPINLOCK(devices_lock, "netdevs", LOCK_RANK_NET_TABLE);
static struct list devices __guarded_global(devices_lock) = LIST_INIT(devices);
static struct list listeners __guarded_global(devices_lock) = LIST_INIT(listeners);
static unsigned int next_index __guarded_global(devices_lock) = 1;

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

/* ---- events ---- */

static void tell_listeners(struct netdev *netdev, enum netdev_event event)
{
    irqflags_t flags = spin_lock_irqsave(&devices_lock);
    struct netdev_listener *listener;

    list_for_each_entry(listener, &listeners, node)
        listener->event(listener, netdev, event);
    spin_unlock_irqrestore(&devices_lock, flags);
}

void netdev_listen(struct netdev_listener *listener)
{
    irqflags_t flags = spin_lock_irqsave(&devices_lock);
    struct netdev *netdev;

    list_push_back(&listeners, &listener->node);
    list_for_each_entry(netdev, &devices, node)
        listener->event(listener, netdev, NETDEV_REGISTERED);
    spin_unlock_irqrestore(&devices_lock, flags);
}

void netdev_notify_address(struct netdev *netdev)
{
    tell_listeners(netdev, NETDEV_ADDRESS_CHANGED);
}

void netdev_set_link(struct netdev *netdev, bool is_up)
{
    if (READ_ONCE(netdev->is_link_up) == is_up)
        return;
    WRITE_ONCE(netdev->is_link_up, is_up);
    log_info("net", "%s: link %s", netdev->name, is_up ? "up" : "down");
    if (!is_up)
        arp_flush(netdev);
    tell_listeners(netdev, is_up ? NETDEV_LINK_UP : NETDEV_LINK_DOWN);
}

void netdev_fail(struct netdev *netdev, const char *reason)
{
    if (!READ_ONCE(netdev->is_started))
        return;
    WRITE_ONCE(netdev->is_started, false);
    log_error("net", "%s: stopped for good: %s", netdev->name, reason);
    netdev_set_link(netdev, false);
}

/* ---- registry ---- */

static int create_queues(struct netdev *netdev)
{
    if (netdev->queue_count == 0)
        netdev->queue_count = 1;
    if (netdev->queue_count > NETDEV_QUEUES_MAX)
        return -EINVAL;
    netdev->queues = kcalloc(netdev->queue_count, sizeof(*netdev->queues));
    if (!netdev->queues)
        return -ENOMEM;
    for (unsigned int i = 0; i < netdev->queue_count; i++) {
        struct netdev_queue *queue = &netdev->queues[i];

        queue->netdev = netdev;
        queue->index = i;
        spin_lock_init(&queue->lock, "netdev_queue", LOCK_RANK_NETDEV);
        frame_queue_init(&queue->pending);
        list_node_init(&queue->poll_node);
        list_node_init(&queue->wake_node);
        netdev_room_init(queue);
        list_node_init(&queue->flush_node);
    }
    return 0;
}

/* "eth" becomes "eth0", "eth1", ...; "lo" stays as it is. */
static void name_device(struct netdev *netdev)
{
    unsigned int number = 0;
    const struct netdev *other;
    size_t length = strlen(netdev->name);

    if (netdev->features & NETDEV_LOOPBACK)
        return;
    list_for_each_entry(other, &devices, node) {
        if (strncmp(other->name, netdev->name, length) == 0 && other->name[length] >= '0' &&
            other->name[length] <= '9')
            number++;
    }
    snprintf(netdev->name + length, sizeof(netdev->name) - length, "%u", number);
}

int netdev_start(struct netdev *netdev)
{
    int error;

    if (READ_ONCE(netdev->is_started))
        return 0;
    WRITE_ONCE(netdev->is_started, true); /* before: the first interrupt may come in start */
    error = netdev->ops->start ? netdev->ops->start(netdev) : 0;
    if (error)
        WRITE_ONCE(netdev->is_started, false);
    return error;
}

void netdev_stop(struct netdev *netdev)
{
    if (!READ_ONCE(netdev->is_started))
        return;
    WRITE_ONCE(netdev->is_started, false);
    if (netdev->ops->stop)
        netdev->ops->stop(netdev);
    for (unsigned int i = 0; i < netdev->queue_count; i++) {
        struct netdev_queue *queue = &netdev->queues[i];
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
    arp_flush(netdev);
}

int netdev_register(struct netdev *netdev)
{
    irqflags_t flags;
    int error;

    if (netdev->mtu < NETDEV_MTU_MIN || !netdev->ops || !netdev->ops->transmit)
        return -EINVAL;
    error = create_queues(netdev);
    if (error)
        return error;
    flags = spin_lock_irqsave(&devices_lock);
    name_device(netdev);
    netdev->index = next_index++;
    list_push_back(&devices, &netdev->node);
    spin_unlock_irqrestore(&devices_lock, flags);

    error = netdev_start(netdev);
    if (error) {
        netdev_unregister(netdev);
        return error;
    }
    tell_listeners(netdev, NETDEV_REGISTERED);
    return 0;
}

void netdev_unregister(struct netdev *netdev)
{
    irqflags_t flags;

    netdev_stop(netdev);
    tell_listeners(netdev, NETDEV_UNREGISTERED);
    interface_clear_ipv4(netdev);
    arp_flush(netdev);
    flags = spin_lock_irqsave(&devices_lock);
    list_remove(&netdev->node);
    spin_unlock_irqrestore(&devices_lock, flags);
    kfree(netdev->queues);
    netdev->queues = NULL;
}

int netdev_set_mtu(struct netdev *netdev, unsigned int mtu)
{
    int error;

    if (mtu < NETDEV_MTU_MIN || mtu > 65535)
        return -EINVAL;
    if (!netdev->ops->set_mtu)
        return -EOPNOTSUPP;
    error = netdev->ops->set_mtu(netdev, mtu);
    if (!error)
        WRITE_ONCE(netdev->mtu, mtu);
    return error;
}

struct netdev *netdev_find(const char *name)
{
    irqflags_t flags = spin_lock_irqsave(&devices_lock);
    struct netdev *found = NULL;
    struct netdev *netdev;

    list_for_each_entry(netdev, &devices, node) {
        if (strcmp(netdev->name, name) == 0)
            found = netdev;
    }
    spin_unlock_irqrestore(&devices_lock, flags);
    return found;
}

struct netdev *netdev_next(struct netdev *netdev)
{
    irqflags_t flags = spin_lock_irqsave(&devices_lock);
    struct list_node *node = netdev ? list_next(&devices, &netdev->node) : list_front(&devices);

    spin_unlock_irqrestore(&devices_lock, flags);
    return list_entry(node, struct netdev, node);
}

const char *netdev_drop_name(enum netdev_drop reason)
{
    static const char *const names[NETDEV_DROP_COUNT] = {
        [NETDEV_DROP_RX_NO_MEMORY] = "rx-no-memory",   [NETDEV_DROP_RX_LENGTH] = "rx-length",
        [NETDEV_DROP_RX_OTHER] = "rx-other-host",      [NETDEV_DROP_RX_PROTOCOL] = "rx-protocol",
        [NETDEV_DROP_RX_STOPPED] = "rx-stopped",       [NETDEV_DROP_RX_ERROR] = "rx-error",
        [NETDEV_DROP_TX_QUEUE_FULL] = "tx-queue-full", [NETDEV_DROP_TX_STOPPED] = "tx-stopped",
        [NETDEV_DROP_TX_LENGTH] = "tx-length",         [NETDEV_DROP_TX_ERROR] = "tx-error",
    };

    return (unsigned int)reason < NETDEV_DROP_COUNT ? names[reason] : "?";
}

static int __init netdev_init(void)
{
    softirq_register(SOFTIRQ_NET_RX, "net_rx", net_rx_softirq);
    softirq_register(SOFTIRQ_NET_TX, "net_tx", net_tx_softirq);
    return 0;
}
INIT_HOOK(netdev_init, INIT_SMP);
