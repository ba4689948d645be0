/*
 * What time does to neighbours: questions are asked again, entries become stale and end. One timer
 * for the table, which runs while there is an entry.
 *
 * Above and below: net/arp.c, whose lock is used.
 */
#include "net/arp_internal.h"

#include "kernel/init.h"
#include "kernel/time/timer.h"
#include "lib/byteorder.h"
#include "lib/string.h"
#include "net/icmp.h"
#include "net/ipv4.h"
#include "net/netdev.h"

#define ARP_TRIES     3
#define ARP_UNUSED_NS (600 * NS_PER_S)

static bool is_armed __guarded_global(arp_lock);
static struct timer arp_timer;

void arp_timer_start_locked(void)
{
    if (is_armed)
        return;
    is_armed = true;
    timer_start(&arp_timer, deadline_after_ns(ARP_RETRY_NS), 0);
}

/* The frame's transport hears that its host cannot be reached. Takes @frame. */
static void fail_frame(struct frame *frame)
{
    const struct ipv4_header *header = (void *)frame_header(frame, sizeof(*header));
    unsigned int header_length = header ? (header->version_ihl & 15u) * 4 : 0;
    const uint8_t *bytes = header ? frame_header(frame, header_length + 8) : NULL;

    if (bytes) {
        struct icmp_error error = { .type = ICMP_UNREACHABLE, .code = ICMP_HOST_UNREACHABLE };

        header = (const void *)bytes;
        error.source = be32_to_cpu(header->source);
        error.destination = be32_to_cpu(header->destination);
        error.transport = bytes + header_length;
        error.transport_length = 8;
        icmp_deliver_error(header->protocol, &error);
    }
    frame_free(frame);
}

enum arp_action {
    ARP_KEEP,
    ARP_ASK_AGAIN,
    ARP_END
};

static enum arp_action age_locked(struct arp_entry *entry, uint64_t now) __must_hold(arp_lock)
{
    if (entry->tries > 0 && now - entry->asked_ns >= ARP_RETRY_NS) {
        if (entry->tries >= ARP_TRIES)
            return ARP_END;
        entry->tries++;
        entry->asked_ns = now;
        return ARP_ASK_AGAIN;
    }
    if (entry->state == ARP_REACHABLE && now - entry->confirmed_ns >= ARP_REACHABLE_NS)
        entry->state = ARP_STALE;
    if (entry->state == ARP_STALE && entry->tries == 0 && now - entry->used_ns >= ARP_UNUSED_NS)
        return ARP_END;
    return ARP_KEEP;
}

#define ARP_QUESTIONS_PER_TURN 16

struct arp_question {
    struct netdev *netdev;
    uint32_t address;
    bool is_unicast;
    uint8_t mac[MAC_SIZE];
};

/*
 * Age the table until it has no more to ask, or @questions are full: then there may be more, and
 * the next turn passes over those that were asked in this one. Return: how many questions to ask.
 */
static unsigned int age_table_locked(uint64_t now, struct frame_queue *failed,
                                     struct arp_question *questions) __must_hold(arp_lock)
{
    unsigned int asked = 0;
    struct arp_entry *entry;

    list_for_each_entry_safe(entry, &arp_entries, all_node) {
        enum arp_action action = age_locked(entry, now);

        if (action == ARP_ASK_AGAIN) {
            questions[asked] = (struct arp_question){
                entry->netdev, entry->address, entry->state != ARP_INCOMPLETE, { 0 }
            };
            memcpy(questions[asked].mac, entry->mac, MAC_SIZE);
            if (++asked == ARP_QUESTIONS_PER_TURN)
                break;
        } else if (action == ARP_END) {
            if (entry->tries > 0)
                arp_count(ARP_TIMEOUTS);
            arp_destroy_locked(entry, failed);
        }
    }
    return asked;
}

static void arp_timer_expired(struct timer *timer)
{
    struct arp_question questions[ARP_QUESTIONS_PER_TURN];
    uint64_t now = clock_now_ns();
    struct frame_queue failed;
    struct frame *frame;
    unsigned int asked;
    irqflags_t flags;

    (void)timer;
    frame_queue_init(&failed);
    do {
        flags = spin_lock_irqsave(&arp_lock);
        asked = age_table_locked(now, &failed, questions);
        spin_unlock_irqrestore(&arp_lock, flags);
        for (unsigned int q = 0; q < asked; q++)
            arp_ask(questions[q].netdev, questions[q].address,
                    questions[q].is_unicast ? questions[q].mac : NULL);
    } while (asked == ARP_QUESTIONS_PER_TURN);
    flags = spin_lock_irqsave(&arp_lock);
    is_armed = false;
    if (!list_is_empty(&arp_entries))
        arp_timer_start_locked();
    spin_unlock_irqrestore(&arp_lock, flags);
    while ((frame = frame_queue_pop(&failed)) != NULL)
        fail_frame(frame);
}

static int __init arp_timer_init(void)
{
    timer_init(&arp_timer, "arp", arp_timer_expired);
    return 0;
}
INIT_HOOK(arp_timer_init, INIT_SMP);
