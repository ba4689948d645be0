/*
 * ls: the names in a directory, sorted, with sizes and times.
 */
#include "fs/command.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/sort.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

/* Names one after the other, each with its NUL, and where each starts. */
struct names {
    char *text;
    size_t used, room;
    uint32_t *starts;
    size_t count, start_room;
    int error;
};

static bool grow(void **memory, size_t *room, size_t needed, size_t unit)
{
    size_t wanted = MAX(*room * 2, needed + 1024);
    void *larger;

    if (needed <= *room)
        return true;
    larger = krealloc(*memory, wanted * unit);
    if (!larger)
        return false;
    *memory = larger;
    *room = wanted;
    return true;
}

static bool add_name(void *context, const char *name, size_t length, enum vnode_type type,
                     uint64_t inode)
{
    struct names *names = context;

    (void)type;
    (void)inode;
    if (task_is_cancelled())
        names->error = -ECANCELED;
    else if (names->used + length + 1 > UINT32_MAX ||
             !grow((void **)&names->text, &names->room, names->used + length + 1, 1) ||
             !grow((void **)&names->starts, &names->start_room, names->count + 1,
                   sizeof(names->starts[0])))
        names->error = -ENOMEM;
    if (names->error)
        return false;
    names->starts[names->count++] = (uint32_t)names->used;
    memcpy(names->text + names->used, name, length);
    names->used += length;
    names->text[names->used++] = '\0';
    return true;
}

static int compare_names(const void *a, const void *b, void *context)
{
    const struct names *names = context;

    return strcmp(names->text + *(const uint32_t *)a, names->text + *(const uint32_t *)b);
}

static int read_names(const char *path, struct names *names)
{
    struct file *directory;
    uint64_t cursor = 0;
    int error = vfs_open(path, VFS_READ, &directory);

    if (error)
        return error;
    error = vfs_readdir(directory, &cursor, add_name, names);
    vfs_close(directory);
    if (error || names->error)
        return error ? error : names->error;
    sort(names->starts, names->count, sizeof(names->starts[0]), compare_names, names);
    return 0;
}

static void print_entry(struct shell *shell, const char *name, const struct vfs_stat *stat)
{
    char time[24];

    command_time(stat->modified_ns, time);
    if (stat->type == VNODE_DIRECTORY)
        shell_printf(shell, "%14s  %s  %s/\n", "directory", time, name);
    else
        shell_printf(shell, "%14llu  %s  %s\n", (unsigned long long)stat->size, time, name);
}

/* @path has room for a name behind its @length. One damaged file does not hide the others. */
static int print_names(struct shell *shell, char *path, const struct names *names)
{
    size_t length = strcmp(path, "/") ? strlen(path) : 0;
    int result = 0;

    for (size_t i = 0; i < names->count && !task_is_cancelled(); i++) {
        const char *name = names->text + names->starts[i];
        struct vfs_stat stat;
        int error = -ENAMETOOLONG;

        path[length] = '/';
        if (strlcpy(path + length + 1, name, VFS_PATH_MAX - length - 1) < VFS_PATH_MAX - length - 1)
            error = vfs_stat(path, &stat);
        if (!error)
            print_entry(shell, name, &stat);
        else if (error != -ENOENT) /* removed meanwhile */
            result = command_failed(shell, name, error);
    }
    return result;
}

static int list_path(struct shell *shell, char *path)
{
    struct names names = { 0 };
    struct vfs_stat stat;
    int error = vfs_stat(path, &stat);

    if (error)
        return command_failed(shell, path, error);
    if (stat.type == VNODE_FILE) {
        print_entry(shell, path, &stat);
        return 0;
    }
    error = read_names(path, &names);
    if (error)
        command_failed(shell, path, error);
    else
        error = print_names(shell, path, &names);
    kfree(names.text);
    kfree(names.starts);
    return error;
}

static int ls_command(struct shell *shell, int argc, char **argv)
{
    char *path;
    int error;

    if (argc > 2)
        return -EINVAL;
    error = command_path(shell, argc == 2 ? argv[1] : ".", &path);
    if (error)
        return error;
    error = list_path(shell, path);
    kfree(path);
    return error;
}
SHELL_COMMAND(ls, "ls [PATH]", "list a directory", ls_command, CMD_NORMAL);
