/*
 * Commands that take a file from one place to another: cp, mv.
 */
#include "fs/command.h"
#include "kernel/random.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define BUFFER_SIZE (256 * 1024)

struct copy {
    struct shell *shell;
    struct file *from, *to;
    char *buffer;
    uint64_t offset, size;
};

/* Return: bytes copied, 0 at the end, or -errno. */
static int copy_some(struct copy *copy)
{
    size_t length, done;
    int error;

    if (task_is_cancelled())
        return -ECANCELED;
    error = vfs_read(copy->from, copy->buffer, BUFFER_SIZE, copy->offset, &length);
    if (!error && length)
        error = vfs_write(copy->to, copy->buffer, length, copy->offset, &done);
    if (error)
        return error;
    copy->offset += length;
    if (copy->size > 8 * BUFFER_SIZE)
        shell_progress(copy->shell, "%llu of %llu KiB", (unsigned long long)copy->offset / 1024,
                       (unsigned long long)copy->size / 1024);
    return (int)length;
}

static int copy_open(struct copy *copy, const char *from, const char *to)
{
    struct vfs_stat source, target;
    int error = vfs_open(from, VFS_READ, &copy->from);

    if (error)
        return error;
    vfs_file_stat(copy->from, &source);
    copy->size = source.size;
    if (source.type == VNODE_DIRECTORY)
        return -EISDIR;
    if (!vfs_stat(to, &target) && target.inode == source.inode && vfs_is_same_mount(from, to))
        return -EEXIST; /* onto itself */
    return vfs_open(to, VFS_CREATE | VFS_WRITE | VFS_TRUNCATE, &copy->to);
}

static int copy_file(struct shell *shell, const char *from, const char *to)
{
    struct copy copy = { .shell = shell, .buffer = kmalloc(BUFFER_SIZE) };
    int result = copy.buffer ? copy_open(&copy, from, to) : -ENOMEM;

    if (!result) {
        while ((result = copy_some(&copy)) > 0)
            ;
        shell_progress(shell, "%s", "");
    }
    vfs_close(copy.from);
    vfs_close(copy.to);
    kfree(copy.buffer);
    if (result && copy.to && vfs_remove(to)) /* half of a file is worse than none */
        shell_error(shell, "%s: an incomplete copy is left", to);
    return result;
}

/* A target that is a directory means the same name in it. */
static int target_path(struct shell *shell, const char *argument, const char *from, char **path)
{
    int error = command_path(shell, argument, path);
    struct vfs_stat stat;

    if (error || vfs_stat(*path, &stat) || stat.type != VNODE_DIRECTORY)
        return error;
    if (strlcat(*path, strcmp(*path, "/") ? strrchr(from, '/') : strrchr(from, '/') + 1,
                VFS_PATH_MAX) < VFS_PATH_MAX)
        return 0;
    kfree(*path);
    *path = NULL;
    return command_failed(shell, argument, -ENAMETOOLONG);
}

/* Return: @error, or what stands for it where the shell would print the usage line. */
static int explain(struct shell *shell, char **argv, int error)
{
    switch (error) {
    case -EINVAL:
        shell_error(shell, "%s cannot be moved into itself", argv[1]);
        return -ELOOP;
    case -EEXIST:
        shell_error(shell, "%s and %s are the same file", argv[1], argv[2]);
        return error;
    default:
        shell_error(shell, "%s to %s: %s", argv[1], argv[2], errno_text(error));
        return error;
    }
}

static int with_two_paths(struct shell *shell, int argc, char **argv,
                          int (*run)(struct shell *shell, const char *from, const char *to))
{
    char *from, *to;
    int error;

    if (argc != 3)
        return -EINVAL;
    error = command_path(shell, argv[1], &from);
    if (error)
        return error;
    error = target_path(shell, argv[2], from, &to);
    if (!error) {
        error = run(shell, from, to);
        if (error)
            error = explain(shell, argv, error);
        kfree(to);
    }
    kfree(from);
    return error;
}

static int cp_command(struct shell *shell, int argc, char **argv)
{
    return with_two_paths(shell, argc, argv, copy_file);
}
SHELL_COMMAND(cp, "cp FROM TO", "copy a file", cp_command, CMD_NORMAL);

/*
 * To another file system: the copy takes the name when it is whole, so that a move that fails
 * leaves an existing file as it was.
 */
static int move_across(struct shell *shell, const char *from, const char *to)
{
    char *copy = kmalloc(VFS_PATH_MAX);
    int error = -ENOMEM;

    if (copy) {
        snprintf(copy, VFS_PATH_MAX, "%.*s/.mv-%08x", (int)(strrchr(to, '/') - to), to,
                 random_u32());
        error = copy_file(shell, from, copy);
    }
    if (!error) {
        error = vfs_rename(copy, to);
        if (error && vfs_remove(copy))
            shell_error(shell, "%s: a copy is left", copy);
    }
    kfree(copy);
    return error ? error : vfs_remove(from);
}

static int move(struct shell *shell, const char *from, const char *to)
{
    int error = vfs_rename(from, to);

    return error == -EXDEV ? move_across(shell, from, to) : error;
}

static int mv_command(struct shell *shell, int argc, char **argv)
{
    return with_two_paths(shell, argc, argv, move);
}
SHELL_COMMAND(mv, "mv FROM TO", "rename or move; an existing file TO is replaced, all or nothing",
              mv_command, CMD_NORMAL);
