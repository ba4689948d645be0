/*
 * Between the files of ARP: packets (arp_packet.c), the table of neighbours (arp.c), its ageing
 * (arp_timer.c), and conflicts of addresses (arp_conflict.c).
 */
#pragma once

#include "kernel/sync/spinlock.h"
#include "lib/list.h"
#include "net/arp.h"
#include "net/ethernet.h"
#include "net/frame.h"

#define ARP_REQUEST 1
#define ARP_REPLY   2

struct arp_packet {
    uint16_t hardware_type; /* big endian, as all */
    uint16_t protocol_type;
    uint8_t hardware_length;
    uint8_t protocol_length;
    uint16_t operation;
    uint8_t sender_mac[MAC_SIZE];
    uint32_t sender_ip;
    uint8_t target_mac[MAC_SIZE];
    uint32_t target_ip;
} __packed;

/* ---- arp_packet.c ---- */

extern const uint8_t arp_no_mac[MAC_SIZE]; /* zeros: "who is that?" */

void arp_count(enum arp_counter counter);

/** arp_send() - to @destination on the link. Context: any; no lock of ARP held. */
void arp_send(struct netdev *netdev, uint16_t operation, const uint8_t destination[MAC_SIZE],
              uint32_t sender_ip, const uint8_t target_mac[MAC_SIZE], uint32_t target_ip);

/** arp_ask() - where is @address? Everybody is asked, or the one at @unicast. Context: as above. */
void arp_ask(struct netdev *netdev, uint32_t address, const uint8_t *unicast);

/* ---- arp.c: the table. Its lock is taken with interrupts off, and no frame is sent under it. ----
 */

#define ARP_RETRY_NS     NS_PER_S
#define ARP_REACHABLE_NS (60 * NS_PER_S)

struct arp_entry {
    struct list_node node;     /* in its bucket */
    struct list_node all_node; /* in entries */
    struct netdev *netdev;
    uint32_t address;
    uint8_t mac[MAC_SIZE];
    enum arp_state state;
    unsigned int tries; /* questions out since the last confirmation; 0: none */
    uint64_t asked_ns;  /* when the last one went out */
    uint64_t confirmed_ns;
    uint64_t used_ns;
    struct frame_queue pending;
};

extern struct spinlock arp_lock;                           /* rank: LOCK_RANK_NET_TABLE */
extern struct list arp_entries __guarded_global(arp_lock); /* all, oldest first, by all_node */

/** arp_destroy_locked() - takes the entry out; what waited is put into @pending for the caller */
void arp_destroy_locked(struct arp_entry *entry, struct frame_queue *pending) __must_hold(arp_lock);

/* ---- arp_timer.c ---- */

/** arp_timer_start_locked() - there is an entry, or a question out */
void arp_timer_start_locked(void) __must_hold(arp_lock);

/* ---- arp.c: what neighbours say. Context: softirq. ---- */

/** arp_learn_answer() - "@sender is at @mac"; it counts while our question is out */
void arp_learn_answer(struct netdev *netdev, uint32_t sender, const uint8_t mac[MAC_SIZE]);

/** arp_learn_asker() - @sender, at @mac, has asked for us: it will want our answer */
void arp_learn_asker(struct netdev *netdev, uint32_t sender, const uint8_t mac[MAC_SIZE]);

/* ---- arp_conflict.c. Context: softirq. ---- */

/** arp_answer_probes() - those who wait in arp_probe() see every packet */
void arp_answer_probes(struct netdev *netdev, const struct arp_packet *packet);

/** arp_conflict_seen() - @mac speaks with our own @address */
void arp_conflict_seen(struct netdev *netdev, uint32_t address, const uint8_t mac[MAC_SIZE]);
