/*
 * Runs the tests in the kernel that test= asks for, in place of the shell, and ends the emulator
 * with a status that says how it went. On a normal boot nothing of this runs.
 *
 *     test=all             every test
 *     test=mutex,lib.ring  those whose group.name contains one of the words
 */
#include "tests/boot_test.h"

#include "arch/exit.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/parameter.h"
#include "kernel/power/power.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/sort.h"
#include "lib/string.h"
#include "mm/kmalloc.h"

#define NAME_MAX 96

/* Detects a hang; a test takes well under a second, on a busy host a few. */
#define TEST_DEADLINE_NS (60 * NS_PER_S)

static const char *wanted; /* test=; NULL on a normal boot. Const after the parameters */

struct outcome {
    unsigned int passed, failed;
};

static int set_test(const char *value)
{
    if (!*value)
        return -EINVAL;
    wanted = value;
    return 0;
}
PARAMETER(test, "test", "all|NAME[,NAME...]", "run the kernel's own tests and end", set_test);

void boot_test_fail(const char *file, int line, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    log_error("test", "%s: %s:%d: %s", task_current()->name, file, line, text);
    task_exit(-EINVAL);
}

static void test_name(const struct boot_test *test, char name[NAME_MAX])
{
    snprintf(name, NAME_MAX, "%s.%s", test->group, test->name);
}

/* Whether one of the words of test= is in @name. */
static bool is_wanted(const char *name)
{
    const char *word = wanted;

    while (*word) {
        size_t length = strcspn(word, ",");
        char text[NAME_MAX];

        strlcpy(text, word, MIN(length + 1, sizeof(text)));
        if (length && (strcmp(text, "all") == 0 || strstr(name, text)))
            return true;
        word += length;
        word += *word == ',';
    }
    return false;
}

static int test_task(void *arg)
{
    const struct boot_test *test = arg;

    test->run();
    return 0;
}

/* Return: 0, or why it has failed (said already, but for what cannot say it itself). */
static int run_in_task(const struct boot_test *test, const char *name)
{
    struct task *task;
    int status = 0;
    int error = task_create(name, test_task, (void *)(uintptr_t)test, &task);

    if (!error)
        error = task_join(task, &status, deadline_after_ns(TEST_DEADLINE_NS));
    if (error)
        log_error("test", "%s: %s", name, errno_text(error));
    return error ? error : status;
}

static void run_test(const struct boot_test *test, struct outcome *outcome)
{
    char name[NAME_MAX];
    uint64_t start = clock_now_ns();

    test_name(test, name);
    if (run_in_task(test, name)) {
        log_error("test", "%s: FAILED", name);
        outcome->failed++;
    } else {
        log_info("test", "%s: ok, %llu us", name,
                 (unsigned long long)((clock_now_ns() - start) / NS_PER_US));
        outcome->passed++;
    }
}

static int compare_tests(const void *a, const void *b, void *context)
{
    const struct boot_test *const *x = a, *const *y = b;
    int order = strcmp((*x)->group, (*y)->group);

    (void)context;
    return order ? order : strcmp((*x)->name, (*y)->name);
}

/* The wanted tests in the order of their names, the same in every build; NULL: no memory. */
static const struct boot_test **select_tests(size_t *count)
{
    const struct boot_test **tests =
        kcalloc(registry_count(boot_test) + 1, sizeof(const struct boot_test *));
    const struct boot_test *test;
    char name[NAME_MAX];

    *count = 0;
    if (!tests)
        return NULL;
    registry_for_each(test, boot_test) {
        test_name(test, name);
        if (is_wanted(name))
            tests[(*count)++] = test;
    }
    sort(tests, *count, sizeof(*tests), compare_tests, NULL);
    return tests;
}

static int boot_tests_run(void)
{
    struct outcome outcome = { 0 };
    size_t count;

    if (!wanted)
        return 0;

    const struct boot_test **tests = select_tests(&count);

    if (!tests)
        return -ENOMEM;
    if (count == 0)
        log_error("test", "no test is called %s", wanted);
    for (size_t i = 0; i < count; i++)
        run_test(tests[i], &outcome);
    kfree(tests);

    log_info("test", "%u passed, %u failed", outcome.passed, outcome.failed);
    power_exit(count && !outcome.failed ? EMULATOR_EXIT_PASSED : EMULATOR_EXIT_FAILED);
}
INIT_HOOK(boot_tests_run, INIT_APP);
