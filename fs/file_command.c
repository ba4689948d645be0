/*
 * Commands over files: cat, write, append, touch, mkdir, del, mv, cp, stat, hexdump, sha256,
 * truncate. ls has its own file.
 */
#include "fs/command.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/hexdump.h"
#include "lib/parse.h"
#include "lib/sha256.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define BUFFER_SIZE (128 * 1024)

/* ---- one file from start to end -------------------------------------------------------------- */

struct reader {
    struct shell *shell;
    const char *path;
    struct file *file;
    char *buffer;
    uint64_t offset, end;
};

static int reader_open(struct reader *reader, struct shell *shell, const char *path)
{
    int error;

    *reader = (struct reader){ .shell = shell, .path = path, .end = UINT64_MAX };
    reader->buffer = kmalloc(BUFFER_SIZE);
    if (!reader->buffer)
        return -ENOMEM;
    error = vfs_open(path, VFS_READ, &reader->file);
    if (error) {
        kfree(reader->buffer);
        reader->buffer = NULL;
    }
    return error;
}

static void reader_close(struct reader *reader)
{
    vfs_close(reader->file);
    kfree(reader->buffer);
}

/* Return: bytes in the buffer, 0 at the end, or -errno. */
static int reader_next(struct reader *reader)
{
    size_t size = (size_t)MIN((uint64_t)BUFFER_SIZE, reader->end - reader->offset);
    size_t done;
    int error;

    if (task_is_cancelled())
        return -ECANCELED;
    if (!size)
        return 0;
    error = vfs_read(reader->file, reader->buffer, size, reader->offset, &done);
    if (error)
        return error;
    reader->offset += done;
    return (int)done;
}

/* Reads all of @argument, handing each piece to @consume. */
static int read_all(struct shell *shell, const char *argument, uint64_t start, uint64_t length,
                    int (*consume)(struct reader *reader, size_t size, void *context),
                    void *context)
{
    struct reader reader;
    char *path;
    int result = command_path(shell, argument, &path);

    if (result)
        return result;
    result = reader_open(&reader, shell, path);
    if (!result) {
        reader.offset = start;
        reader.end = length > UINT64_MAX - start ? UINT64_MAX : start + length;
        while ((result = reader_next(&reader)) > 0) {
            result = consume(&reader, (size_t)result, context);
            if (result)
                break;
        }
        reader_close(&reader);
    }
    if (result)
        command_failed(shell, path, result);
    kfree(path);
    return result;
}

static int show_bytes(struct reader *reader, size_t size, void *context)
{
    (void)context;
    shell_write(reader->shell, reader->buffer, size);
    return 0;
}

static int cat_command(struct shell *shell, int argc, char **argv)
{
    int result = 0;

    if (argc < 2)
        return -EINVAL;
    for (int i = 1; i < argc && result != -ECANCELED; i++) {
        int error = read_all(shell, argv[i], 0, UINT64_MAX, show_bytes, NULL);

        if (error)
            result = error;
    }
    return result;
}
SHELL_COMMAND(cat, "cat PATH...", "show what files hold", cat_command, CMD_NORMAL);

static void show_text(void *context, const char *text, size_t length)
{
    shell_write(context, text, length);
}

static int show_hex(struct reader *reader, size_t size, void *context)
{
    (void)context;
    for (size_t i = 0; i < size; i += 4096) { /* Ctrl-C is noticed between */
        if (task_is_cancelled())
            return -ECANCELED;
        hexdump(show_text, reader->shell, reader->offset - size + i, reader->buffer + i,
                MIN(size - i, (size_t)4096));
    }
    return 0;
}

static int hexdump_command(struct shell *shell, int argc, char **argv)
{
    uint64_t offset = 0, length = UINT64_MAX;

    if (argc < 2 || argc > 4 || (argc > 2 && parse_size(argv[2], &offset)) ||
        (argc > 3 && parse_size(argv[3], &length)))
        return -EINVAL;
    return read_all(shell, argv[1], offset, length, show_hex, NULL);
}
SHELL_COMMAND(hexdump, "hexdump PATH [OFFSET [LENGTH]]", "show a file byte by byte",
              hexdump_command, CMD_NORMAL);

static int add_to_digest(struct reader *reader, size_t size, void *context)
{
    sha256_update(context, reader->buffer, size);
    return 0;
}

static int sha256_command(struct shell *shell, int argc, char **argv)
{
    int result = 0;

    if (argc < 2)
        return -EINVAL;
    for (int i = 1; i < argc && !result; i++) {
        uint8_t digest[SHA256_DIGEST_SIZE];
        char text[2 * SHA256_DIGEST_SIZE + 1];
        struct sha256 sha;

        sha256_init(&sha);
        result = read_all(shell, argv[i], 0, UINT64_MAX, add_to_digest, &sha);
        if (result)
            break;
        sha256_final(&sha, digest);
        hex_format(text, sizeof(text), digest, sizeof(digest));
        shell_printf(shell, "%s  %s\n", text, argv[i]);
    }
    return result;
}
SHELL_COMMAND(sha256, "sha256 PATH...", "the SHA-256 digest of files", sha256_command, CMD_NORMAL);

/* ---- writing -------------------------------------------------------------------------------- */

/* The arguments from @first on, separated by spaces, and a newline; on the heap. */
static char *join_arguments(int argc, char **argv, int first, size_t *length)
{
    size_t size = 2;
    char *text;

    for (int i = first; i < argc; i++)
        size += strlen(argv[i]) + 1;
    text = kmalloc(size);
    if (!text)
        return NULL;
    text[0] = '\0';
    for (int i = first; i < argc; i++) {
        strlcat(text, argv[i], size);
        strlcat(text, i + 1 < argc ? " " : "\n", size);
    }
    *length = strlen(text);
    return text;
}

