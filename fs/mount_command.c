/*
 * Commands over file systems: format, mount, umount, mounts, df, sync, fsck.
 */
#include "fs/command.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

/* The type named, if it can do what @operation says; else a message. */
static const struct filesystem *find_type(struct shell *shell, const char *name)
{
    const struct filesystem *filesystem = filesystem_find(name);

    if (!filesystem) {
        shell_error(shell, "there is no file system type \"%s\"; there are:", name);
        registry_for_each(filesystem, filesystem)
            shell_error(shell, "  %s", filesystem->name);
    }
    return filesystem;
}

/* What to do about a disk without the file system: make one, where that can be done here. */
static void no_file_system(struct shell *shell, const char *type, const char *disk)
{
    if (filesystem_find(type)->ops->format)
        shell_error(shell, "there is no %s on %s; `format %s %s` makes one and erases the disk",
                    type, disk, type, disk);
    else
        shell_error(shell, "there is no %s on %s; `disks` lists partitions too", type, disk);
}

static void damaged_file_system(struct shell *shell, const char *type, const char *disk)
{
    if (filesystem_find(type)->ops->check)
        shell_error(shell, "the %s on %s is damaged; `fsck %s %s` and dmesg say where", type, disk,
                    type, disk);
    else
        shell_error(shell, "the %s on %s is damaged; dmesg says where", type, disk);
}

static int disk_failed(struct shell *shell, const char *type, const char *disk, int error)
{
    if (error == -ENODEV)
        shell_error(shell, "there is no disk \"%s\"; `disks` lists them", disk);
    else if (error == -EBUSY)
        shell_error(shell, "%s is in use; `mounts` and `disks` say by whom", disk);
    else if (error == -EMEDIUMTYPE)
        no_file_system(shell, type, disk);
    else if (error == -EPROTONOSUPPORT)
        shell_error(shell, "the %s on %s is of a version this kernel does not know", type, disk);
    else if (error == -ERANGE)
        shell_error(shell, "%s is smaller than the %s on it: has it been cut?", disk, type);
    else if (error == -EUCLEAN)
        damaged_file_system(shell, type, disk);
    else
        command_failed(shell, disk, error);
    return error;
}

/* ---- mount, umount -------------------------------------------------------------------------- */

static int mount_failed(struct shell *shell, const char *type, const char *disk, const char *path,
                        int error)
{
    struct vfs_stat stat;
    int path_error = vfs_stat(path, &stat);

    if (path_error)
        return command_failed(shell, path, path_error);
    if (error == -ENOTDIR)
        return command_failed(shell, path, error);
    if (error == -EBUSY && vfs_is_mount(path)) {
        shell_error(shell, "%s: something is mounted there already", path);
        return error;
    }
    if (disk)
        return disk_failed(shell, type, disk, error);
    return command_failed(shell, path, error);
}

static int mount_command(struct shell *shell, int argc, char **argv)
{
    const struct filesystem *filesystem;
    const char *disk;
    char *path;
    int error;

    if (argc < 2)
        return -EINVAL;
    filesystem = find_type(shell, argv[1]);
    if (!filesystem)
        return -ENODEV;
    if (argc != (filesystem->ops->needs_disk ? 4 : 3))
        return -EINVAL;
    disk = argc == 4 ? argv[2] : NULL;
    error = command_path(shell, argv[argc - 1], &path);
    if (error)
        return error;
    error = vfs_mount(filesystem->name, disk, path);
    if (error)
        mount_failed(shell, filesystem->name, disk, path, error);
    kfree(path);
    return error;
}
SHELL_COMMAND(mount, "mount ramfs PATH | mount nanofs DISK PATH | mount fat DISK PATH",
              "mount a file system at a directory\n"
              "A fat (12, 16 or 32, with long names) can be read, not written.",
              mount_command, CMD_NORMAL);

static int umount_command(struct shell *shell, int argc, char **argv)
{
    char *path;
    int error;

    if (argc != 2)
        return -EINVAL;
    error = command_path(shell, argv[1], &path);
    if (error)
        return error;
    error = vfs_unmount(path);
    if (error == -ENXIO)
        shell_error(shell, "%s: nothing is mounted there; `mounts` lists what is", path);
    else if (error == -EBUSY)
        shell_error(shell, "%s: %s", path,
                    strcmp(path, "/") == 0 ? "the root stays mounted" : "files there are in use");
    else if (error)
        command_failed(shell, path, error);
    kfree(path);
    return error;
}
SHELL_COMMAND(umount, "umount PATH", "write everything out and unmount", umount_command,
              CMD_NORMAL);

static void print_mount(const struct mount *mount, const char *path, void *context)
{
    shell_printf(context, "%-10s %-8s %s%s\n", mount->source, mount->filesystem->name, path,
                 mount->is_read_only ? "  (read-only)" : "");
}

