/*
 * Boot tests: run inside the kernel by `test=all` or `test=NAME,...` on the command line, never on
 * a normal boot.
 *
 *     BOOT_TEST(mutex, contended_handoff)
 *     {
 *         EXPECT_EQ(counter, 400000);
 *     }
 *
 * Each runs in its own task, in place of the shell; a failed expectation prints file, line,
 * expected and got and ends that test. Each takes well under a second.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/compiler.h"
#include "lib/registry.h"

struct boot_test {
    const char *group;
    const char *name;
    void (*run)(void);
};

#define BOOT_TEST(group_, name_)                                                                   \
    static void group_##_##name_##_test(void);                                                     \
    REGISTRY_ENTRY(boot_test, group_##_##name_##_boot_test,                                        \
                   { .group = #group_, .name = #name_, .run = group_##_##name_##_test });          \
    static void group_##_##name_##_test(void)

/** boot_test_fail() - record a failure of the running test and end it. Context: its task. */
void __noreturn boot_test_fail(const char *file, int line, const char *format, ...)
    __printf_format(3, 4);

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            boot_test_fail(__FILE__, __LINE__, "expected %s", #condition);                         \
    } while (0)

#define EXPECT_EQ(got, expected)                                                                   \
    do {                                                                                           \
        long long got_ = (long long)(got), expected_ = (long long)(expected);                      \
        if (got_ != expected_)                                                                     \
            boot_test_fail(__FILE__, __LINE__, "%s: expected %lld (%#llx), got %lld (%#llx)",      \
                           #got, expected_, (unsigned long long)expected_, got_,                   \
                           (unsigned long long)got_);                                              \
    } while (0)
