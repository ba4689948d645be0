/*
 * virtio-net (VIRTIO 1.2, 5.1): probing, configuration, and the poll that joins both directions.
 *
 * Above: net/netdev.h. Below: drivers/virtio/. Receiving is in virtio_net_rx.c, sending in
 * virtio_net_tx.c. After DRIVER_OK the control queue is used once, to switch the queue pairs on.
 */
#include "drivers/net/virtio_net.h"

#include "arch/cpu.h"
#include "arch/mmu.h"
#include "kernel/log.h"
#include "kernel/random.h"
#include "kernel/sync/wait_queue.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

/* Configuration (5.1.4). */
enum {
    CONFIG_MAC = 0,
    CONFIG_STATUS = 6,
    CONFIG_MAX_PAIRS = 8,
    CONFIG_MTU = 10
};
#define VIRTIO_NET_S_LINK_UP 1

/* Control queue (5.1.6.5). */
#define CTRL_MQ              4
#define CTRL_MQ_VQ_PAIRS_SET 0
#define CTRL_OK              0
#define CTRL_TIMEOUT_NS      (2 * NS_PER_S)

#define PAIRS_OFFERED_MAX               256 /* each costs two rings, used or not */
#define ETHERNET_MTU                    1500
#define HEADER_SIZE_WITHOUT_NUM_BUFFERS 10

static unsigned int poll(struct netdev *netdev, unsigned int queue, unsigned int budget)
{
    struct net_pair *pair = virtio_net_of(netdev)->pairs[queue];

    net_tx_reclaim(pair);
    return net_rx_poll(pair, budget);
}

static bool poll_end(struct netdev *netdev, unsigned int queue)
{
    return !net_rx_rearm(virtio_net_of(netdev)->pairs[queue]);
}

static const struct netdev_ops virtio_net_ops = {
    .transmit = net_transmit,
    .poll = poll,
    .poll_end = poll_end,
};

void net_fail(struct virtio_net *net, enum netdev_drop reason, const char *text)
{
    if (!READ_ONCE(net->netdev.is_started))
        return;
    netdev_count_drop(&net->netdev, reason);
    netdev_fail(&net->netdev, text);
}

/* ---- link ---------------------------------------------------------------------------------- */

static bool read_link(struct virtio_net *net)
{
    if (!virtio_has_feature(net->virtio, VIRTIO_NET_F_STATUS))
        return true;
    return virtio_config_read16(net->virtio, CONFIG_STATUS) & VIRTIO_NET_S_LINK_UP;
}

static void config_changed(struct virtio_device *virtio)
{
    struct virtio_net *net = virtio->driver_data;

    if (virtio->transport->get_status(virtio) & VIRTIO_STATUS_NEEDS_RESET)
        netdev_fail(&net->netdev, "the device wants a reset");
    else
        netdev_set_link(&net->netdev, read_link(net));
}

/* ---- the control queue: once, while probing ------------------------------------------------ */

struct control_request {
    struct {
        uint8_t class_code;
        uint8_t command;
        uint16_t pairs;
    } __packed command;
    uint8_t ack;
    bool is_done; /* atomic */
    struct wait_queue done;
};

static void control_isr(struct virtq *vq)
{
    struct control_request *request = virtq_pop(vq, NULL);

    if (!request)
        return;
    __atomic_store_n(&request->is_done, true, __ATOMIC_RELEASE);
    wake_all(&request->done);
}

static int send_control(struct virtq *vq, struct control_request *request)
{
    struct scatter_segment readable[] = { { direct_map_to_phys(&request->command), 2 },
                                          { direct_map_to_phys(&request->command.pairs), 2 } };
    struct scatter_segment writable = { direct_map_to_phys(&request->ack), 1 };
    int error = virtq_add(vq, readable, ARRAY_SIZE(readable), &writable, 1, request);

    if (error)
        return error;
    virtq_kick(vq);
    return wait_event_uncancellable(&request->done,
                                    __atomic_load_n(&request->is_done, __ATOMIC_ACQUIRE),
                                    deadline_after_ns(CTRL_TIMEOUT_NS));
}

/* Without this command the device uses the first pair only. */
static void enable_pairs(struct virtio_net *net)
{
    struct control_request *request = kzalloc(sizeof(*request));

    if (!request)
        return;
    request->command.class_code = CTRL_MQ;
    request->command.command = CTRL_MQ_VQ_PAIRS_SET;
    request->command.pairs = (uint16_t)net->pair_count;
    request->ack = UINT8_MAX;
    wait_queue_init(&request->done, "virtio_net control");
    int error = send_control(net->virtio->queues[2 * net->pairs_offered], request);
    if (error == -ETIMEDOUT)
        log_warning("virtio_net", "%s: no answer on the control queue", net->virtio->name);
    else if (error || request->ack != CTRL_OK)
        log_warning("virtio_net", "%s: %u queue pairs refused", net->virtio->name, net->pair_count);
    if (error != -ETIMEDOUT) /* otherwise the device may still write to it: better leaked */
        kfree(request);
}

