/*
 * uptime, date, sleep.
 */
#include "kernel/sync/wait_queue.h"
#include "kernel/time/clock.h"
#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/parse.h"
#include "lib/string.h"
#include "shell/command.h"

static void print_duration(struct shell *shell, uint64_t ns)
{
    uint64_t seconds = ns / NS_PER_S;

    if (seconds >= 86400)
        shell_printf(shell, "%llu d ", (unsigned long long)(seconds / 86400));
    shell_printf(shell, "%02u:%02u:%02u.%03u", (unsigned int)(seconds / 3600 % 24),
                 (unsigned int)(seconds / 60 % 60), (unsigned int)(seconds % 60),
                 (unsigned int)(ns / NS_PER_MS % 1000));
}

static int uptime_command(struct shell *shell, int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return -EINVAL;
    shell_printf(shell, "up ");
    print_duration(shell, clock_now_ns());
    shell_printf(shell, "\n");
    return 0;
}
SHELL_COMMAND(uptime, "uptime", "time since the kernel started", uptime_command, CMD_PANIC_OK);

static int date_command(struct shell *shell, int argc, char **argv)
{
    static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    struct calendar_time now;

    (void)argv;
    if (argc != 1)
        return -EINVAL;
    calendar_from_unix(clock_wall_ns() / NS_PER_S, &now);
    shell_printf(shell, "%s %04u-%02u-%02u %02u:%02u:%02u UTC\n", days[now.weekday % 7], now.year,
                 now.month, now.day, now.hour, now.minute, now.second);
    return 0;
}
SHELL_COMMAND(date, "date", "date and time of day (UTC)", date_command, CMD_PANIC_OK);

/* "2", "0.25", "10ms". Return: 0 or -EINVAL. */
static int parse_duration(const char *text, uint64_t *ns)
{
    size_t whole_length = strspn(text, "0123456789");
    const char *rest = text + whole_length;
    uint64_t whole;

    if (parse_u64_n(text, whole_length, &whole) || whole > 1000000000)
        return -EINVAL;
    if (strcmp(rest, "ms") == 0 || strcmp(rest, "us") == 0) {
        *ns = whole * (rest[0] == 'm' ? NS_PER_MS : NS_PER_US);
        return 0;
    }
    *ns = whole * NS_PER_S;
    if (*rest == '.') {
        uint64_t unit = NS_PER_S / 10;
        for (rest++; is_digit(*rest); rest++, unit /= 10)
            *ns += (uint64_t)(*rest - '0') * unit;
    }
    return *rest == '\0' ? 0 : -EINVAL;
}

static int sleep_command(struct shell *shell, int argc, char **argv)
{
    uint64_t ns;

    if (argc != 2)
        return -EINVAL;
    if (parse_duration(argv[1], &ns)) {
        shell_error(shell, "%s is no time: want seconds (2, 0.25), or 10ms, or 500us", argv[1]);
        return -EDOM;
    }
    return sleep_ns(ns);
}
SHELL_COMMAND(sleep, "sleep TIME", "wait: TIME in seconds (2, 0.25), or 10ms, or 500us",
              sleep_command, CMD_NORMAL);
