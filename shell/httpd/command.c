/*
 * httpd: the command, and the parameter that starts a server at boot.
 */
#include "shell/command.h"
#include "fs/vfs.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/parameter.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/httpd/server.h"
#include "shell/httpd/site.h"
#include "shell/session.h"

static int start(struct httpd_site *site, uint16_t port, struct httpd **server)
{
    const struct httpd_config config = { .port = port,
                                         .handle = httpd_site_handle,
                                         .context = site };

    return httpd_start(&config, server);
}

static void announce(struct shell *shell, uint16_t port, const char *root, const char *until)
{
    shell_printf(shell, "serving %s%s" HTTPD_LIVE_PATH " and /metrics on port %u; %s\n",
                 root ? root : "", root ? ", " : "", port, until);
}

static int serve_until_cancelled(struct shell *shell, uint16_t port, const char *root)
{
    uint64_t requests = httpd_counter(HTTPD_REQUESTS);
    struct httpd_site site = { .root = root };
    struct httpd *server;
    int error = start(&site, port, &server);

    if (error) {
        shell_error(shell, "port %u: %s", port, errno_text(error));
        return error;
    }
    announce(shell, port, root, "Ctrl-C ends");
    error = httpd_wait(server);
    httpd_stop(server);
    if (shell_take_interrupt(shell) && error == -ECANCELED)
        error = 0;
    if (error)
        shell_error(shell, "%s", errno_text(error));
    shell_printf(shell, "%llu requests served\n",
                 (unsigned long long)(httpd_counter(HTTPD_REQUESTS) - requests));
    return error;
}

/* Where nobody can press Ctrl-C, it would never end: the server goes on, the command does not. */
static int serve_for_good(struct shell *shell, uint16_t port, const char *root)
{
    struct httpd_site *site = kzalloc(sizeof(*site));
    char *copy = root ? kstrdup(root) : NULL;
    struct httpd *server;
    int error = !site || (root && !copy) ? -ENOMEM : 0;

    if (!error) {
        site->root = copy;
        error = start(site, port, &server);
    }
    if (error) {
        shell_error(shell, "port %u: %s", port, errno_text(error));
        kfree(copy);
        kfree(site);
        return error;
    }
    announce(shell, port, root, "until the machine stops");
    return 0;
}

static int serve(struct shell *shell, uint16_t port, const char *root)
{
    return shell_is_interactive(shell) ? serve_until_cancelled(shell, port, root)
                                       : serve_for_good(shell, port, root);
}

/* The folder to serve, absolute, without a slash at its end. @path has VFS_PATH_MAX bytes. */
static int resolve_root(struct shell *shell, const char *root, char *path)
{
    struct vfs_stat stat;
    int error = vfs_resolve(shell_directory(shell), root, path);

    if (!error)
        error = vfs_stat(path, &stat);
    if (!error && stat.type != VNODE_DIRECTORY)
        error = -ENOTDIR;
    if (error)
        shell_error(shell, "%s: %s", root, errno_text(error));
    return error;
}

static int httpd_command(struct shell *shell, int argc, char **argv)
{
    uint16_t port;

    if (argc < 2 || argc > 3)
        return -EINVAL;
    if (parse_u16(argv[1], &port) || port == 0) {
        shell_error(shell, "'%s' is not a port from 1 to 65535", argv[1]);
        return -EINVAL;
    }
    if (argc == 2)
        return serve(shell, port, NULL);
    char *root = kmalloc(VFS_PATH_MAX);
    int error = root ? resolve_root(shell, argv[2], root) : -ENOMEM;
    if (!error)
        error = serve(shell, port, root);
    kfree(root);
    return error;
}
SHELL_COMMAND(httpd, "httpd PORT [ROOT]",
              "serve this machine's state, and files, by HTTP until Ctrl-C\n"
              "/.nos/ (and / without a ROOT) shows the machine live, /metrics is for Prometheus.\n"
              "With ROOT everybody who reaches the port can read the files below that folder.\n"
              "Nothing can be changed. Started by the UDP shell, it stays.\n"
              "httpd=PORT[,ROOT] on the kernel's command line serves from boot on.",
              httpd_command, CMD_NORMAL);

/* ---- httpd= ---- */

static uint16_t boot_port; /* const after the parameters, as the next; 0: off */
static struct httpd_site boot_site;

static int httpd_parameter(const char *value)
{
    size_t length = strcspn(value, ",");
    uint64_t port;

    if (parse_u64_n(value, length, &port) || port == 0 || port > UINT16_MAX)
        return -EINVAL;
    if (value[length] && value[length + 1] != '/')
        return -EINVAL;
    boot_port = (uint16_t)port;
    boot_site.root = value[length] ? value + length + 1 : NULL;
    return 0;
}
PARAMETER(httpd, "httpd", "PORT[,ROOT]", "serve this machine's state, and files, by HTTP",
          httpd_parameter);

static int __init httpd_boot(void)
{
    struct httpd *server;

    if (!boot_port)
        return 0;
    int error = start(&boot_site, boot_port, &server);
    if (!error)
        log_info("httpd", "listening on port %u", boot_port);
    return error;
}
INIT_HOOK(httpd_boot, INIT_APP);