/* ---- probing ------------------------------------------------------------------------------- */

static struct net_pair *new_pair(struct virtio_net *net, unsigned int index)
{
    struct net_pair *pair = kzalloc(sizeof(*pair));

    if (!pair)
        return NULL;
    pair->net = net;
    pair->index = index;
    snprintf(pair->rx.name, sizeof(pair->rx.name), "virtio_net %s.rx%u", net->virtio->name, index);
    snprintf(pair->tx.name, sizeof(pair->tx.name), "virtio_net %s.tx%u", net->virtio->name, index);
    return pair;
}

/* Pairs beyond those in use get rings too, for the control queue comes after them. */
static int create_queues(struct virtio_net *net)
{
    bool has_control = virtio_has_feature(net->virtio, VIRTIO_NET_F_CTRL_VQ);
    unsigned int count = 2 * net->pairs_offered + (has_control ? 1 : 0);
    struct virtq_spec *specs = kcalloc(count, sizeof(*specs));

    if (!specs)
        return -ENOMEM;
    for (unsigned int i = 0; i < 2 * net->pairs_offered; i++)
        specs[i] = (struct virtq_spec){ .name = "virtio_net unused", .max_size = 16 };
    for (unsigned int i = 0; i < net->pair_count; i++) {
        struct net_pair *pair = net->pairs[i];
        struct virtq_spec spec = { .context = pair, .has_cpu = true, .cpu = i };
        specs[2 * i] = spec;
        specs[2 * i].name = pair->rx.name;
        specs[2 * i].callback = net_rx_isr;
        specs[2 * i + 1] = spec;
        specs[2 * i + 1].name = pair->tx.name;
        specs[2 * i + 1].callback = net_tx_isr;
    }
    if (has_control)
        specs[count - 1] = (struct virtq_spec){ .name = "virtio_net control",
                                                .callback = control_isr,
                                                .max_size = 16 };
    int error = virtio_queues_create(net->virtio, specs, count);
    kfree(specs);
    return error;
}

static int create_pairs(struct virtio_net *net)
{
    for (unsigned int i = 0; i < net->pair_count; i++) {
        net->pairs[i] = new_pair(net, i);
        if (!net->pairs[i])
            return -ENOMEM;
    }
    int error = create_queues(net);
    for (unsigned int i = 0; !error && i < net->pair_count; i++) {
        net_rx_init(net->pairs[i], net->virtio->queues[2 * i]);
        error = net_tx_init(net->pairs[i], net->virtio->queues[2 * i + 1]);
    }
    return error;
}

/*
 * What of @offered is taken. Segmentation goes with checksums only (5.1.3.1; QEMU offers it without
 * them all the same), and 64 KiB frames want mergeable buffers, or every buffer would have to be
 * that large.
 */
static uint64_t choose_features(uint64_t offered)
{
    uint64_t wanted = VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
                      VIRTIO_FEATURE(VIRTIO_NET_F_MTU) | VIRTIO_FEATURE(VIRTIO_NET_F_MAC) |
                      VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) | VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) |
                      VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ) | VIRTIO_FEATURE(VIRTIO_NET_F_MQ) |
                      VIRTIO_FEATURE(VIRTIO_F_ANY_LAYOUT);

    if (offered & VIRTIO_FEATURE(VIRTIO_NET_F_CSUM))
        wanted |= VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4);
    if (offered & VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) &&
        offered & VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF))
        wanted |= VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4);
    return wanted;
}

static int negotiate(struct virtio_net *net)
{
    struct virtio_device *virtio = net->virtio;
    int error = virtio_negotiate(virtio, choose_features(virtio->transport->get_features(virtio)));

    if (error)
        return error;
    bool is_modern = virtio_has_feature(virtio, VIRTIO_F_VERSION_1);
    net->has_mergeable = virtio_has_feature(virtio, VIRTIO_NET_F_MRG_RXBUF);
    net->has_any_layout = is_modern || virtio_has_feature(virtio, VIRTIO_F_ANY_LAYOUT);
    net->header_size = is_modern || net->has_mergeable ? sizeof(struct virtio_net_hdr)
                                                       : HEADER_SIZE_WITHOUT_NUM_BUFFERS;
    return 0;
}

