#include "tests/unit/fs/model.h"

#include "fs/nanofs/nanofs.h"
#include "fs/vfs.h"
#include "lib/crc32.h"
#include "lib/errno.h"

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x7fb5d329728ea185ull;
    x ^= x >> 27;
    x *= 0x81dadef4bc2dd44dull;
    return x ^ x >> 33;
}

static uint64_t entry_hash(const char *path, bool is_directory, uint64_t size, uint64_t contents)
{
    uint64_t hash = crc32(path, strlen(path));

    hash = mix(hash ^ (uint64_t)strlen(path) << 32 ^ (uint64_t)is_directory << 63);
    return mix(hash + mix(size) + mix(contents * 3 + 1));
}

void model_init(struct model *model, uint64_t seed)
{
    memset(model, 0, sizeof(*model));
    model->random.state = seed;
    model->write_max = 200 * 1024;
    model->size_max = MODEL_FILE_MAX;
    model->nodes[0].is_used = model->nodes[0].is_directory = true;
    model->nodes[0].parent = -1;
}

void model_free(struct model *model)
{
    for (int i = 0; i < MODEL_NODES; i++)
        free(model->nodes[i].data);
}

static uint32_t below(struct model *model, uint32_t bound)
{
    return (uint32_t)unit_random_below(&model->random, bound);
}

static void path_of(const struct model *model, int node, char *path)
{
    char tail[VFS_PATH_MAX];

    path[0] = '\0';
    for (; node > 0; node = model->nodes[node].parent) {
        strcpy(tail, path);
        sprintf(path, "/%s%s", model->nodes[node].name, tail);
    }
    if (!path[0])
        strcpy(path, "/");
}

uint64_t model_state(const struct model *model)
{
    char path[VFS_PATH_MAX];
    uint64_t state = 0;

    for (int i = 1; i < MODEL_NODES; i++) {
        const struct model_node *node = &model->nodes[i];

        if (!node->is_used)
            continue;
        path_of(model, i, path);
        state += entry_hash(path, node->is_directory, node->size, node->contents);
    }
    return state;
}

/* ---- what is mounted ------------------------------------------------------------------------ */

struct scan {
    char path[VFS_PATH_MAX];
    uint64_t state;
    int error;
};

static void scan_directory(struct scan *scan);

static uint64_t scan_contents(struct scan *scan, uint64_t size)
{
    static uint8_t buffer[64 * 1024];
    struct file *file;
    uint32_t crc = 0;
    uint64_t offset = 0;
    size_t done = 1;
    int error = vfs_open(scan->path, VFS_READ, &file);

    while (!error && done && offset < size) {
        error = vfs_read(file, buffer, sizeof(buffer), offset, &done);
        crc = crc32_update(crc, buffer, done);
        offset += done;
    }
    if (!error && offset != size)
        error = -ENODATA;
    if (error && !scan->error)
        scan->error = error;
    vfs_close(file);
    return crc;
}

struct names {
    char (*names)[256];
    size_t count, room;
};

static bool collect(void *context, const char *name, size_t length, enum vnode_type type,
                    uint64_t inode)
{
    struct names *names = context;

    (void)type;
    (void)inode;
    if (names->count == names->room) {
        names->room = names->room * 2 + 16;
        names->names = realloc(names->names, names->room * 256);
    }
    memcpy(names->names[names->count], name, length);
    names->names[names->count++][length] = '\0';
    return true;
}

static void scan_entry(struct scan *scan)
{
    struct vfs_stat stat;
    uint64_t contents = 0;
    int error = vfs_stat(scan->path, &stat);

    if (error) {
        scan->error = scan->error ? scan->error : error;
        return;
    }
    if (stat.type == VNODE_FILE)
        contents = scan_contents(scan, stat.size);
    scan->state += entry_hash(scan->path, stat.type == VNODE_DIRECTORY,
                              stat.type == VNODE_FILE ? stat.size : 0, contents);
    if (stat.type == VNODE_DIRECTORY)
        scan_directory(scan);
}

