/*
 * Names: look-up, create, remove, rename, and what becomes of removed files.
 *
 * Each change first loads and pins everything it needs, which may fail and leaves a valid state,
 * and then makes its changes, which cannot fail: so an operation happens wholly within a
 * transaction or not at all.
 *
 * A removed file that is in use or large goes to the orphan directory under its number; when its
 * last reference has gone it becomes a zombie, freed by the next commit, sync or unmount, or by the
 * next mount.
 */
#include "fs/nanofs/nanofs.h"
#include "kernel/log.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"

/* Of a file that is freed within the transaction that removes its name. */
#define SMALL_EXTENTS NANOFS_INLINE_EXTENTS

static void touch(struct nanofs_inode *inode)
{
    WRITE_ONCE(inode->vnode.modified_ns, clock_wall_ns());
    nanofs_inode_changed(inode);
}

static int nanofs_lookup(struct vnode *directory, const char *name, size_t length,
                         struct vnode **result)
{
    struct nanofs_inode *parent = nanofs_inode(directory);
    struct nanofs_inode *inode;
    enum vnode_type type;
    uint32_t number;
    int error = nanofs_directory_find(parent, name, length, &number, &type);

    if (!error && number == parent->number)
        error = -EIO; /* would be locked twice */
    if (!error)
        error = nanofs_inode_load(parent->fs, number, &inode);
    if (error)
        return error;
    if (inode->vnode.type != type || inode->parent != parent->number) {
        log_error("nanofs", "%s: inode %u is not what its name in inode %u says",
                  parent->fs->device->name, number, parent->number);
        nanofs_inode_free(inode);
        return -EIO;
    }
    *result = &inode->vnode;
    return 0;
}

static int create_in_handle(struct nanofs_inode *parent, const char *name, size_t length,
                            enum vnode_type type, struct nanofs_inode **result)
{
    int error = nanofs_directory_prepare(parent, name, length, NANOFS_FOR_METADATA);

    if (!error)
        error = nanofs_inode_create(parent->fs, parent->number, type, result);
    if (error)
        return error;
    nanofs_directory_insert(parent, name, length, (*result)->number, type);
    touch(parent);
    return 0;
}

static bool has_pending_blocks(struct nanofs *fs)
{
    return READ_ONCE(fs->pending_blocks[0]) || READ_ONCE(fs->pending_blocks[1]);
}

static int nanofs_create(struct vnode *directory, const char *name, size_t length,
                         enum vnode_type type, struct vnode **result)
{
    struct nanofs_inode *parent = nanofs_inode(directory);
    struct nanofs *fs = parent->fs;
    struct nanofs_inode *inode = NULL;
    int error;

    for (int i = 0; i < 2; i++) {
        error = nanofs_begin(fs);
        if (error)
            return error;
        error = create_in_handle(parent, name, length, type, &inode);
        nanofs_end(fs);
        if (error != -ENOSPC || !has_pending_blocks(fs) || i)
            break;
        error = nanofs_commit(fs); /* what was freed becomes usable: once more */
        if (error)
            return error;
    }
    if (!error)
        *result = &inode->vnode;
    return error;
}

/* ---- removal -------------------------------------------------------------------------------- */

void nanofs_orphan_name(uint32_t number, char name[12])
{
    snprintf(name, 12, "%u", number);
}

void nanofs_inode_unlist(struct nanofs_inode *inode)
{
    struct nanofs *fs = inode->fs;
    unsigned int references = 0;

    mutex_lock(&fs->list_lock);
    references += list_node_is_linked(&inode->data_node);
    references += list_node_is_linked(&inode->store_node);
    list_remove(&inode->data_node);
    list_remove(&inode->store_node);
    mutex_unlock(&fs->list_lock);
    while (references--)
        vnode_put(&inode->vnode);
}

/* Besides the caller and the lists of the next commit. */
static bool is_in_use(struct nanofs_inode *inode)
{
    struct nanofs *fs = inode->fs;
    unsigned int own = 1;

    mutex_lock(&fs->list_lock);
    own += list_node_is_linked(&inode->data_node);
    own += list_node_is_linked(&inode->store_node);
    mutex_unlock(&fs->list_lock);
    return vnode_references(&inode->vnode) > own;
}

/* How a victim goes. */
struct removal {
    struct nanofs_inode *victim;
    bool is_orphaned;
    char name[12]; /* in the orphan directory */
};

/* Before a handle is opened. The orphan directory stays locked until removal_end(). */
static void removal_start(struct removal *removal, struct nanofs_inode *victim)
    __no_thread_safety_analysis /* conditional lock */
{
    *removal = (struct removal){ .victim = victim };
    if (!victim)
        return;
    nanofs_writeback_reap(victim->fs, victim);
    removal->is_orphaned = victim->map.tree.levels || is_in_use(victim);
    nanofs_orphan_name(victim->number, removal->name);
    if (removal->is_orphaned)
        rwlock_write_lock(&victim->fs->orphans->vnode.lock);
}