static int put_text(const char *path, unsigned int flags, const char *text, size_t length)
{
    struct file *file;
    size_t done;
    int error = vfs_open(path, VFS_CREATE | VFS_WRITE | flags, &file);

    if (error)
        return error;
    error = vfs_write(file, text, length, 0, &done);
    vfs_close(file);
    return error;
}

static int write_text(struct shell *shell, int argc, char **argv, unsigned int flags)
{
    size_t length;
    char *path, *text;
    int error;

    if (argc < 3)
        return -EINVAL;
    error = command_path(shell, argv[1], &path);
    if (error)
        return error;
    text = join_arguments(argc, argv, 2, &length);
    error = text ? put_text(path, flags, text, length) : -ENOMEM;
    if (error)
        command_failed(shell, path, error);
    kfree(text);
    kfree(path);
    return error;
}

static int write_command(struct shell *shell, int argc, char **argv)
{
    return write_text(shell, argc, argv, VFS_TRUNCATE);
}
SHELL_COMMAND(write, "write PATH TEXT...", "make TEXT, as one line, the contents of a file",
              write_command, CMD_NORMAL);

static int append_command(struct shell *shell, int argc, char **argv)
{
    return write_text(shell, argc, argv, VFS_APPEND);
}
SHELL_COMMAND(append, "append PATH TEXT...", "add a line to the end of a file", append_command,
              CMD_NORMAL);

static int truncate_command(struct shell *shell, int argc, char **argv)
{
    struct file *file;
    uint64_t size;
    char *path;
    int error;

    if (argc != 3 || parse_size(argv[2], &size))
        return -EINVAL;
    error = command_path(shell, argv[1], &path);
    if (error)
        return error;
    error = vfs_open(path, VFS_CREATE | VFS_WRITE, &file);
    if (!error) {
        error = vfs_truncate(file, size);
        vfs_close(file);
    }
    if (error)
        command_failed(shell, path, error);
    kfree(path);
    return error;
}
SHELL_COMMAND(truncate, "truncate PATH SIZE",
              "cut a file, or extend it with zeros (SIZE: 10, 4K, 1G)", truncate_command,
              CMD_NORMAL);

/* ---- names ---------------------------------------------------------------------------------- */

/* Calls @operation on each path; goes on after a failure, whose error is the result. */
static int for_each_path(struct shell *shell, int argc, char **argv,
                         int (*operation)(const char *path))
{
    int result = 0;

    if (argc < 2)
        return -EINVAL;
    for (int i = 1; i < argc; i++) {
        char *path;
        int error = command_path(shell, argv[i], &path);

        if (!error) {
            error = operation(path);
            if (error)
                command_failed(shell, path, error);
        }
        if (error)
            result = error;
        kfree(path);
    }
    return result;
}

static int touch(const char *path)
{
    struct file *file;
    int error = vfs_open(path, VFS_CREATE, &file);

    if (!error)
        vfs_close(file);
    return error;
}

static int touch_command(struct shell *shell, int argc, char **argv)
{
    return for_each_path(shell, argc, argv, touch);
}
SHELL_COMMAND(touch, "touch PATH...", "make empty files", touch_command, CMD_NORMAL);

static int mkdir_command(struct shell *shell, int argc, char **argv)
{
    return for_each_path(shell, argc, argv, vfs_mkdir);
}
SHELL_COMMAND(mkdir, "mkdir PATH...", "make directories", mkdir_command, CMD_NORMAL);

static int del_path(struct shell *shell, const char *path, char *failed)
{
    int error = vfs_remove_tree(path, failed);

    if (error == -EBUSY)
        shell_error(shell, "%s: something is mounted there; `umount` it first", failed);
    else if (error)
        command_failed(shell, failed, error);
    return error;
}

static int del_command(struct shell *shell, int argc, char **argv)
{
    char *failed = kmalloc(VFS_PATH_MAX);
    int result = argc < 2 ? -EINVAL : failed ? 0 : -ENOMEM;

    for (int i = 1; i < argc && failed && result != -ECANCELED; i++) {
        char *path;
        int error = command_path(shell, argv[i], &path);

        if (!error)
            error = del_path(shell, path, failed);
        if (error)
            result = error;
        kfree(path);
    }
    kfree(failed);
    return result;
}
SHELL_COMMAND(del, "del PATH...", "remove files, and directories with all they hold", del_command,
              CMD_NORMAL);

static int stat_command(struct shell *shell, int argc, char **argv)
{
    struct vfs_stat stat;
    char created[24], modified[24];
    char *path;
    int error;

    if (argc != 2)
        return -EINVAL;
    error = command_path(shell, argv[1], &path);
    if (error)
        return error;
    error = vfs_stat(path, &stat);
    if (error) {
        command_failed(shell, path, error);
    } else {
        command_time(stat.created_ns, created);
        command_time(stat.modified_ns, modified);
        shell_printf(shell, "%s\n  %s, %llu %s, inode %llu, %s\n  created %s, modified %s UTC\n",
                     path, stat.type == VNODE_DIRECTORY ? "directory" : "file",
                     (unsigned long long)stat.size,
                     stat.type == VNODE_DIRECTORY ? "entries" : "bytes",
                     (unsigned long long)stat.inode, stat.filesystem, created, modified);
    }
    kfree(path);
    return error;
}
SHELL_COMMAND(stat, "stat PATH", "size, type, times of a file", stat_command, CMD_NORMAL);
