/*
 * A session on each console that console= selects, and run="...".
 */
#include "drivers/char/console.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/parameter.h"
#include "kernel/power/power.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "shell/session.h"

static const char *selected;    /* console=; NULL: all. Const after the parameters, as the next */
static const char *run_at_boot; /* run=; atomic; see take_run() */
static unsigned int held;       /* sessions that hold the log; const after sessions_start() */

static int set_console(const char *value)
{
    if (strcmp(value, "serial") != 0 && strcmp(value, "vga") != 0)
        return -EINVAL;
    selected = value;
    return 0;
}
PARAMETER(console, "console", "serial|vga", "where the shell is: there alone (else on both)",
          set_console);

static int set_run(const char *value)
{
    __atomic_store_n(&run_at_boot, value, __ATOMIC_RELEASE);
    return 0;
}

/* To be run by the caller, NULL if there is nothing (any more). */
static const char *take_run(void)
{
    return __atomic_exchange_n(&run_at_boot, NULL, __ATOMIC_ACQ_REL);
}

static void session_write(struct shell *shell, const char *text, size_t length)
{
    struct console *console = shell_context(shell);

    console->write(console, text, length);
}

static void session_type(void *context, const char *bytes, size_t length)
{
    shell_input(context, bytes, length);
}

static const struct shell_ops session_ops = { .write = session_write };

static void run_commands(struct shell *shell, const char *commands)
{
    shell_printf(shell, "$ %s\n", commands);
    int status = shell_run(shell, commands);
    if (status)
        log_warning("shell", "run= ended with %s", errno_name(status));
}

static int session_task(void *arg)
{
    struct shell *shell = arg;

    shell_interact(shell);
}

static int first_session_task(void *arg)
{
    struct shell *shell = arg;

    const char *commands = take_run();

    if (commands)
        run_commands(shell, commands);
    shell_interact(shell);
}

static bool is_selected(const struct console *console)
{
    return !selected || strcmp(console->name, selected) == 0;
}

/* The one that runs run=: serial, where a script would listen, or else the first. */
static struct console *first_session_console(void)
{
    struct console *found = NULL;

    for (struct console *console = console_first(); console; console = console->next) {
        if (is_selected(console) && (!found || strcmp(console->name, "serial") == 0))
            found = console;
    }
    return found;
}

/* Input and log are its own before it shows its prompt: what is typed then is not lost. */
static int start_session(struct console *console, bool is_first)
{
    struct shell *shell = shell_create(console->name, &session_ops, console, SHELL_INTERACTIVE);

    if (!shell)
        return -ENOMEM;
    console_set_input(console, session_type, shell);
    log_console_hold();
    int error =
        task_create(console->name, is_first ? first_session_task : session_task, shell, NULL);
    if (error) {
        log_console_release();
        console_set_input(console, NULL, NULL);
        shell_destroy(shell);
        return error;
    }
    held++;
    return 0;
}

static int __init sessions_start(void)
{
    const struct console *first = first_session_console();

    for (struct console *console = console_first(); console; console = console->next) {
        if (!is_selected(console))
            continue;
        int error = start_session(console, console == first);
        if (error)
            log_error("shell", "no session on %s: %s", console->name, errno_text(error));
    }
    if (!first)
        log_warning("shell", "no console%s%s to start a session on", selected ? " " : "",
                    selected ? selected : "");
    return 0;
}
INIT_HOOK(sessions_start, INIT_SHELL); /* whoever sees a prompt finds the servers there */

/*
 * run= that came late, from metadata: the session is at its prompt already, so that another shell
 * writes to the same console, and leaves a new prompt behind.
 */
static int late_run_task(void *arg)
{
    struct shell *shell = arg;
    const char *commands = take_run();

    if (commands) {
        shell_printf(shell, "\n");
        run_commands(shell, commands);
        shell_printf(shell, "$ ");
    }
    shell_destroy(shell);
    return 0;
}

static int late_run_start(void)
{
    struct console *console = first_session_console();
    struct shell *shell = console ? shell_create("run", &session_ops, console, 0) : NULL;

    if (!shell)
        return console ? -ENOMEM : -ENODEV;
    int error = task_create("run", late_run_task, shell, NULL);
    if (error)
        shell_destroy(shell);
    return error;
}
PARAMETER_LATE(run, "run", "\"COMMAND; ...\"",
               "commands that a shell runs before its prompt, the serial one if there is one",
               set_run, PARAMETER_STAGE_COMMANDS, late_run_start);

/* From here on the user sees what happens. */
static void sessions_shutdown(void)
{
    for (; held > 0; held--)
        log_console_release();
}
SHUTDOWN_HOOK(sessions_shutdown, SHUTDOWN_LOG);
