/*
 * profile: where the time goes.
 */
#include "kernel/profile/sampler.h"
#include "kernel/profile/stacks.h"
#include "kernel/sync/wait_queue.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/vm.h"
#include "shell/command.h"

#define SECONDS_DEFAULT 5
#define SECONDS_MAX     3600
#define LINES_SHOWN     25
#define LINES_MAX       4096 /* functions that are told apart */
#define COMMAND_MAX     1024

/* ---- the report ---------------------------------------------------------------------------- */

/* In tenths of a percent. */
static unsigned long long share(uint64_t part, uint64_t whole)
{
    return whole ? part * 1000 / whole : 0;
}

static void print_lines(struct shell *shell, const struct profile_line *lines, size_t count,
                        uint64_t samples)
{
    for (size_t i = 0; i < count && i < LINES_SHOWN && lines[i].self > 0; i++) {
        unsigned long long self = share(lines[i].self, samples);
        unsigned long long total = share(lines[i].total, samples);
        shell_printf(shell, "%5llu.%llu%% %5llu.%llu%%  %s\n", self / 10, self % 10, total / 10,
                     total % 10, lines[i].name);
    }
}

static int print_report(struct shell *shell, const struct profile *profile)
{
    struct profile_line *lines =
        vm_alloc(LINES_MAX * sizeof(lines[0]), MMU_READ | MMU_WRITE, "profile");

    if (!lines)
        return -ENOMEM;
    shell_printf(shell, "%llu samples at work, %llu idle, %llu dropped, in %llu ms\n",
                 (unsigned long long)profile->samples, (unsigned long long)profile->idle,
                 (unsigned long long)profile->dropped,
                 (unsigned long long)(profile->ns / NS_PER_MS));
    size_t count = profile_functions(profile->stacks, profile->count, lines, LINES_MAX);
    shell_printf(shell, "   self    total  function\n");
    print_lines(shell, lines, count, profile->samples);
    count = profile_tasks(profile->stacks, profile->count, lines, LINES_MAX);
    shell_printf(shell, "   self    total  task\n");
    print_lines(shell, lines, count, profile->samples);
    vm_free(lines);
    return 0;
}

/* One line per stack, outermost first, as the tools that draw flame graphs read them. */
static int print_folded(struct shell *shell, const struct profile *profile)
{
    for (size_t i = 0; i < profile->count; i++) {
        const struct profile_stack *stack = &profile->stacks[i];
        shell_printf(shell, "%s", stack->task);
        for (uint32_t level = stack->depth; level > 0; level--)
            shell_printf(shell, ";%s", profile_function_name(stack->addresses[level - 1]));
        shell_printf(shell, " %llu\n", (unsigned long long)stack->count);
    }
    return 0;
}

/* ---- the command --------------------------------------------------------------------------- */

/* The words of the command line to be watched, put together again. */
static int run_line(struct shell *shell, int argc, char **argv)
{
    char *line = kmalloc(COMMAND_MAX);
    int status = line ? 0 : -ENOMEM;

    if (line)
        line[0] = '\0';
    for (int i = 0; i < argc && !status; i++)
        if ((i > 0 && strlcat(line, " ", COMMAND_MAX) >= COMMAND_MAX) ||
            strlcat(line, argv[i], COMMAND_MAX) >= COMMAND_MAX)
            status = -EINVAL;
    if (!status)
        status = shell_execute(shell, line);
    kfree(line);
    return status;
}

/* What is watched: a while, or a command. Return: its status; Ctrl-C at a while is its end. */
static int watch(struct shell *shell, uint64_t seconds, int argc, char **argv)
{
    if (argc > 0)
        return run_line(shell, argc, argv);
    shell_progress(shell, "sampling for %llu s; Ctrl-C ends it", (unsigned long long)seconds);
    int error = sleep_until_ns(deadline_after_ns(seconds * NS_PER_S));
    return error == -ECANCELED ? 0 : error;
}

static int profile(struct shell *shell, bool is_folded, uint64_t seconds, int argc, char **argv)
{
    struct profile result;
    int error = profile_start();

    if (error) {
        shell_error(shell, "%s", error == -EBUSY ? "somebody is at it already" : errno_text(error));
        return error;
    }
    int status = watch(shell, seconds, argc, argv);
    shell_take_interrupt(shell);
    shell_progress(shell, "%s", "");
    error = profile_stop(&result);
    if (!error) {
        error = is_folded ? print_folded(shell, &result) : print_report(shell, &result);
        profile_destroy(&result);
    }
    if (error)
        shell_error(shell, "%s", errno_text(error));
    return error ? error : status;
}

static int profile_command(struct shell *shell, int argc, char **argv)
{
    uint32_t seconds = SECONDS_DEFAULT;
    int first = 1;
    bool is_folded = argc > 1 && strcmp(argv[1], "-f") == 0;

    first += is_folded;
    if (first == argc - 1 && parse_u32(argv[first], &seconds) == 0) {
        if (seconds == 0 || seconds > SECONDS_MAX) {
            shell_error(shell, "want 1 to %d seconds", SECONDS_MAX);
            return -EINVAL;
        }
        first++;
    } else if (first < argc && (argv[first][0] < 'a' || argv[first][0] > 'z')) {
        return -EINVAL;
    }
    return profile(shell, is_folded, seconds, argc - first, argv + first);
}
SHELL_COMMAND(
    profile, "profile [-f] [SECONDS | COMMAND...]",
    "which functions and tasks the CPUs spend their time in\n"
    "Samples every CPU about 1000 times a second, for 5 seconds, or as long as was asked,\n"
    "or while a command runs; Ctrl-C ends it early. Self: the function itself ran; total:\n"
    "it or one that it had called. -f: one line per stack, for flame graphs.",
    profile_command, CMD_NORMAL);
