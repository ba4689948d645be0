/*
 * What the two trees of nanofs share: B+ trees whose nodes are metadata blocks, extents of a file
 * by logical block (map.c) and names of a directory by hash (directory.c).
 *
 * Insertions split full nodes on the way down, so that a split never has to go back up and a
 * failure in the middle leaves a valid tree. A leaf that becomes empty is taken out, and so are the
 * branches above it; nodes that are merely thin stay.
 *
 * The lock of the tree's owner guards its nodes.
 */
#include "fs/nanofs/nanofs.h"
#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/string.h"

/* ---- structure ------------------------------------------------------------------------------ */

static const char *branches_check(const struct nanofs_node *node)
{
    const struct nanofs_branch *branches = (const struct nanofs_branch *)(node + 1);

    if (!node->count)
        return "a branch without children";
    for (unsigned int i = 2; i < node->count; i++) {
        if (branches[i].key <= branches[i - 1].key)
            return "keys out of order";
    }
    return NULL;
}

static const char *extents_check(const struct nanofs_node *node)
{
    const struct nanofs_extent *extents = (const struct nanofs_extent *)(node + 1);
    uint64_t end = 0;

    for (unsigned int i = 0; i < node->count; i++) {
        if (extents[i].logical < end || !extents[i].length)
            return "extents out of order";
        end = (uint64_t)extents[i].logical + extents[i].length;
    }
    return end > UINT32_MAX ? "an extent past the largest file" : NULL;
}

static const char *names_check(const struct nanofs_node *node)
{
    const char *entries = (const char *)(node + 1);
    uint32_t offset = 0;
    uint64_t hash = 0;

    if (node->used > NANOFS_NODE_SPACE)
        return "entries past the end";
    for (unsigned int i = 0; i < node->count; i++) {
        const struct nanofs_dirent *entry = (const void *)(entries + offset);

        if (node->used - offset < sizeof(*entry) ||
            node->used - offset - sizeof(*entry) < entry->length)
            return "a name past the end";
        if (entry->hash < hash)
            return "names out of order";
        if (!entry->length || memchr(entry->name, '/', entry->length) ||
            memchr(entry->name, 0, entry->length))
            return "an impossible name";
        if (entry->type != VNODE_FILE && entry->type != VNODE_DIRECTORY)
            return "a name of no known type";
        hash = entry->hash;
        offset += (uint32_t)sizeof(*entry) + entry->length;
    }
    return offset == node->used ? NULL : "a wrong sum of name lengths";
}

const char *nanofs_node_check(enum nanofs_kind kind, const void *data)
{
    const struct nanofs_node *node = data;

    if (node->magic != NANOFS_NODE_MAGIC || node->level >= NANOFS_MAX_LEVELS)
        return "not a tree node";
    if (!node->level && kind == NANOFS_KIND_DIRECTORY)
        return names_check(node);
    if (node->count > NANOFS_NODE_ENTRIES)
        return "too many entries";
    return node->level ? branches_check(node) : extents_check(node);
}

/* ---- descent -------------------------------------------------------------------------------- */

static int node_get(const struct nanofs_tree *tree, uint64_t block, unsigned int level,
                    struct nanofs_buffer **result)
{
    struct nanofs_node *node;
    int error;

    if (!nanofs_block_is_usable(tree->fs, block, 1)) {
        log_error("nanofs", "%s: inode %llu: its tree points at block %llu", tree->fs->device->name,
                  (unsigned long long)tree->owner, (unsigned long long)block);
        return -EIO;
    }
    error = nanofs_buffer_get(tree->fs, block, tree->kind, 0, result);
    if (error)
        return error;
    node = nanofs_node(*result);
    if (node->level == level && node->owner == tree->owner)
        return 0;
    log_error("nanofs",
              "%s: block %llu: node of inode %llu, level %u, where inode %llu needs level %u",
              tree->fs->device->name, (unsigned long long)block, (unsigned long long)node->owner,
              node->level, (unsigned long long)tree->owner, level);
    nanofs_buffer_put(*result);
    return -EIO;
}

