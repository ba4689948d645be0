/*
 * What vnode.c and vnode_name.c share.
 */
#pragma once

#include "fs/vnode.h"
#include "kernel/sync/spinlock.h"

/* Guards what struct vnode says it does, the table of names and the list of unused vnodes. */
extern struct spinlock vnode_cache_lock; /* rank: LOCK_RANK_VNODE_CACHE */

static inline void vnode_get_locked(struct vnode *vnode) __must_hold(vnode_cache_lock)
{
    vnode->references++;
}

/** vnode_unhash_locked() - its name is not found any more, if it was. */
void vnode_unhash_locked(struct vnode *vnode) __must_hold(vnode_cache_lock);

/** vnode_name_free() - @name, which was that of @vnode. */
void vnode_name_free(const struct vnode *vnode, char *name);
