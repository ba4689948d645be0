/*
 * nanofs, the program: make, fill, list, read and check images on a development machine, with the
 * kernel's own sources.
 *
 *     nanofs mkfs IMAGE [SIZE]         make an empty file system (SIZE: 64M; creates the file)
 *     nanofs fsck IMAGE                look for damage; status 1 if there is any
 *     nanofs ls IMAGE [PATH]           list a directory
 *     nanofs cat IMAGE PATH            write a file to standard output
 *     nanofs put IMAGE FROM... PATH    copy files and directories in ("-": standard input)
 *     nanofs get IMAGE PATH TO         copy a file or directory out
 *     nanofs mkdir IMAGE PATH...       make directories
 *     nanofs mv IMAGE FROM TO          rename
 *     nanofs rm IMAGE PATH...          remove, directories with all they hold
 *     nanofs info IMAGE                UUID, size, what is free
 *
 * IMAGE may end in @OFFSET or @OFFSET+SIZE (bytes, K, M, G): a partition of a larger image.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/nanofs/nanofs.h"
#include "fs/vfs.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "lib/uuid.h"
#include "tools/nanofs/image.h"

#define BUFFER_SIZE (1 << 20)

static char buffer[BUFFER_SIZE];

static int failed(const char *what, int error)
{
    fprintf(stderr, "nanofs: %s: %s\n", what, errno_text(error));
    return error;
}

/* Paths in the image may be given without the first slash. */
static int resolve(const char *path, char *result)
{
    int error = vfs_resolve("/", path, result);

    return error ? failed(path, error) : 0;
}

/* ---- ls, cat --------------------------------------------------------------------------------- */

static int for_each_name(const char *path, int (*visit)(const char *path, void *context),
                         void *context);

struct name_list {
    char (*names)[VFS_NAME_MAX + 1];
    size_t count, room;
};