/* The branch to take for @key: the last whose key is not above it. */
static unsigned int branch_search(const struct nanofs_buffer *buffer, uint64_t key)
{
    const struct nanofs_branch *branches = nanofs_branches(buffer);
    unsigned int low = 0, high = nanofs_node(buffer)->count;

    while (high - low > 1) {
        unsigned int middle = (low + high) / 2;

        if (branches[middle].key <= key)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void path_follow(struct nanofs_path *path, unsigned int level, uint64_t key)
{
    struct nanofs_buffer *buffer = path->buffers[level];
    unsigned int index = branch_search(buffer, key);

    path->index[level] = index;
    if (index + 1u < nanofs_node(buffer)->count)
        path->end = nanofs_branches(buffer)[index + 1].key;
}

int nanofs_tree_descend(const struct nanofs_tree *tree, uint64_t key, struct nanofs_path *path)
{
    uint64_t block = tree->root;

    *path = (struct nanofs_path){ .end = UINT64_MAX, .levels = tree->levels };
    for (unsigned int level = tree->levels; level-- > 0;) {
        int error = node_get(tree, block, level, &path->buffers[level]);

        if (error) {
            nanofs_path_put(path);
            return error;
        }
        if (!level)
            break;
        path_follow(path, level, key);
        block = nanofs_branches(path->buffers[level])[path->index[level]].child;
    }
    return 0;
}

void nanofs_path_put(struct nanofs_path *path)
{
    for (unsigned int level = 0; level < NANOFS_MAX_LEVELS; level++) {
        nanofs_buffer_put(path->buffers[level]);
        path->buffers[level] = NULL;
    }
}

/* ---- growth --------------------------------------------------------------------------------- */

static int node_create(const struct nanofs_tree *tree, enum nanofs_purpose purpose, uint64_t goal,
                       unsigned int level, struct nanofs_buffer **result)
{
    struct nanofs_node *node;
    uint64_t block;
    uint32_t count;
    int error = nanofs_alloc(tree->fs, purpose, goal, 1, &block, &count);

    if (error)
        return error;
    error = nanofs_buffer_get(tree->fs, block, tree->kind, NANOFS_NEW, result);
    if (error) {
        nanofs_free(tree->fs, block, 1);
        return error;
    }
    nanofs_buffer_modify(*result);
    node = nanofs_node(*result);
    node->magic = NANOFS_NODE_MAGIC;
    node->level = (uint16_t)level;
    node->owner = tree->owner;
    return 0;
}

int nanofs_tree_plant(struct nanofs_tree *tree, enum nanofs_purpose purpose)
{
    struct nanofs_buffer *root;
    int error = node_create(tree, purpose, 0, 0, &root);

    if (error)
        return error;
    tree->root = root->block;
    tree->levels = 1;
    nanofs_buffer_put(root);
    return 0;
}

/* A root above the root. */
static int tree_raise(struct nanofs_tree *tree, enum nanofs_purpose purpose)
{
    struct nanofs_buffer *root;
    int error;

    if (tree->levels == NANOFS_MAX_LEVELS)
        return -ENOSPC;
    error = node_create(tree, purpose, tree->root, tree->levels, &root);
    if (error)
        return error;
    nanofs_branches(root)[0] = (struct nanofs_branch){ .key = 0, .child = tree->root };
    nanofs_node(root)->count = 1;
    tree->root = root->block;
    tree->levels++;
    nanofs_buffer_put(root);
    return 0;
}

/* Keys that arrive in order fill the left node rather than half of it. */
static int branches_split(struct nanofs_node *from, struct nanofs_node *to, uint64_t key,
                          uint64_t *first)
{
    struct nanofs_branch *source = (struct nanofs_branch *)(from + 1);
    unsigned int keep = key >= source[from->count - 1].key ? from->count - 1u : from->count / 2u;

    to->count = (uint16_t)(from->count - keep);
    memcpy(to + 1, source + keep, to->count * sizeof(source[0]));
    from->count = (uint16_t)keep;
    *first = source[keep].key;
    return 0;
}

static void branch_insert(struct nanofs_buffer *buffer, unsigned int index, uint64_t key,
                          uint64_t child)
{
    struct nanofs_node *node;
    struct nanofs_branch *branches;

    nanofs_buffer_modify(buffer);
    node = nanofs_node(buffer);
    branches = nanofs_branches(buffer);
    memmove(branches + index + 1, branches + index, (node->count - index) * sizeof(branches[0]));
    branches[index] = (struct nanofs_branch){ .key = key, .child = child };
    node->count++;
}

/*
 * Splits the node at @level of @path; its parent is on the path and has room.
 */
static int node_split(const struct nanofs_tree *tree, enum nanofs_purpose purpose,
                      struct nanofs_path *path, unsigned int level, uint64_t key,
                      int (*split)(struct nanofs_node *, struct nanofs_node *, uint64_t,
                                   uint64_t *))
{
    struct nanofs_buffer *buffer = path->buffers[level];
    struct nanofs_buffer *sibling;
    uint64_t first;
    int error = node_create(tree, purpose, buffer->block, level, &sibling);

    if (error)
        return error;
    nanofs_buffer_modify(buffer);
    error = split(nanofs_node(buffer), nanofs_node(sibling), key, &first);
    if (error) {
        uint64_t block = sibling->block;

        nanofs_buffer_forget(sibling);
        nanofs_free(tree->fs, block, 1);
        return error;
    }
    branch_insert(path->buffers[level + 1], path->index[level + 1] + 1, first, sibling->block);
    nanofs_buffer_put(sibling);
    return 0;
}

/* The level that has to be split before @key can go in, from the top; -1 when none has to. */
static int level_to_split(const struct nanofs_path *path,
                          bool (*has_room)(const struct nanofs_node *leaf, size_t size),
                          size_t size)
{
    if (has_room(nanofs_node(path->buffers[0]), size))
        return -1;
    for (int level = (int)path->levels - 1; level > 0; level--) {
        if (nanofs_node(path->buffers[level])->count >= NANOFS_NODE_ENTRIES)
            return level;
    }
    return 0;
}

int nanofs_tree_make_room(struct nanofs_tree *tree, uint64_t key, enum nanofs_purpose purpose,
                          bool (*has_room)(const struct nanofs_node *leaf, size_t size),
                          int (*split)(struct nanofs_node *from, struct nanofs_node *to,
                                       uint64_t key, uint64_t *first),
                          size_t size, struct nanofs_path *path)
{
    for (;;) {
        int level;
        int error = nanofs_tree_descend(tree, key, path);

        if (error)
            return error;
        level = level_to_split(path, has_room, size);
        if (level < 0)
            return 0;
        if (level == (int)tree->levels - 1)
            error = tree_raise(tree, purpose);
        else
            error = node_split(tree, purpose, path, (unsigned int)level, key,
                               level ? branches_split : split);
        nanofs_path_put(path);
        if (error)
            return error;
    }
}

/* ---- shrinking ------------------------------------------------------------------------------ */

static void branch_remove(struct nanofs_buffer *buffer, unsigned int index)
{
    struct nanofs_node *node;
    struct nanofs_branch *branches;

    nanofs_buffer_modify(buffer);
    node = nanofs_node(buffer);
    branches = nanofs_branches(buffer);
    node->count--;
    memmove(branches + index, branches + index + 1, (node->count - index) * sizeof(branches[0]));
}

static void node_destroy(struct nanofs_tree *tree, struct nanofs_path *path, unsigned int level)
{
    uint64_t block = path->buffers[level]->block;

    nanofs_buffer_forget(path->buffers[level]);
    path->buffers[level] = NULL;
    nanofs_free(tree->fs, block, 1);
}

void nanofs_tree_prune(struct nanofs_tree *tree, struct nanofs_path *path)
{
    unsigned int level = 0;

    node_destroy(tree, path, 0);
    while (++level < tree->levels) {
        branch_remove(path->buffers[level], path->index[level]);
        if (nanofs_node(path->buffers[level])->count)
            break;
        node_destroy(tree, path, level);
    }
    if (level == tree->levels) {
        tree->levels = 0;
        tree->root = 0;
    }
    nanofs_path_put(path);
}