static int mounts_command(struct shell *shell, int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return -EINVAL;
    vfs_mounts(print_mount, shell);
    return 0;
}
SHELL_COMMAND(mounts, "mounts", "list what is mounted where", mounts_command, CMD_NORMAL);

/* ---- df, sync ------------------------------------------------------------------------------- */

static void print_usage(const struct mount *mount, const char *path, void *context)
{
    struct vfs_statfs statistics;
    char total[16], used[16], free[16];

    if (mount->filesystem->ops->statfs((struct mount *)mount, &statistics))
        return;
    command_size(statistics.total_blocks * statistics.block_size, total);
    command_size((statistics.total_blocks - statistics.free_blocks) * statistics.block_size, used);
    command_size(statistics.free_blocks * statistics.block_size, free);
    shell_printf(context, "%-10s %-8s %10s %10s %10s %10llu  %s\n", mount->source,
                 mount->filesystem->name, total, used, free, (unsigned long long)statistics.inodes,
                 path);
}

static int df_command(struct shell *shell, int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return -EINVAL;
    shell_printf(shell, "%-10s %-8s %10s %10s %10s %10s  %s\n", "source", "type", "size", "used",
                 "free", "files", "path");
    vfs_mounts(print_usage, shell);
    return 0;
}
SHELL_COMMAND(df, "df", "space used and free on each file system", df_command, CMD_NORMAL);

static int sync_command(struct shell *shell, int argc, char **argv)
{
    int error;

    (void)argv;
    if (argc != 1)
        return -EINVAL;
    error = vfs_sync();
    if (error)
        shell_error(shell, "%s; dmesg says where", errno_text(error));
    return error;
}
SHELL_COMMAND(sync, "sync", "return when everything written is safe on the disks", sync_command,
              CMD_NORMAL);

/* ---- format, fsck --------------------------------------------------------------------------- */

struct long_work {
    struct shell *shell;
    const char *what;
    uint64_t shown; /* per mille */
};

static bool show_progress(void *context, uint64_t done, uint64_t total)
{
    struct long_work *work = context;
    uint64_t share = total ? done * 1000 / total : 1000;

    if (share != work->shown) {
        work->shown = share;
        shell_progress(work->shell, "%s %llu.%llu %%", work->what, (unsigned long long)share / 10,
                       (unsigned long long)share % 10);
    }
    return !task_is_cancelled();
}

static void show_problem(void *context, const char *text, size_t length)
{
    struct long_work *work = context;

    shell_printf(work->shell, "%.*s\n", (int)length, text);
}

static int format_command(struct shell *shell, int argc, char **argv)
{
    struct long_work work = { .shell = shell, .what = "formatting", .shown = UINT64_MAX };
    struct filesystem_report report = { .progress = show_progress, .context = &work };
    const struct filesystem *filesystem;
    int error;

    if (argc != 3)
        return -EINVAL;
    filesystem = find_type(shell, argv[1]);
    if (!filesystem)
        return -ENODEV;
    if (!filesystem->ops->format) {
        shell_error(shell, "%s cannot be formatted here", argv[1]);
        return -ENOTSUP;
    }
    error = filesystem->ops->format(argv[2], &report);
    shell_progress(shell, "%s", "");
    if (error == -ENOSPC)
        shell_error(shell, "%s is too small: nanofs needs 4 MiB", argv[2]);
    else if (error)
        disk_failed(shell, argv[1], argv[2], error);
    return error;
}
SHELL_COMMAND(format, "format nanofs DISK", "make an empty file system; what the disk held is lost",
              format_command, CMD_NORMAL);

static int fsck_command(struct shell *shell, int argc, char **argv)
{
    struct long_work work = { .shell = shell, .what = "checking", .shown = UINT64_MAX };
    struct filesystem_report report = { .progress = show_progress,
                                        .problem = show_problem,
                                        .context = &work };
    const struct filesystem *filesystem;
    int result;

    if (argc != 3)
        return -EINVAL;
    filesystem = find_type(shell, argv[1]);
    if (!filesystem)
        return -ENODEV;
    if (!filesystem->ops->check) {
        shell_error(shell, "%s cannot be checked here", argv[1]);
        return -ENOTSUP;
    }
    result = filesystem->ops->check(argv[2], &report);
    shell_progress(shell, "%s", "");
    if (result < 0)
        return disk_failed(shell, argv[1], argv[2], result);
    if (result)
        shell_printf(shell, "%s: %d problem%s\n", argv[2], result, result == 1 ? "" : "s");
    else
        shell_printf(shell, "%s: clean\n", argv[2]);
    return result ? -EUCLEAN : 0;
}
SHELL_COMMAND(fsck, "fsck nanofs DISK",
              "look for damage, without writing; the disk must not be mounted", fsck_command,
              CMD_NORMAL);