static bool add_name(void *context, const char *name, size_t length, enum vnode_type type,
                     uint64_t inode)
{
    struct name_list *list = context;

    (void)type;
    (void)inode;
    if (list->count == list->room) {
        list->room = list->room * 2 + 64;
        list->names = realloc(list->names, list->room * sizeof(list->names[0]));
        if (!list->names)
            abort();
    }
    memcpy(list->names[list->count], name, length);
    list->names[list->count++][length] = '\0';
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int for_each_name(const char *path, int (*visit)(const char *path, void *context),
                         void *context)
{
    struct name_list list = { 0 };
    char child[VFS_PATH_MAX];
    struct file *directory;
    uint64_t cursor = 0;
    int error = vfs_open(path, VFS_READ, &directory);

    if (error)
        return failed(path, error);
    error = vfs_readdir(directory, &cursor, add_name, &list);
    vfs_close(directory);
    if (error)
        failed(path, error);
    qsort(list.names, list.count, sizeof(list.names[0]), compare_names);
    for (size_t i = 0; i < list.count && !error; i++) {
        snprintf(child, sizeof(child), "%s/%s", path[1] ? path : "", list.names[i]);
        error = visit(child, context);
    }
    free(list.names);
    return error;
}

static int print_name(const char *path, void *context)
{
    const char *name = strrchr(path, '/') + 1;
    struct vfs_stat stat;
    int error = vfs_stat(path, &stat);

    (void)context;
    if (error)
        failed(path, error); /* the others are listed all the same */
    else if (stat.type == VNODE_DIRECTORY)
        printf("%14s  %s/\n", "directory", name);
    else
        printf("%14llu  %s\n", (unsigned long long)stat.size, name);
    return 0;
}

static int command_ls(int count, char **arguments)
{
    char path[VFS_PATH_MAX];
    struct vfs_stat stat;
    int error = resolve(count ? arguments[0] : "/", path);

    if (!error)
        error = vfs_stat(path, &stat);
    if (error)
        return failed(path, error);
    if (stat.type == VNODE_FILE)
        return print_name(path, NULL);
    return for_each_name(path, print_name, NULL);
}

static int copy_out(const char *path, FILE *to)
{
    struct file *file = NULL;
    uint64_t offset = 0;
    size_t done = 1;
    int error = vfs_open(path, VFS_READ, &file);

    while (!error && done) {
        error = vfs_read(file, buffer, sizeof(buffer), offset, &done);
        offset += done;
        if (fwrite(buffer, 1, done, to) != done)
            error = -EIO;
    }
    vfs_close(file);
    return error ? failed(path, error) : 0;
}

static int command_cat(int count, char **arguments)
{
    char path[VFS_PATH_MAX];

    (void)count;
    return resolve(arguments[0], path) ? -EINVAL : copy_out(path, stdout);
}

/* ---- get, put -------------------------------------------------------------------------------- */

static int get_tree(const char *path, const char *to);

static int get_child(const char *path, void *context)
{
    char to[VFS_PATH_MAX];

    if (snprintf(to, sizeof(to), "%s%s", (const char *)context, strrchr(path, '/')) >=
        (int)sizeof(to))
        return failed(path, -ENAMETOOLONG);
    return get_tree(path, to);
}

static int get_tree(const char *path, const char *to)
{
    struct vfs_stat stat;
    int error = vfs_stat(path, &stat);
    FILE *file;

    if (error)
        return failed(path, error);
    if (stat.type == VNODE_DIRECTORY) {
        if (mkdir(to, 0777) && errno != EEXIST)
            return failed(to, -errno);
        return for_each_name(path, get_child, (void *)to);
    }
    file = fopen(to, "wb");
    if (!file)
        return failed(to, -errno);
    error = copy_out(path, file);
    if (fclose(file) && !error)
        error = failed(to, -errno);
    return error;
}

static int command_get(int count, char **arguments)
{
    char path[VFS_PATH_MAX];

    (void)count;
    return resolve(arguments[0], path) ? -EINVAL : get_tree(path, arguments[1]);
}

static int copy_in(FILE *from, const char *path)
{
    struct file *file = NULL;
    uint64_t offset = 0;
    size_t length, done;
    int error = vfs_open(path, VFS_CREATE | VFS_WRITE | VFS_TRUNCATE, &file);

    while (!error && (length = fread(buffer, 1, sizeof(buffer), from)) > 0) {
        error = vfs_write(file, buffer, length, offset, &done);
        offset += done;
    }
    vfs_close(file);
    return error ? failed(path, error) : 0;
}

static int put_tree(const char *from, const char *path);

static int put_directory(const char *from, const char *path)
{
    char child_from[VFS_PATH_MAX * 2], child[VFS_PATH_MAX];
    DIR *directory = opendir(from);
    struct dirent *entry;
    int error;

    if (!directory)
        return failed(from, -errno);
    error = vfs_mkdir(path);
    error = error && error != -EEXIST ? failed(path, error) : 0;
    while (!error && (entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(child_from, sizeof(child_from), "%s/%s", from, entry->d_name);
        if (snprintf(child, sizeof(child), "%s/%s", path[1] ? path : "", entry->d_name) >=
            (int)sizeof(child))
            error = failed(child_from, -ENAMETOOLONG);
        else
            error = put_tree(child_from, child);
    }
    closedir(directory);
    return error;
}

static int put_tree(const char *from, const char *path)
{
    struct stat status;
    FILE *file;
    int error;

    if (strcmp(from, "-") == 0)
        return copy_in(stdin, path);
    if (stat(from, &status))
        return failed(from, -errno);
    if (S_ISDIR(status.st_mode))
        return put_directory(from, path);
    file = fopen(from, "rb");
    if (!file)
        return failed(from, -errno);
    error = copy_in(file, path);
    fclose(file);
    return error;
}

/* An existing directory as target means the same name in it. */
static int put_one(const char *from, const char *target, bool is_many)
{
    const char *name = strrchr(from, '/');
    char path[VFS_PATH_MAX];
    struct vfs_stat stat;
    bool is_directory = !vfs_stat(target, &stat) && stat.type == VNODE_DIRECTORY;

    name = name ? name + 1 : from;
    if (!is_directory && is_many)
        return failed(target, -ENOTDIR);
    if (snprintf(path, sizeof(path), "%s%s%s", target[1] ? target : "", is_directory ? "/" : "",
                 is_directory ? name : "") >= (int)sizeof(path))
        return failed(target, -ENAMETOOLONG);
    return put_tree(from, path[0] ? path : "/");
}

static int command_put(int count, char **arguments)
{
    char target[VFS_PATH_MAX];
    int error = resolve(arguments[count - 1], target);

    for (int i = 0; i < count - 1 && !error; i++)
        error = put_one(arguments[i], target, count > 2);
    return error;
}

/* ---- names ---------------------------------------------------------------------------------- */

static int command_mkdir(int count, char **arguments)
{
    char path[VFS_PATH_MAX];
    int error = 0;

    for (int i = 0; i < count && !error; i++) {
        error = resolve(arguments[i], path);
        if (!error)
            error = vfs_mkdir(path);
        if (error)
            failed(arguments[i], error);
    }
    return error;
}

static int command_rm(int count, char **arguments)
{
    char path[VFS_PATH_MAX], stuck[VFS_PATH_MAX];
    int error = 0;

    for (int i = 0; i < count && !error; i++) {
        error = resolve(arguments[i], path);
        if (error)
            break;
        error = vfs_remove_tree(path, stuck);
        if (error)
            failed(stuck, error);
    }
    return error;
}

static int command_mv(int count, char **arguments)
{
    char from[VFS_PATH_MAX], to[VFS_PATH_MAX];
    int error;

    (void)count;
    if (resolve(arguments[0], from) || resolve(arguments[1], to))
        return -EINVAL;
    error = vfs_rename(from, to);
    return error ? failed(from, error) : 0;
}

static void print_info(const struct mount *mount, const char *path, void *context)
{
    const struct nanofs *fs = mount->private;
    struct vfs_statfs statistics;
    char text[UUID_TEXT_SIZE];
    struct uuid uuid;

    (void)path;
    (void)context;
    memcpy(uuid.bytes, fs->super.uuid, sizeof(uuid.bytes));
    uuid_format(&uuid, text);
    if (vfs_statfs("/", &statistics))
        return;
    printf("UUID %s\nversion %u\nblocks %llu of %llu bytes, %llu free\nfiles %llu\n"
           "transactions %llu\n",
           text, fs->super.version, (unsigned long long)statistics.total_blocks,
           (unsigned long long)statistics.block_size, (unsigned long long)statistics.free_blocks,
           (unsigned long long)statistics.inodes, (unsigned long long)fs->sequence);
}

static int command_info(int count, char **arguments)
{
    (void)count;
    (void)arguments;
    vfs_mounts(print_info, NULL);
    return 0;
}

/* ---- mkfs, fsck -------------------------------------------------------------------------------
 */

static int mkfs(const char *image, int count, char **arguments)
{
    const struct filesystem *filesystem = filesystem_find("nanofs");
    uint64_t size = 0;
    int error;

    if (count && parse_size(arguments[0], &size)) {
        fprintf(stderr, "nanofs: %s: not a size; 64M or 2G would be\n", arguments[0]);
        return -EINVAL;
    }
    if (size) {
        error = image_create(image, size);
        if (error)
            return failed(image, error);
    }
    error = filesystem->ops->format(image, NULL);
    return error ? failed(image, error) : 0;
}

static void print_problem(void *context, const char *text, size_t length)
{
    (void)context;
    printf("%.*s\n", (int)length, text);
}

static int fsck(const char *image)
{
    const struct filesystem_report report = { .problem = print_problem };
    int result = filesystem_find("nanofs")->ops->check(image, &report);

    if (result < 0)
        return failed(image, result);
    if (result)
        printf("%s: %d problem%s\n", image, result, result == 1 ? "" : "s");
    else
        printf("%s: clean\n", image);
    return result ? -EUCLEAN : 0;
}

/* ---- all commands -----------------------------------------------------------------------------
 */

struct tool_command {
    const char *name;
    const char *usage;
    int least, most; /* arguments behind IMAGE */
    int (*run)(int count, char **arguments);
};

static const struct tool_command commands[] = {
    { "mkfs", "IMAGE [SIZE]", 0, 1, NULL },
    { "fsck", "IMAGE", 0, 0, NULL },
    { "ls", "IMAGE [PATH]", 0, 1, command_ls },
    { "cat", "IMAGE PATH", 1, 1, command_cat },
    { "put", "IMAGE FROM... PATH", 2, 1 << 20, command_put },
    { "get", "IMAGE PATH TO", 2, 2, command_get },
    { "mkdir", "IMAGE PATH...", 1, 1 << 20, command_mkdir },
    { "mv", "IMAGE FROM TO", 2, 2, command_mv },
    { "rm", "IMAGE PATH...", 1, 1 << 20, command_rm },
    { "info", "IMAGE", 0, 0, command_info },
};

static int run_mounted(const struct tool_command *command, const char *image, int count,
                       char **arguments)
{
    int error = vfs_mount("nanofs", image, "/");
    int sync_error;

    if (error)
        return failed(image, error);
    error = command->run(count, arguments);
    sync_error = vfs_sync();
    if (sync_error)
        failed(image, sync_error);
    vfs_unmount_all();
    return error ? error : sync_error;
}

static int usage(void)
{
    fprintf(stderr, "usage:\n");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(stderr, "  nanofs %-6s %s\n", commands[i].name, commands[i].usage);
    return 2;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 2 && i < ARRAY_SIZE(commands); i++) {
        const struct tool_command *command = &commands[i];
        int count = argc - 3, error;

        if (strcmp(command->name, argv[1]) != 0)
            continue;
        if (count < command->least || count > command->most)
            break;
        if (strcmp(command->name, "mkfs") == 0)
            error = mkfs(argv[2], count, argv + 3);
        else if (strcmp(command->name, "fsck") == 0)
            error = fsck(argv[2]);
        else
            error = run_mounted(command, argv[2], count, argv + 3);
        return error ? 1 : 0;
    }
    return usage();
}
