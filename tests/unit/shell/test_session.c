/*
 * Sessions on the real scheduler: prompts, commands, Ctrl-C, typing ahead, redirection.
 */
// links: shell/commands/basic.c shell/commands/time.c
#include "arch/host/host.h"
#include "kernel/sched/task.h"
#include "kernel/sync/wait_queue.h"
#include "kernel/version.h"
#include "lib/errno.h"
#include "shell/files.h"
#include "shell/session.h"
#include "tests/unit/unit.h"

/* What the build generates for a kernel. */
const char kernel_version[] = "nos 0.1 (test)";
const char kernel_compiler[] = "a compiler";

static struct shell *shell;
static char output[1 << 20];
static size_t output_length;

static void show(struct shell *s, const char *text, size_t length)
{
    (void)s;
    assert_true(length > 0 && output_length + length < sizeof(output));
    memcpy(output + output_length, text, length);
    output_length += length;
    output[output_length] = '\0';
}

static const struct shell_ops ops = { .write = show };

static void forget_output(void)
{
    output_length = 0;
    output[0] = '\0';
}

/* ---- commands and files of the test -------------------------------------------------------- */

static unsigned int ran;

static int forever_command(struct shell *s, int argc, char **argv)
{
    DEFINE_WAIT_QUEUE(never, "never");
    (void)argc;
    (void)argv;

    ran++;
    int error = wait_event(&never, false, DEADLINE_NEVER);
    shell_printf(s, "this is not seen\n");
    return error;
}
SHELL_COMMAND(forever, "forever", "wait for nothing", forever_command, CMD_NORMAL);

static int compute_command(struct shell *s, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    while (!task_is_cancelled()) {
        shell_printf(s, ".");
        sleep_ns(NS_PER_MS);
    }
    return 0;
}
SHELL_COMMAND(compute, "compute", "until it is cancelled", compute_command, CMD_NORMAL);

static int copy_command(struct shell *s, int argc, char **argv)
{
    char buffer[16];
    int count;
    (void)argc;
    (void)argv;

    while ((count = shell_read(s, buffer, sizeof(buffer), deadline_after_ns(10 * NS_PER_S))) > 0) {
        shell_printf(s, "<%.*s>", count, buffer);
    }
    shell_printf(s, "%s\n", count == 0 ? "end" : errno_name(count));
    return count;
}
SHELL_COMMAND(copy, "copy", "what is typed", copy_command, CMD_NORMAL);

static int fail_command(struct shell *s, int argc, char **argv)
{
    (void)argc;
    shell_error(s, "cannot do %s", argv[1] ? argv[1] : "nothing");
    return argv[1] ? -EIO : -EINVAL;
}
SHELL_COMMAND(fail, "fail WHAT", "an error", fail_command, CMD_NORMAL);

static int work_command(struct shell *s, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    shell_progress(s, "10 %% of much");
    shell_progress(s, "20 %%");
    shell_printf(s, "done");
    return 0;
}
SHELL_COMMAND(work, "work", "progress", work_command, CMD_NORMAL);

static char file[4096];
static char file_path[64];
static size_t file_limit;
static int open_handles;

static int file_open(const char *path, bool append, void **handle)
{
    if (strncmp(path, "/no/", 4) == 0)
        return -ENOENT;
    strcpy(file_path, path);
    if (!append)
        file[0] = '\0';
    *handle = file;
    open_handles++;
    return 0;
}

static int file_open_source(const char *path, void **handle)
{
    return strncmp(path, "/no/", 4) == 0 ? -ENOENT : file_open(path, true, handle);
}

static int file_read(void *handle, char *buffer, size_t size, uint64_t offset, size_t *done)
{
    size_t length = strlen(handle);

    if (strcmp(file_path, "/bad") == 0)
        return -EIO;
    *done = offset < length ? MIN(size, length - (size_t)offset) : 0;
    memcpy(buffer, (char *)handle + offset, *done);
    return 0;
}

static int file_write(void *handle, const char *data, size_t length)
{
    size_t used = strlen(handle);

    if (used + length > file_limit)
        return -ENOSPC;
    memcpy((char *)handle + used, data, length);
    ((char *)handle)[used + length] = '\0';
    return 0;
}

static int file_close(void *handle)
{
    assert_ptr_equal(handle, file);
    open_handles--;
    return 0;
}