static void scan_directory(struct scan *scan)
{
    struct names names = { 0 };
    size_t length = strlen(scan->path);
    uint64_t cursor = 0;
    struct file *file = NULL;
    int error = vfs_open(length ? scan->path : "/", VFS_READ, &file);

    if (!error)
        error = vfs_readdir(file, &cursor, collect, &names);
    vfs_close(file);
    if (error && !scan->error)
        scan->error = error;
    for (size_t i = 0; i < names.count; i++) {
        sprintf(scan->path + length, "/%s", names.names[i]);
        scan_entry(scan);
        scan->path[length] = '\0';
    }
    free(names.names);
}

uint64_t mounted_state(int *error)
{
    static struct scan scan;

    memset(&scan, 0, sizeof(scan));
    scan_directory(&scan);
    *error = scan.error;
    return scan.state;
}

static void find_root(const struct mount *mount, const char *path, void *context)
{
    if (strcmp(path, "/") == 0)
        *(struct nanofs **)context = mount->private;
}

struct nanofs *mounted_nanofs(void)
{
    struct nanofs *fs = NULL;

    vfs_mounts(find_root, &fs);
    return fs;
}

void model_verify(const struct model *model)
{
    static uint8_t buffer[MODEL_FILE_MAX];
    char path[VFS_PATH_MAX];

    for (int i = 1; i < MODEL_NODES; i++) {
        const struct model_node *node = &model->nodes[i];
        struct file *file;
        struct vfs_stat stat;
        size_t done;

        if (!node->is_used)
            continue;
        path_of(model, i, path);
        assert_int_equal(vfs_stat(path, &stat), 0);
        assert_int_equal(stat.type, node->is_directory ? VNODE_DIRECTORY : VNODE_FILE);
        if (node->is_directory)
            continue;
        assert_int_equal(stat.size, node->size);
        assert_int_equal(vfs_open(path, VFS_READ, &file), 0);
        assert_int_equal(vfs_read(file, buffer, sizeof(buffer), 0, &done), 0);
        assert_int_equal(done, node->size);
        if (done)
            assert_memory_equal(buffer, node->data, done);
        vfs_close(file);
    }
}

/* ---- operations ----------------------------------------------------------------------------- */

/* A node in use, of a type if wanted (0: any, 1: directory, 2: file); -1 if a few tries find none.
 */
static int pick(struct model *model, int type)
{
    for (int i = 0; i < 60; i++) {
        int node = (int)below(model, MODEL_NODES);
        const struct model_node *found = &model->nodes[node];

        if (found->is_used && (!type || found->is_directory == (type == 1)))
            return node;
    }
    return type == 1 ? 0 : -1;
}

static int child_of(const struct model *model, int parent, const char *name)
{
    for (int i = 1; i < MODEL_NODES; i++) {
        if (model->nodes[i].is_used && model->nodes[i].parent == parent &&
            strcmp(model->nodes[i].name, name) == 0)
            return i;
    }
    return -1;
}

static bool has_children(const struct model *model, int node)
{
    for (int i = 1; i < MODEL_NODES; i++) {
        if (model->nodes[i].is_used && model->nodes[i].parent == node)
            return true;
    }
    return false;
}

/* Few names, so that they meet; some as long as they may be. */
static void random_name(struct model *model, char *name)
{
    sprintf(name, "n%u", below(model, 24));
    if (below(model, 8) == 0) {
        size_t length = strlen(name);

        memset(name + length, 'x', 255 - length);
        name[255] = '\0';
    }
}

static void join(const struct model *model, int parent, const char *name, char *path)
{
    path_of(model, parent, path);
    sprintf(path + (path[1] ? strlen(path) : 0), "/%s", name);
}

static bool is_below(const struct model *model, int node, int ancestor)
{
    while (node >= 0 && node != ancestor)
        node = model->nodes[node].parent;
    return node == ancestor;
}

