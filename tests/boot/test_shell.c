/*
 * The shell in the kernel: commands run to their end, output arrives, Ctrl-C is in time.
 */
#include "tests/boot_test.h"

#include "kernel/sched/task.h"
#include "kernel/sync/wait_queue.h"
#include "kernel/time/timer.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "shell/session.h"

struct capture {
    char text[4096];
    size_t length;
    size_t total;
};

/* Keeps the first bytes, counts the rest. */
static void capture_write(struct shell *shell, const char *text, size_t length)
{
    struct capture *capture = shell_context(shell);
    size_t piece = MIN(length, sizeof(capture->text) - 1 - capture->length);

    memcpy(capture->text + capture->length, text, piece);
    capture->length += piece;
    capture->text[capture->length] = '\0';
    capture->total += length;
}

static const struct shell_ops capture_ops = { .write = capture_write };
static struct capture capture;

static int run(const char *line)
{
    capture = (struct capture){ 0 };
    struct shell *shell = shell_create("test", &capture_ops, &capture, 0);
    EXPECT(shell != NULL);
    int status = shell_run(shell, line);
    shell_destroy(shell);
    return status;
}

static bool printed(const char *text)
{
    return strstr(capture.text, text) != NULL;
}

BOOT_TEST(shell, commands_run)
{
    EXPECT_EQ(run("echo one; echo 'two  three'"), 0);
    EXPECT(strcmp(capture.text, "one\ntwo  three\n") == 0);
    EXPECT_EQ(run("nonsense; echo $?"), 0);
    EXPECT(printed("2\n"));
    EXPECT_EQ(run("version extra"), -EINVAL);
    EXPECT(printed("usage: version"));
    EXPECT_EQ(run("panic nonsense"), -EINVAL);
    EXPECT(printed("nonsense is no way to panic"));
}

BOOT_TEST(shell, every_command_has_help)
{
    const struct shell_command *command;
    const struct shell_command *other;

    registry_for_each(command, shell_command) {
        EXPECT(command->name && command->name[0] && command->run);
        EXPECT(command->usage &&
               strncmp(command->usage, command->name, strlen(command->name)) == 0);
        EXPECT(command->help && command->help[0]);
        registry_for_each(other, shell_command)
            EXPECT(other == command || strcmp(other->name, command->name) != 0);
    }
    EXPECT_EQ(run("help"), 0);
    EXPECT(capture.total > 20 * 40);
}

BOOT_TEST(shell, log_is_shown_and_filtered)
{
    EXPECT_EQ(run("dmesg boot: nos"), -EINVAL);
    EXPECT_EQ(run("dmesg \"boot: nos\""), 0);
    EXPECT(printed("boot: nos 0.1"));
    EXPECT(strchr(capture.text, '\n') == capture.text + capture.length - 1);
    EXPECT_EQ(run("boot"), 0);
    EXPECT(printed("memory") && printed("driver"));
    EXPECT_EQ(run("init"), 0);
    EXPECT(capture.total > 500);
}

struct interrupter {
    struct timer timer;
    struct shell *shell;
};

static void interrupt_shell(struct timer *timer)
{
    shell_interrupt(container_of(timer, struct interrupter, timer)->shell);
}

#define INTERRUPT_AFTER_NS (20 * NS_PER_MS)
#define ANSWER_NS_MAX      (100 * NS_PER_MS)
#define ATTEMPTS           5 /* the host may not run this CPU for a while */

/* Return: how long the command ran on after it was interrupted. */
static uint64_t interrupt_a_command(struct interrupter *interrupter)
{
    timer_init(&interrupter->timer, "interrupter", interrupt_shell);
    uint64_t deadline = deadline_after_ns(INTERRUPT_AFTER_NS);
    timer_start(&interrupter->timer, deadline, 0);
    int status = shell_run(interrupter->shell, "sleep 100; echo not reached");
    uint64_t end = clock_now_ns();
    timer_stop_sync(&interrupter->timer);
    EXPECT_EQ(status, -ECANCELED);
    EXPECT(end >= deadline);
    return end - deadline;
}

/* Ctrl-C, here from a timer's softirq, as it comes from the serial line's interrupt. */
BOOT_TEST(shell, interrupt_is_in_time)
{
    struct interrupter interrupter = { .shell = shell_create("test", &capture_ops, &capture, 0) };
    uint64_t took = UINT64_MAX;

    EXPECT(interrupter.shell != NULL);
    for (int i = 0; i < ATTEMPTS && took > ANSWER_NS_MAX; i++)
        took = interrupt_a_command(&interrupter);
    shell_destroy(interrupter.shell);
    EXPECT(took <= ANSWER_NS_MAX);
    EXPECT(!task_is_cancelled());
    EXPECT_EQ(sleep_ns(NS_PER_MS), 0);
}