static void read_mac(struct virtio_net *net)
{
    uint8_t *mac = net->netdev.mac;

    if (virtio_has_feature(net->virtio, VIRTIO_NET_F_MAC)) {
        virtio_config_read(net->virtio, CONFIG_MAC, mac, MAC_SIZE);
        return;
    }
    random_bytes(mac, MAC_SIZE);
    mac[0] = (uint8_t)((mac[0] | 0x02) & 0xfe); /* locally administered, unicast */
}

/* Without mergeable buffers a frame has to fit into one. */
static void read_mtu(struct virtio_net *net)
{
    unsigned int limit = net_rx_frame_max(net) - ETHERNET_HEADER_SIZE;

    net->netdev.mtu = ETHERNET_MTU;
    if (!virtio_has_feature(net->virtio, VIRTIO_NET_F_MTU))
        return;
    net->netdev.mtu = virtio_config_read16(net->virtio, CONFIG_MTU);
    if (net->netdev.mtu <= limit || net->has_mergeable)
        return;
    log_warning("virtio_net", "%s: MTU %u without mergeable buffers: %u is used", net->virtio->name,
                net->netdev.mtu, limit);
    net->netdev.mtu = limit;
}

static unsigned int read_pairs_offered(struct virtio_net *net)
{
    struct virtio_device *virtio = net->virtio;
    unsigned int pairs = 1;

    if (virtio_has_feature(virtio, VIRTIO_NET_F_MQ) &&
        virtio_has_feature(virtio, VIRTIO_NET_F_CTRL_VQ))
        pairs = virtio_config_read16(virtio, CONFIG_MAX_PAIRS);
    return pairs;
}

static void read_configuration(struct virtio_net *net)
{
    struct virtio_device *virtio = net->virtio;
    struct netdev *netdev = &net->netdev;

    read_mac(net);
    netdev->ops = &virtio_net_ops;
    read_mtu(net);
    if (virtio_has_feature(virtio, VIRTIO_NET_F_CSUM))
        netdev->features |= NETDEV_TX_CSUM;
    if (virtio_has_feature(virtio, VIRTIO_NET_F_HOST_TSO4))
        netdev->features |= NETDEV_TSO4;
    if (virtio_has_feature(virtio, VIRTIO_NET_F_GUEST_CSUM))
        netdev->features |= NETDEV_RX_CSUM;
    if (virtio_has_feature(virtio, VIRTIO_NET_F_GUEST_TSO4))
        netdev->features |= NETDEV_LRO4;
    net->pairs_offered = read_pairs_offered(net);
    net->pair_count =
        MIN(net->pairs_offered, MIN(cpu_possible_count(), (unsigned int)VIRTIO_NET_PAIRS_MAX));
    netdev->queue_count = net->pair_count;
    netdev->is_link_up = read_link(net);
}

static void free_net(struct virtio_net *net)
{
    for (unsigned int i = 0; i < net->pair_count; i++) {
        if (net->pairs[i])
            kfree(net->pairs[i]->tx.headers);
        kfree(net->pairs[i]);
    }
    kfree(net);
}

static int setup(struct virtio_net *net)
{
    int error = negotiate(net);

    if (error)
        return error;
    read_configuration(net);
    if (net->pairs_offered == 0 || net->pairs_offered > PAIRS_OFFERED_MAX)
        return -EINVAL;
    return create_pairs(net);
}

static int virtio_net_probe(struct virtio_device *virtio)
{
    struct virtio_net *net = kzalloc(sizeof(*net));

    if (!net)
        return -ENOMEM;
    net->virtio = virtio;
    virtio->driver_data = net;
    snprintf(net->driver_text, sizeof(net->driver_text), "virtio_net %s", virtio->name);
    net->netdev.driver = net->driver_text;
    strlcpy(net->netdev.name, "eth", sizeof(net->netdev.name));
    int error = setup(net);
    if (!error) {
        virtio_start(virtio); /* nothing is received before the rings are filled */
        error = netdev_register(&net->netdev);
    }
    if (error) {
        virtio_stop(virtio);
        free_net(net);
        return error;
    }
    virtio->config_changed = config_changed;
    netdev_set_link(&net->netdev, read_link(net)); /* it may have changed before that */
    for (unsigned int i = 0; i < net->pair_count; i++)
        net_rx_start(net->pairs[i]);
    if (net->pair_count > 1)
        enable_pairs(net);
    return 0;
}
VIRTIO_DRIVER(virtio_net, VIRTIO_ID_NET, virtio_net_probe);