static int file_list(const char *path,
                     void (*visit)(void *context, const char *name, bool is_directory),
                     void *context)
{
    if (strcmp(path, "/") == 0) {
        visit(context, ".", true);
        visit(context, "etc", true);
        visit(context, "notes.txt", false);
        return 0;
    }
    if (strcmp(path, "/etc/") == 0) {
        visit(context, "hosts", false);
        return 0;
    }
    return -ENOENT;
}

static int check_directory(const char *path)
{
    return strcmp(path, "/etc") == 0 ? 0 : -ENOENT;
}

SHELL_FILES(test_files, { .open = file_open,
                          .open_source = file_open_source,
                          .read = file_read,
                          .write = file_write,
                          .close = file_close,
                          .check_directory = check_directory,
                          .list = file_list });

/* ---- an interactive session ---------------------------------------------------------------- */

static int session_task(void *arg)
{
    shell_interact(arg);
}

static int start(void **state)
{
    (void)state;
    host_kernel_start();
    forget_output();
    ran = 0;
    file[0] = '\0';
    file_limit = sizeof(file) - 1;
    open_handles = 0;
    shell = shell_create("test", &ops, NULL, SHELL_INTERACTIVE);
    assert_non_null(shell);
    assert_int_equal(task_create("session", session_task, shell, NULL), 0);
    host_settle();
    return 0;
}

static void type(const char *text)
{
    shell_input(shell, text, strlen(text));
    host_settle();
}

static void expect(const char *expected)
{
    assert_string_equal(output, expected);
    forget_output();
}

static void test_prompt_and_echo(void **state)
{
    (void)state;
    expect("$ ");
    type("echo on");
    expect("echo on");
    type("e two\r\n");
    expect("e two\none two\n$ ");
    type("\n\n");
    expect("\n$ \n$ ");
    type("abc\003");
    expect("abc^C\n$ ");
    type("\004");
    expect("\n$ ");
}

static void test_status_and_errors(void **state)
{
    (void)state;
    type("nonsense\r");
    expect("$ nonsense\nnonsense: there is no such command; help lists them\n$ ");
    type("echo $?; echo $?\r");
    expect("echo $?; echo $?\n2\n0\n$ ");
    type("fail it; echo on\r");
    expect("fail it; echo on\nfail: cannot do it\non\n$ ");
    type("fail\r");
    expect("fail\nfail: cannot do nothing\nusage: fail WHAT\n$ ");
    type("status\r");
    expect("status\n22 EINVAL: invalid argument\nusage: status\n$ ");
    type("echo \"open\r");
    expect("echo \"open\na \" has no end\n$ ");
}

static void test_prompt_starts_a_line(void **state)
{
    (void)state;
    forget_output();
    type("work\r");
    expect("work\n\r10 % of much\r            \r\r20 %\r    \rdone\n$ ");
}

static void test_ctrl_c_ends_a_wait(void **state)
{
    (void)state;
    forget_output();
    type("forever; echo not reached\r");
    expect("forever; echo not reached\n");
    uint64_t before = clock_now_ns();
    type("\003");
    expect("^C\n$ ");
    assert_int_equal(clock_now_ns(), before);
    type("echo $?\r");
    expect("echo $?\n125\n$ ");
    type("sleep 0.001; echo ok\r");
    host_advance_ns(2 * NS_PER_MS);
    expect("sleep 0.001; echo ok\nok\n$ ");
}

static void test_ctrl_c_ends_a_computation(void **state)
{
    (void)state;
    type("compute\r");
    host_advance_ns(10 * NS_PER_MS);
    forget_output();
    type("\003");
    host_advance_ns(2 * NS_PER_MS);
    assert_non_null(strstr(output, "^C\n$ "));
}

static void test_typing_ahead(void **state)
{
    (void)state;
    forget_output();
    type("sleep 1\recho one\recho two");
    expect("sleep 1\n");
    host_advance_ns(NS_PER_S);
    expect("$ echo one\none\n$ echo two");
    type("\r");
    expect("\ntwo\n$ ");
}

static void test_ctrl_c_takes_along_what_was_typed(void **state)
{
    (void)state;
    forget_output();
    type("forever\r");
    type("forever\recho \003echo after\r");
    assert_int_equal(ran, 1);
    expect("forever\n^C\n$ echo after\nafter\n$ ");
}