static int removal_prepare(struct removal *removal)
{
    if (!removal->is_orphaned)
        return 0;
    return nanofs_directory_prepare(removal->victim->fs->orphans, removal->name,
                                    strlen(removal->name), NANOFS_FOR_REMOVAL);
}

/* All of a small file: its extents lie in the inode, so nothing has to be read. */
static void free_small(struct nanofs_inode *victim)
{
    uint32_t end;

    mutex_lock(&victim->map_lock);
    nanofs_pages_drop(victim, 0);
    if (nanofs_map_cut(&victim->map, 0, SMALL_EXTENTS, &end) < 0)
        nanofs_fail(victim->fs, -EIO, "a map without a tree could not be cut");
    mutex_unlock(&victim->map_lock);
    nanofs_inode_erase(victim);
}

static void removal_do(struct removal *removal)
{
    struct nanofs_inode *victim = removal->victim;

    if (!victim)
        return;
    if (!removal->is_orphaned) {
        free_small(victim);
        return;
    }
    nanofs_directory_insert(victim->fs->orphans, removal->name, strlen(removal->name),
                            victim->number, victim->vnode.type);
    victim->parent = NANOFS_INODE_ORPHANS;
    victim->is_orphan = true;
    nanofs_inode_changed(victim);
}

static void removal_end(struct removal *removal, bool is_done) __no_thread_safety_analysis
{
    if (removal->is_orphaned)
        rwlock_write_unlock(&removal->victim->fs->orphans->vnode.lock);
    else if (removal->victim && is_done)
        nanofs_inode_unlist(removal->victim);
}

/* A commit may have started to write the victim's pages after removal_start(). */
static bool removal_must_wait(struct removal *removal)
{
    return removal->victim && !removal->is_orphaned && READ_ONCE(removal->victim->writeback_count);
}

static int remove_in_handle(struct nanofs_inode *parent, const char *name, size_t length,
                            struct removal *removal)
{
    int error;

    if (removal_must_wait(removal))
        return -EAGAIN;
    error = nanofs_directory_pin(parent, name, length);
    if (!error)
        error = removal_prepare(removal);
    if (error)
        return error;
    nanofs_directory_remove(parent, name, length);
    removal_do(removal);
    touch(parent);
    return 0;
}

static int nanofs_remove(struct vnode *directory, struct vnode *victim_vnode, const char *name,
                         size_t length)
{
    struct nanofs_inode *parent = nanofs_inode(directory);
    struct nanofs_inode *victim = nanofs_inode(victim_vnode);
    struct removal removal;
    int error;

    if (victim_vnode->type == VNODE_DIRECTORY && victim->disk_size)
        return -ENOTEMPTY;
    do {
        removal_start(&removal, victim);
        error = nanofs_begin(parent->fs);
        if (!error) {
            error = remove_in_handle(parent, name, length, &removal);
            nanofs_end(parent->fs);
        }
        removal_end(&removal, !error);
    } while (error == -EAGAIN);
    return error;
}

/* ---- rename --------------------------------------------------------------------------------- */

struct rename {
    struct nanofs_inode *from_directory, *to_directory, *inode;
    const char *from, *to;
    size_t from_length, to_length;
    struct removal removal; /* of the target */
};

static int rename_prepare(struct rename *rename)
{
    int error;

    if (removal_must_wait(&rename->removal))
        return -EAGAIN;
    if (rename->removal.victim)
        error = nanofs_directory_pin(rename->to_directory, rename->to, rename->to_length);
    else
        error = nanofs_directory_prepare(rename->to_directory, rename->to, rename->to_length,
                                         NANOFS_FOR_METADATA);
    if (!error) /* after the insertion's splits, which may have moved it */
        error = nanofs_directory_pin(rename->from_directory, rename->from, rename->from_length);
    return error ? error : removal_prepare(&rename->removal);
}

static void rename_do(struct rename *rename)
{
    struct nanofs_inode *inode = rename->inode;

    if (rename->removal.victim)
        nanofs_directory_replace(rename->to_directory, rename->to, rename->to_length, inode->number,
                                 inode->vnode.type);
    else
        nanofs_directory_insert(rename->to_directory, rename->to, rename->to_length, inode->number,
                                inode->vnode.type);
    nanofs_directory_remove(rename->from_directory, rename->from, rename->from_length);
    removal_do(&rename->removal);
    inode->parent = rename->to_directory->number;
    nanofs_inode_changed(inode);
    touch(rename->from_directory);
    touch(rename->to_directory);
}

