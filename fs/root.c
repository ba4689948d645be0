/*
 * The root file system: a ramfs, or with root=DISK the nanofs on that disk. And its end: shutdown
 * syncs and unmounts everything.
 */
#include "fs/vfs.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/parameter.h"
#include "kernel/power/power.h"
#include "lib/errno.h"
#include "lib/string.h"

static const char *root_disk; /* const after the parameters were parsed */

static int root_parameter(const char *value)
{
    if (!*value)
        return -EINVAL;
    root_disk = value;
    return 0;
}
PARAMETER(root, "root", "DISK", "mount the nanofs on that disk at /", root_parameter);

static int __init root_mount(void)
{
    int error;

    if (root_disk) {
        error = vfs_mount("nanofs", root_disk, "/");
        if (!error) {
            log_info("fs", "nanofs on %s is /", root_disk);
            return 0;
        }
        log_error("fs", "root=%s: %s; / is a ramfs", root_disk,
                  error == -ENODEV ? "there is no such disk" : errno_text(error));
    }
    return vfs_mount("ramfs", NULL, "/");
}
INIT_HOOK(root_mount, INIT_SERVICE);

static void root_shutdown(void)
{
    vfs_unmount_all();
}
SHUTDOWN_HOOK(root_shutdown, SHUTDOWN_FILES);