/* All in one go, before the shell has read its line: the Ctrl-C is behind that, and counts for it.
 */
static void test_ctrl_c_before_the_command_began(void **state)
{
    (void)state;
    forget_output();
    type("forever\rforever\recho \003echo after\r");
    assert_int_equal(ran, 0);
    expect("forever\n^C\n$ echo after\nafter\n$ ");
}

static void test_commands_that_read(void **state)
{
    (void)state;
    forget_output();
    type("copy\r");
    type("one\rtx\177wo\ra line of twenty chars\r");
    expect("copy\none\n<one\n>tx\033[1D\033[Jwo\n<two\n>a line of twenty chars\n"
           "<a line of twenty>< chars\n>");
    type("\004");
    expect("\nend\n$ ");
    type("copy\rleft over");
    forget_output();
    host_advance_ns(11 * NS_PER_S);
    expect("ETIMEDOUT\n$ ");
    type("copy\r");
    type("half\003");
    assert_non_null(strstr(output, "^C\n$ "));
    forget_output();
    type("echo next\r");
    expect("echo next\nnext\n$ ");
}

static void test_long_lines(void **state)
{
    char *line = malloc(30000);
    (void)state;

    forget_output();
    memset(line, 'y', 10000);
    strcpy(line + 10000, "\r");
    type(line);
    assert_non_null(strstr(output, "yyyy: there is no such command"));
    forget_output();
    memset(line, 'z', 29000);
    strcpy(line + 29000, "\r");
    type(line);
    assert_non_null(strstr(output, "the line is too long: 16383 characters at most\n$ "));
    forget_output();
    type("echo $?\r");
    expect("echo $?\n7\n$ ");
    free(line);
}

static void test_pasted_lines(void **state)
{
    char *text = malloc(65536);
    size_t length = 0;
    (void)state;

    for (int i = 0; i < 900; i++)
        length += (size_t)sprintf(text + length, "echo number %d of the pasted lines\r", i);
    forget_output();
    shell_input(shell, text, length); /* all at once, before anybody reads */
    host_settle();
    char expected[64];
    for (int i = 0; i < 900; i++) {
        sprintf(expected, "\nnumber %d of the pasted lines\n$ ", i);
        assert_non_null(strstr(output, expected));
    }
    free(text);
}

static void test_more_than_anybody_can_keep(void **state)
{
    char *text = malloc(100000);
    (void)state;

    type("forever\r");
    memset(text, 'x', 100000);
    shell_input(shell, text, 100000);
    host_settle();
    forget_output();
    type("\003");
    expect("^C\n$ ");
    free(text);
}

static void test_redirection(void **state)
{
    (void)state;
    forget_output();
    type("echo one > /file; echo two >> /file\r");
    expect("echo one > /file; echo two >> /file\n$ ");
    assert_string_equal(file, "one\ntwo\n");
    type("echo three > name\r");
    assert_string_equal(file_path, "/name");
    assert_string_equal(file, "three\n");
    forget_output();
    type("fail it > /file\r");
    expect("fail it > /file\nfail: cannot do it\n$ ");
    assert_string_equal(file, "");
    type("echo > /no/file\r");
    expect("echo > /no/file\necho: cannot open /no/file: no such file or directory\n$ ");
    file_limit = 4;
    type("echo 123456 > /file\r");
    expect("echo 123456 > /file\necho: cannot write the output: no space left\n$ ");
    type("echo $?\r");
    expect("echo $?\n28\n$ ");
    assert_int_equal(open_handles, 0);
}

static void test_input_from_a_file(void **state)
{
    (void)state;
    type("echo twenty-three letters > /file\r");
    forget_output();
    type("copy < /file\r");
    expect("copy < /file\n<twenty-three let><ters\n>end\n$ ");
    type("copy < /no/file; copy < /bad\r");
    expect("copy < /no/file; copy < /bad\ncopy: cannot open /no/file: no such file or directory\n"
           "EIO\n$ ");
    type("copy\rtyped\r\004"); /* the next reads what is typed again */
    expect("copy\ntyped\n<typed\n>\nend\n$ ");
    assert_int_equal(open_handles, 0);
}

static void test_directory(void **state)
{
    (void)state;
    assert_string_equal(shell_directory(shell), "/");
    assert_int_equal(shell_set_directory(shell, "/etc"), 0);
    type("echo x > f\r");
    assert_string_equal(file_path, "/etc/f");
}