static int nanofs_rename(struct vnode *directory, struct vnode *vnode, const char *name,
                         size_t length, struct vnode *new_directory, const char *new_name,
                         size_t new_length, struct vnode *target)
{
    struct rename rename = {
        .from_directory = nanofs_inode(directory),
        .to_directory = nanofs_inode(new_directory),
        .inode = nanofs_inode(vnode),
        .from = name,
        .to = new_name,
        .from_length = length,
        .to_length = new_length,
    };
    struct nanofs *fs = rename.inode->fs;
    int error;

    if (target && target->type == VNODE_DIRECTORY && nanofs_inode(target)->disk_size)
        return -ENOTEMPTY;
    do {
        removal_start(&rename.removal, target ? nanofs_inode(target) : NULL);
        error = nanofs_begin(fs);
        if (!error) {
            error = rename_prepare(&rename);
            if (!error)
                rename_do(&rename);
            nanofs_end(fs);
        }
        removal_end(&rename.removal, !error);
    } while (error == -EAGAIN);
    return error;
}

/* ---- orphans and zombies -------------------------------------------------------------------- */

static void nanofs_release(struct vnode *vnode)
{
    struct nanofs_inode *inode = nanofs_inode(vnode);
    struct nanofs *fs = inode->fs;

    if (!inode->is_orphan || atomic_load(&fs->is_read_only)) {
        nanofs_inode_free(inode);
        return;
    }
    vnode_get(vnode);
    mutex_lock(&fs->list_lock);
    list_push_back(&fs->zombies, &inode->zombie_node);
    mutex_unlock(&fs->list_lock);
    if (fs->committer)
        wake_one(&fs->committer_wait);
}

static int forget_orphan(struct nanofs_inode *inode)
{
    struct nanofs *fs = inode->fs;
    char name[12];
    int error;

    nanofs_orphan_name(inode->number, name);
    error = nanofs_directory_pin(fs->orphans, name, strlen(name));
    if (error)
        return error;
    nanofs_directory_remove(fs->orphans, name, strlen(name));
    nanofs_inode_erase(inode);
    return 0;
}

/* Storage, name, number. The caller has the only reference. */
static int bury(struct nanofs_inode *inode)
{
    struct nanofs *fs = inode->fs;
    int error = inode->vnode.type == VNODE_FILE ? nanofs_file_cut(inode, 0) : 0;

    if (error)
        return error;
    rwlock_write_lock(&fs->orphans->vnode.lock);
    error = nanofs_begin(fs);
    if (!error) {
        error = forget_orphan(inode);
        nanofs_end(fs);
    }
    rwlock_write_unlock(&fs->orphans->vnode.lock);
    return error;
}

int nanofs_zombies_bury(struct nanofs *fs)
{
    int result = 0;

    for (;;) {
        struct nanofs_inode *inode;
        int error;

        mutex_lock(&fs->list_lock);
        inode = list_entry(list_front(&fs->zombies), struct nanofs_inode, zombie_node);
        if (inode)
            list_remove(&inode->zombie_node);
        mutex_unlock(&fs->list_lock);
        if (!inode)
            return result;
        error = bury(inode);
        if (error && !result)
            result = error;
        inode->is_orphan = false; /* what is left on an error waits for the next mount */
        nanofs_inode_unlist(inode);
        vnode_put(&inode->vnode);
    }
}

struct orphan {
    uint32_t number; /* 0: none found */
};

static bool take_first(void *context, const char *name, size_t length, enum vnode_type type,
                       uint64_t inode)
{
    struct orphan *orphan = context;

    (void)name;
    (void)length;
    (void)type;
    orphan->number = (uint32_t)inode;
    return false;
}

static int recover_one(struct nanofs *fs, uint32_t number)
{
    struct nanofs_inode *inode;
    int error = nanofs_inode_load(fs, number, &inode);

    if (error)
        return error;
    inode->vnode.is_removed = true;
    error = inode->parent == NANOFS_INODE_ORPHANS ? bury(inode) : -EIO;
    nanofs_inode_unlist(inode);
    vnode_put(&inode->vnode);
    return error;
}

int nanofs_orphans_recover(struct nanofs *fs)
{
    uint64_t cursor = 0;

    for (;;) {
        struct orphan orphan = { 0 };
        int error = nanofs_directory_read(fs->orphans, &cursor, take_first, &orphan);

        if (error || !orphan.number)
            return error;
        error = recover_one(fs, orphan.number);
        if (error) {
            log_warning("nanofs", "%s: removed inode %u cannot be freed: %s", fs->device->name,
                        orphan.number, errno_text(error));
            cursor++; /* one at a time has this hash, but for a forged disk */
        }
    }
}

static int nanofs_vnode_readdir(struct vnode *directory, uint64_t *cursor, vfs_emit *emit,
                                void *context)
{
    return nanofs_directory_read(nanofs_inode(directory), cursor, emit, context);
}

static int nanofs_vnode_sync(struct vnode *vnode)
{
    return nanofs_commit(nanofs_inode(vnode)->fs);
}

const struct vnode_ops nanofs_vnode_ops = {
    .lookup = nanofs_lookup,
    .create = nanofs_create,
    .remove = nanofs_remove,
    .rename = nanofs_rename,
    .readdir = nanofs_vnode_readdir,
    .read = nanofs_file_read,
    .write = nanofs_file_write,
    .truncate = nanofs_file_truncate,
    .sync = nanofs_vnode_sync,
    .release = nanofs_release,
};
