/*
 * poweroff, shutdown, reboot.
 */
#include "kernel/power/power.h"

#include "lib/errno.h"
#include "shell/command.h"

static int poweroff_command(struct shell *shell, int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return -EINVAL;
    power_off();
    shell_error(shell, "this machine cannot switch itself off");
    return -ENOSYS;
}
SHELL_COMMAND(poweroff, "poweroff", "sync the file systems and switch the machine off (ACPI S5)",
              poweroff_command, CMD_NORMAL);
SHELL_COMMAND(shutdown, "shutdown", "the same as poweroff", poweroff_command, CMD_NORMAL);

static int reboot_command(struct shell *shell, int argc, char **argv)
{
    (void)shell;
    (void)argv;
    if (argc != 1)
        return -EINVAL;
    power_reboot();
}
SHELL_COMMAND(reboot, "reboot",
              "sync the file systems and reset the machine\n"
              "By the ACPI reset register, the keyboard controller or a triple fault, whichever "
              "works first.",
              reboot_command, CMD_NORMAL);