static void test_completion(void **state)
{
    (void)state;
    forget_output();
    type("ver\t");
    expect("version ");
    type("\025");
    forget_output();
    type("echo n\t");
    expect("echo notes.txt ");
    type("/e\th\t\r");
    expect("/etc/hosts \nnotes.txt /etc/hosts\n$ ");
    type("help stat\t\r");
    assert_non_null(strstr(output, "usage: status"));
    forget_output();
    type("date; ver\t\025\r");
    assert_non_null(strstr(output, "date; version "));
}

/* ---- one line at a time -------------------------------------------------------------------- */

static int run_lines(void *arg)
{
    struct shell *remote = shell_create("remote", &ops, NULL, 0);
    (void)arg;

    assert_non_null(remote);
    forget_output();
    assert_int_equal(shell_run(remote, "echo one; echo two"), 0);
    expect("one\ntwo\n");
    assert_int_equal(shell_run(remote, "fail it"), -EIO);
    expect("fail: cannot do it\n");
    assert_int_equal(shell_run(remote, ""), -EIO); /* nothing ran: the status stays */
    expect("");
    assert_int_equal(shell_run(remote, "copy"), 0);
    expect("end\n");
    assert_int_equal(shell_run(remote, "work"), 0);
    expect("done\n");
    shell_destroy(remote);
    return 0;
}

static void test_one_line_at_a_time(void **state)
{
    (void)state;
    host_kernel_start();
    assert_int_equal(host_run(run_lines, NULL), 0);
}

static int run_forever(void *arg)
{
    int status = shell_run(arg, "forever");

    assert_false(task_is_cancelled()); /* only the command was */
    return status;
}

static int interrupt_it(void *arg)
{
    struct task *task;
    int status = 0;
    (void)arg;

    struct shell *remote = shell_create("remote", &ops, NULL, 0);
    assert_non_null(remote);
    shell_interrupt(remote); /* nothing runs: nothing happens */
    assert_int_equal(task_create("remote", run_forever, remote, &task), 0);
    host_settle();
    shell_interrupt(remote);
    assert_int_equal(task_join(task, &status, DEADLINE_NEVER), 0);
    shell_destroy(remote);
    return status;
}

static void test_interrupt_from_another_task(void **state)
{
    (void)state;
    host_kernel_start();
    assert_int_equal(host_run(interrupt_it, NULL), -ECANCELED);
}

static int run_without_memory(void *arg)
{
    struct shell *remote;
    (void)arg;

    host_fail_allocation(1);
    assert_null(shell_create("remote", &ops, NULL, SHELL_INTERACTIVE));
    host_fail_allocation(2);
    assert_null(shell_create("remote", &ops, NULL, SHELL_INTERACTIVE));
    host_fail_allocation(0);
    remote = shell_create("remote", &ops, NULL, 0);
    for (unsigned long nth = 1; nth < 4; nth++) {
        host_fail_allocation(nth);
        int status = shell_run(remote, "echo x > relative");
        assert_true(status == 0 || status == -ENOMEM);
    }
    host_fail_allocation(0);
    shell_destroy(remote);
    return 0;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    host_kernel_start();
    assert_int_equal(host_run(run_without_memory, NULL), 0);
}

#define SESSION_TEST(function) cmocka_unit_test_setup(function, start)

UNIT_TESTS(SESSION_TEST(test_prompt_and_echo), SESSION_TEST(test_status_and_errors),
           SESSION_TEST(test_prompt_starts_a_line), SESSION_TEST(test_ctrl_c_ends_a_wait),
           SESSION_TEST(test_ctrl_c_ends_a_computation), SESSION_TEST(test_typing_ahead),
           SESSION_TEST(test_ctrl_c_takes_along_what_was_typed),
           SESSION_TEST(test_ctrl_c_before_the_command_began),
           SESSION_TEST(test_commands_that_read), SESSION_TEST(test_long_lines),
           SESSION_TEST(test_pasted_lines), SESSION_TEST(test_more_than_anybody_can_keep),
           SESSION_TEST(test_redirection), SESSION_TEST(test_input_from_a_file),
           SESSION_TEST(test_directory), SESSION_TEST(test_completion),
           UNIT_TEST(test_one_line_at_a_time), UNIT_TEST(test_interrupt_from_another_task),
           UNIT_TEST(test_out_of_memory))
