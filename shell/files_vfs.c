/*
 * The VFS as the shell's files: redirection, completion, cd.
 */
#include "fs/vfs.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "shell/files.h"

static int files_open(const char *path, bool append, void **result)
{
    struct file *file;
    int error =
        vfs_open(path, VFS_CREATE | VFS_WRITE | (append ? VFS_APPEND : VFS_TRUNCATE), &file);

    if (!error)
        *result = file;
    return error;
}

static int files_open_source(const char *path, void **result)
{
    struct vfs_stat stat;
    struct file *file;
    int error = vfs_open(path, VFS_READ, &file);

    if (error)
        return error;
    vfs_file_stat(file, &stat);
    if (stat.type == VNODE_DIRECTORY) {
        vfs_close(file);
        return -EISDIR;
    }
    *result = file;
    return 0;
}

static int files_read(void *file, char *buffer, size_t size, uint64_t offset, size_t *done)
{
    return vfs_read(file, buffer, size, offset, done);
}

/* Always opened to append or empty, so the end is where to go on. */
static int files_write(void *file, const char *data, size_t length)
{
    struct vfs_stat stat;
    size_t done;

    vfs_file_stat(file, &stat);
    return vfs_write(file, data, length, stat.size, &done);
}

static int files_close(void *file)
{
    vfs_close(file);
    return 0;
}

static int files_check_directory(const char *path)
{
    struct vfs_stat stat;
    int error = vfs_stat(path, &stat);

    if (error)
        return error;
    return stat.type == VNODE_DIRECTORY ? 0 : -ENOTDIR;
}

struct listing {
    void (*visit)(void *context, const char *name, bool is_directory);
    void *context;
};

static bool list_entry_emit(void *context, const char *name, size_t length, enum vnode_type type,
                            uint64_t inode)
{
    const struct listing *listing = context;
    char text[VFS_NAME_MAX + 1];

    (void)inode;
    memcpy(text, name, length);
    text[length] = '\0';
    listing->visit(listing->context, text, type == VNODE_DIRECTORY);
    return true;
}

static int files_list(const char *path,
                      void (*visit)(void *context, const char *name, bool is_directory),
                      void *context)
{
    struct listing listing = { visit, context };
    struct file *directory;
    uint64_t cursor = 0;
    int error = vfs_open(path, VFS_READ, &directory);

    if (error)
        return error;
    error = vfs_readdir(directory, &cursor, list_entry_emit, &listing);
    vfs_close(directory);
    return error;
}

SHELL_FILES(vfs_shell_files, { .open = files_open,
                               .open_source = files_open_source,
                               .read = files_read,
                               .write = files_write,
                               .close = files_close,
                               .check_directory = files_check_directory,
                               .list = files_list });
