/*
 * The order of locks: a CPU (spinlocks) or task (mutexes) may take a lock only of a higher rank
 * than every lock it holds. Checked in debug builds; the table with its reasons is docs/LOCKING.md.
 *
 * Sleeping locks come first (low): no spinlock may be held when one is taken. Equal ranks may not
 * nest unless the second is taken by spin_lock_nested().
 */
#pragma once

enum lock_rank {
    LOCK_RANK_NONE = 0, /* never nested inside anything; not checked */

    /* mutexes and rwlocks, outermost first */
    LOCK_RANK_SHELL,
    LOCK_RANK_MOUNT_TABLE,
    LOCK_RANK_FS_RENAME, /* vnode locks come next: unranked, ordered by the tree (fs/vnode.h) */
    LOCK_RANK_FS_INSTANCES,
    LOCK_RANK_FS_COMMIT,
    LOCK_RANK_FS_TRANSACTION, /* shared: a handle; exclusive: the freeze of a commit */
    LOCK_RANK_FS_MAP,         /* one per file: pages and extents */
    LOCK_RANK_FS_TABLE,       /* inode file */
    LOCK_RANK_FS_ALLOC,
    LOCK_RANK_FS_LIST,
    LOCK_RANK_FS_BUFFER,
    LOCK_RANK_FS_LRU,
    LOCK_RANK_BLOCK_CACHE_SLEEP,
    LOCK_RANK_NET_CONFIG,
    LOCK_RANK_SOCKET_SLEEP,
    LOCK_RANK_DEVICE_SLEEP,
    LOCK_RANK_MEMORY_SLEEP,

    /* spinlocks, outermost first */
    LOCK_RANK_SPIN = 64,
    LOCK_RANK_MOUNT_LINKS,
    LOCK_RANK_VNODE_CACHE,
    LOCK_RANK_SOCKET_TABLE,
    LOCK_RANK_SOCKET,       /* one per TCP connection or UDP socket */
    LOCK_RANK_NET_TABLE,    /* routes, ARP, DNS cache, fragments */
    LOCK_RANK_NET_LISTENER, /* what listeners of devices note; under the list of devices */
    LOCK_RANK_NETDEV,
    LOCK_RANK_BLOCK_CACHE,
    LOCK_RANK_BLOCK_QUEUE,
    LOCK_RANK_DEVICE, /* driver and virtqueue */
    LOCK_RANK_CONSOLE_INPUT,
    LOCK_RANK_IRQ,
    LOCK_RANK_TASK_TABLE,
    LOCK_RANK_WAIT_QUEUE,
    LOCK_RANK_TIMER,
    LOCK_RANK_TASK,
    LOCK_RANK_RUN_QUEUE,
    LOCK_RANK_IPI,
    LOCK_RANK_VM_RANGE,
    LOCK_RANK_ADDRESS_SPACE,
    LOCK_RANK_SLAB,
    LOCK_RANK_PAGE_ZONE,
    LOCK_RANK_INTERRUPT_CONTROLLER,
    LOCK_RANK_RANDOM,
    LOCK_RANK_LOG,     /* anything may log */
    LOCK_RANK_CONSOLE, /* serial and screen output */
};