static void set_contents(struct model_node *node)
{
    node->contents = node->is_directory ? 0 : crc32(node->data, node->size);
}

/* Whether @error is one the file system may give at any time; then nothing has changed. */
static bool is_refused(struct model *model, int error)
{
    if (model->expects_faults && (error == -EIO || error == -EROFS)) {
        model->has_faulted = true;
        return true;
    }
    if (error != -ENOSPC)
        return false;
    model->refused++;
    return true;
}

static void make(struct model *model, bool is_directory)
{
    int parent = pick(model, 1), slot = 1;
    char name[256], path[VFS_PATH_MAX];
    struct file *file;
    int error;

    while (slot < MODEL_NODES && model->nodes[slot].is_used)
        slot++;
    random_name(model, name);
    if (slot == MODEL_NODES)
        return;
    join(model, parent, name, path);
    if (is_directory) {
        error = vfs_mkdir(path);
    } else {
        error = vfs_open(path, VFS_WRITE | VFS_CREATE | VFS_EXCLUSIVE, &file);
        if (!error)
            vfs_close(file);
    }
    if (is_refused(model, error))
        return;
    assert_int_equal(error, child_of(model, parent, name) >= 0 ? -EEXIST : 0);
    if (error)
        return;
    model->nodes[slot] =
        (struct model_node){ .is_used = true, .is_directory = is_directory, .parent = parent };
    strcpy(model->nodes[slot].name, name);
    model->nodes[slot].data = is_directory ? NULL : calloc(1, MODEL_FILE_MAX);
    set_contents(&model->nodes[slot]);
}

static void write_at(struct model *model, int which, uint64_t offset, size_t length)
{
    static uint8_t buffer[MODEL_FILE_MAX];
    struct model_node *node = &model->nodes[which];
    char path[VFS_PATH_MAX];
    struct file *file;
    size_t done;
    int error;

    if (offset > model->size_max)
        offset = model->size_max;
    length = MIN(length, (size_t)(model->size_max - offset));
    unit_random_fill(&model->random, buffer, length);
    path_of(model, which, path);
    error = vfs_open(path, VFS_WRITE, &file);
    if (is_refused(model, error))
        return;
    assert_int_equal(error, 0);
    error = vfs_write(file, buffer, length, offset, &done);
    vfs_close(file);
    if (!is_refused(model, error)) {
        assert_int_equal(error, 0);
        assert_int_equal(done, length);
    }
    memcpy(node->data + offset, buffer, done);
    if (done)
        node->size = MAX(node->size, (size_t)offset + done);
    set_contents(node);
}

static void random_write(struct model *model)
{
    int which = pick(model, 2);
    uint64_t offset;
    size_t length = below(model, 4) ? below(model, 6000) : below(model, (uint32_t)model->write_max);

    if (which < 0)
        return;
    offset = below(model, 3) ? model->nodes[which].size : below(model, (uint32_t)model->size_max);
    if (below(model, 3) == 0) {
        offset &= ~(uint64_t)4095;
        length = (length | 4095) + 1;
    }
    write_at(model, which, offset, MIN(length, model->write_max));
}

static void random_truncate(struct model *model)
{
    int which = pick(model, 2);
    struct model_node *node;
    char path[VFS_PATH_MAX];
    struct file *file;
    size_t size;
    int error;

    if (which < 0)
        return;
    node = &model->nodes[which];
    size = below(model, 3) ? below(model, (uint32_t)node->size + 1)
                           : below(model, (uint32_t)model->size_max);
    path_of(model, which, path);
    error = vfs_open(path, VFS_WRITE, &file);
    if (is_refused(model, error))
        return;
    assert_int_equal(error, 0);
    error = vfs_truncate(file, size);
    vfs_close(file);
    if (is_refused(model, error))
        return;
    assert_int_equal(error, 0);
    if (size < node->size)
        memset(node->data + size, 0, node->size - size);
    node->size = size;
    set_contents(node);
}

