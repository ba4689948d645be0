/*
 * Names of vnodes: found by (parent, name) in a hash table that grows with them, changed, and put
 * together to paths.
 */
#include "fs/filesystem.h"
#include "fs/vnode_internal.h"
#include "lib/errno.h"
#include "lib/hash.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

static const struct hash_table_memory bucket_memory = { .alloc = kmalloc, .free = kfree };

static struct hash_table names __guarded_global(vnode_cache_lock) = HASH_TABLE_INIT(&bucket_memory);

static uint32_t name_hash(const struct vnode *parent, const char *name, size_t length)
{
    static const struct hash_key key = { { 0x6e6f732076666e6full, 0x6465206361636865ull } };

    return (uint32_t)(hash_bytes(&key, name, length) ^ (uintptr_t)parent >> 6);
}

void vnode_unhash_locked(struct vnode *vnode) __must_hold(vnode_cache_lock)
{
    if (vnode->is_hashed)
        hash_table_remove(&names, &vnode->hash_node);
    vnode->is_hashed = false;
}

static void hash_locked(struct vnode *vnode) __must_hold(vnode_cache_lock)
{
    hash_table_insert(&names, &vnode->hash_node,
                      name_hash(vnode->parent, vnode->name, strlen(vnode->name)));
    vnode->is_hashed = true;
}

void vnode_name_free(const struct vnode *vnode, char *name)
{
    if (name != vnode->short_name)
        kfree(name);
}

struct vnode *vnode_find_cached(struct vnode *parent, const char *name, size_t length)
{
    uint32_t hash = name_hash(parent, name, length);
    struct vnode *vnode;

    spin_lock(&vnode_cache_lock);
    hash_table_for_each_entry(vnode, &names, hash, struct vnode, hash_node) {
        if (vnode->parent == parent && strncmp(vnode->name, name, length) == 0 &&
            !vnode->name[length])
            break;
    }
    if (vnode)
        vnode_get_locked(vnode);
    spin_unlock(&vnode_cache_lock);
    return vnode;
}

int vnode_attach(struct vnode *vnode, struct vnode *parent, const char *name, size_t length)
{
    char *copy = length < VNODE_SHORT_NAME ? vnode->short_name : kmalloc(length + 1);

    if (!copy)
        return -ENOMEM;
    memcpy(copy, name, length);
    copy[length] = '\0';
    spin_lock(&vnode_cache_lock);
    vnode_get_locked(parent);
    vnode->parent = parent;
    vnode->name = copy;
    hash_locked(vnode);
    spin_unlock(&vnode_cache_lock);
    return 0;
}

void vnode_hide(struct vnode *vnode)
{
    spin_lock(&vnode_cache_lock);
    vnode_unhash_locked(vnode);
    spin_unlock(&vnode_cache_lock);
}

void vnode_show(struct vnode *vnode)
{
    spin_lock(&vnode_cache_lock);
    hash_locked(vnode);
    spin_unlock(&vnode_cache_lock);
}

void vnode_detach(struct vnode *vnode)
{
    struct vnode *parent;
    char *name;

    spin_lock(&vnode_cache_lock);
    vnode_unhash_locked(vnode);
    vnode->is_removed = true;
    parent = vnode->parent;
    name = vnode->name;
    vnode->parent = NULL;
    vnode->name = NULL;
    spin_unlock(&vnode_cache_lock);
    vnode_name_free(vnode, name);
    vnode_put(parent); /* not the last: whoever removes the vnode has its directory */
}

void vnode_move(struct vnode *vnode, struct vnode *parent, char *name)
{
    size_t size = strlen(name) + 1;
    bool is_short = size <= VNODE_SHORT_NAME;
    struct vnode *old_parent;
    char *old_name;

    spin_lock(&vnode_cache_lock);
    vnode_unhash_locked(vnode);
    old_parent = vnode->parent;
    old_name = vnode->name;
    vnode_get_locked(parent);
    vnode->parent = parent;
    vnode->name = is_short ? memcpy(vnode->short_name, name, size) : name;
    hash_locked(vnode);
    spin_unlock(&vnode_cache_lock);
    if (is_short)
        kfree(name);
    vnode_name_free(vnode, old_name);
    vnode_put(old_parent); /* not the last, as above */
}

struct vnode *vnode_parent(struct vnode *vnode)
{
    struct vnode *parent;

    spin_lock(&vnode_cache_lock);
    parent = vnode->parent;
    if (parent)
        vnode_get_locked(parent);
    spin_unlock(&vnode_cache_lock);
    return parent;
}

bool vnode_is_ancestor(struct vnode *ancestor, struct vnode *vnode)
{
    spin_lock(&vnode_cache_lock);
    while (vnode && vnode != ancestor)
        vnode = vnode->parent;
    spin_unlock(&vnode_cache_lock);
    return vnode != NULL;
}

/* What is above: the parent, or for the root of a mount the directory it covers. */
static struct vnode *path_parent(struct vnode *vnode, const char **name)
    __must_hold(vnode_cache_lock)
{
    while (!vnode->parent && vnode->mount && vnode->mount->root == vnode && vnode->mount->covered)
        vnode = vnode->mount->covered;
    *name = vnode->name;
    return vnode->parent;
}

const char *vnode_path(struct vnode *vnode, char *buffer, size_t size)
{
    char *start = buffer + size - 1;
    bool is_root;
    const char *name;

    *start = '\0';
    spin_lock(&vnode_cache_lock);
    is_root = vnode->mount && vnode->mount->root == vnode;
    if (vnode->is_removed || (!vnode->parent && !is_root)) {
        spin_unlock(&vnode_cache_lock);
        strlcpy(buffer, "(removed)", size);
        return buffer;
    }
    while ((vnode = path_parent(vnode, &name))) {
        size_t length = strlen(name);

        if ((size_t)(start - buffer) < length + 1)
            break;
        start -= length;
        memcpy(start, name, length);
        *--start = '/';
    }
    spin_unlock(&vnode_cache_lock);
    if (!*start)
        *--start = '/';
    memmove(buffer, start, strlen(start) + 1);
    return buffer;
}
