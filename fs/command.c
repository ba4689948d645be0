/*
 * What the commands over files share.
 */
#include "fs/command.h"

#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

/* vfs_resolve() drops the slash at the end, and what it promised. */
static int check_last_slash(const char *argument, const char *path)
{
    size_t length = strlen(argument);
    struct vfs_stat stat;

    if (!length || argument[length - 1] != '/' || vfs_stat(path, &stat) != 0)
        return 0;
    return stat.type == VNODE_DIRECTORY ? 0 : -ENOTDIR;
}

int command_path(struct shell *shell, const char *argument, char **path)
{
    char *buffer = kmalloc(VFS_PATH_MAX);
    int error = buffer ? vfs_resolve(shell_directory(shell), argument, buffer) : -ENOMEM;

    if (!error)
        error = check_last_slash(argument, buffer);
    *path = error ? NULL : buffer;
    if (!error)
        return 0;
    kfree(buffer);
    return command_failed(shell, argument, error);
}

/* A name too long to show is cut in the middle of the line. */
int command_failed(struct shell *shell, const char *what, int error)
{
    size_t length = strlen(what);

    if (length > 100)
        shell_error(shell, "%.60s...%s: %s", what, what + length - 30, errno_text(error));
    else
        shell_error(shell, "%s: %s", what, errno_text(error));
    return error;
}

void command_size(uint64_t bytes, char text[16])
{
    static const char units[] = "BKMGTP";
    unsigned int unit = 0;

    while (bytes >= 10240 && unit + 1 < sizeof(units) - 1) {
        bytes = (bytes + 512) / 1024;
        unit++;
    }
    if (unit)
        snprintf(text, 16, "%llu %ciB", (unsigned long long)bytes, units[unit]);
    else
        snprintf(text, 16, "%llu B", (unsigned long long)bytes);
}

void command_time(uint64_t wall_ns, char text[24])
{
    struct calendar_time time;

    calendar_from_unix(wall_ns / NS_PER_S, &time);
    snprintf(text, 24, "%04u-%02u-%02u %02u:%02u:%02u", time.year, time.month, time.day, time.hour,
             time.minute, time.second);
}