static void forget(struct model *model, int which)
{
    free(model->nodes[which].data);
    memset(&model->nodes[which], 0, sizeof(model->nodes[which]));
}

static void random_remove(struct model *model)
{
    int which = pick(model, 0);
    char path[VFS_PATH_MAX];
    int error;

    if (which <= 0)
        return;
    path_of(model, which, path);
    error = vfs_remove(path);
    if (is_refused(model, error))
        return;
    assert_int_equal(error, has_children(model, which) ? -ENOTEMPTY : 0);
    if (!error)
        forget(model, which);
}

static int expected_rename(struct model *model, int which, int parent, int target)
{
    if (target == which)
        return 0;
    if (is_below(model, parent, which))
        return -EINVAL;
    if (target < 0)
        return 0;
    if (model->nodes[target].is_directory && !model->nodes[which].is_directory)
        return -EISDIR;
    if (!model->nodes[target].is_directory && model->nodes[which].is_directory)
        return -ENOTDIR;
    return has_children(model, target) ? -ENOTEMPTY : 0;
}

static void random_rename(struct model *model)
{
    int which = pick(model, 0), parent = pick(model, 1), target;
    char from[VFS_PATH_MAX], to[VFS_PATH_MAX], name[256];
    int error;

    if (which <= 0)
        return;
    random_name(model, name);
    target = child_of(model, parent, name);
    path_of(model, which, from);
    join(model, parent, name, to);
    if (strlen(to) + 300 > VFS_PATH_MAX)
        return;
    error = vfs_rename(from, to);
    if (is_refused(model, error))
        return;
    assert_int_equal(error, expected_rename(model, which, parent, target));
    if (error || target == which)
        return;
    if (target > 0)
        forget(model, target);
    model->nodes[which].parent = parent;
    strcpy(model->nodes[which].name, name);
}

static void random_read(struct model *model)
{
    static uint8_t buffer[16384];
    int which = pick(model, 2);
    char path[VFS_PATH_MAX];
    struct file *file;
    uint64_t offset;
    size_t done, expected;
    int error;

    if (which < 0)
        return;
    path_of(model, which, path);
    offset = below(model, (uint32_t)model->size_max);
    expected = offset < model->nodes[which].size
                   ? MIN(sizeof(buffer), (size_t)(model->nodes[which].size - offset))
                   : 0;
    error = vfs_open(path, VFS_READ, &file);
    if (is_refused(model, error))
        return;
    assert_int_equal(error, 0);
    error = vfs_read(file, buffer, sizeof(buffer), offset, &done);
    vfs_close(file);
    if (is_refused(model, error))
        return;
    assert_int_equal(error, 0);
    assert_int_equal(done, expected);
    if (done)
        assert_memory_equal(buffer, model->nodes[which].data + offset, done);
}

/* What the committer does in the kernel. */
static void background(struct model *model)
{
    struct nanofs *fs = mounted_nanofs();
    int error = 0;

    if (!fs)
        return;
    if (below(model, 2))
        error = nanofs_commit(fs);
    if (!error && below(model, 2))
        error = nanofs_checkpoint(fs);
    if (!error && below(model, 2))
        error = nanofs_zombies_bury(fs);
    if (!is_refused(model, error))
        assert_int_equal(error, 0);
}

enum model_step model_step(struct model *model)
{
    uint32_t what = below(model, 100);
    int error;

    model->done++;
    if (what < 22)
        make(model, below(model, 4) == 0);
    else if (what < 52)
        random_write(model);
    else if (what < 60)
        random_truncate(model);
    else if (what < 70)
        random_remove(model);
    else if (what < 82)
        random_rename(model);
    else if (what < 90)
        random_read(model);
    else if (what < 95)
        background(model);
    else {
        error = vfs_sync();
        if (!is_refused(model, error))
            assert_int_equal(error, 0);
        return error ? MODEL_CHANGED : MODEL_SYNCED;
    }
    return MODEL_CHANGED;
}
