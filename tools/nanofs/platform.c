/*
 * What the file system sources need of a kernel, for a program with one thread on a development
 * machine: locks that are never contended, waits whose condition already holds, memory from malloc.
 *
 * Also what the crash and fuzz tests of nanofs run on: nothing here depends on time or chance but
 * clock_wall_ns() and random_bytes(), and those can be set.
 */
#include "tools/nanofs/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/random.h"
#include "kernel/sched/task.h"
#include "kernel/sync/mutex.h"
#include "kernel/sync/rwlock.h"
#include "kernel/sync/wait_group.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

struct platform platform = { .log_level = LOG_WARNING, .total_pages = 65536 };

/* ---- log, panic ------------------------------------------------------------------------------ */

void log_write_va(enum log_level level, const char *module, const char *format, va_list args)
{
    if (platform.log_hook) {
        char line[LOG_LINE_MAX];

        vsnprintf(line, sizeof(line), format, args);
        platform.log_hook(level, line);
    } else if ((int)level <= platform.log_level) {
        fprintf(stderr, "%s: ", module);
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
    }
}

void log_write(enum log_level level, const char *module, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_write_va(level, module, format, args);
    va_end(args);
}

void panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

/* ---- locks: whoever would wait would wait for ever ---------------------------------------------
 */

static void must(bool condition, const char *what)
{
    if (!condition)
        panic("%s, and there is no other thread", what);
}

void spin_lock_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK_INIT(name, rank);
}

void spin_lock(struct spinlock *lock) __no_thread_safety_analysis
{
    must(!lock->owner_cpu, "spinlock taken twice");
    lock->owner_cpu = 1;
}

void spin_unlock(struct spinlock *lock) __no_thread_safety_analysis
{
    must(lock->owner_cpu, "spinlock not held");
    lock->owner_cpu = 0;
}

void mutex_init(struct mutex *mutex, const char *name, enum lock_rank rank)
{
    (void)name;
    memset(mutex, 0, sizeof(*mutex));
    mutex->rank = rank;
}

void mutex_lock(struct mutex *mutex) __no_thread_safety_analysis
{
    must(!mutex->owner, "mutex taken twice");
    mutex->owner = (uintptr_t)&platform;
}

bool mutex_trylock(struct mutex *mutex) __no_thread_safety_analysis
{
    if (mutex->owner)
        return false;
    mutex->owner = (uintptr_t)&platform;
    return true;
}

void mutex_unlock(struct mutex *mutex) __no_thread_safety_analysis
{
    must(mutex->owner, "mutex not held");
    mutex->owner = 0;
}

void rwlock_init(struct rwlock *lock, const char *name, enum lock_rank rank)
{
    (void)name;
    memset(lock, 0, sizeof(*lock));
    lock->rank = rank;
}

void rwlock_read_lock(struct rwlock *lock) __no_thread_safety_analysis
{
    must(!(lock->state & RWLOCK_WRITER), "rwlock held by a writer");
    lock->state += RWLOCK_READER;
}

void rwlock_read_unlock(struct rwlock *lock) __no_thread_safety_analysis
{
    must(lock->state >= RWLOCK_READER, "rwlock not held by a reader");
    lock->state -= RWLOCK_READER;
}

void rwlock_write_lock(struct rwlock *lock) __no_thread_safety_analysis
{
    must(!lock->state, "rwlock held");
    lock->state = RWLOCK_WRITER;
}

void rwlock_write_unlock(struct rwlock *lock) __no_thread_safety_analysis
{
    must(lock->state == RWLOCK_WRITER, "rwlock not held by a writer");
    lock->state = 0;
}

/* ---- waiting -------------------------------------------------------------------------------- */

void wait_queue_init(struct wait_queue *queue, const char *name)
{
    (void)name;
    memset(queue, 0, sizeof(*queue));
}

bool wake_one(struct wait_queue *queue)
{
    (void)queue;
    return false;
}

unsigned int wake_all(struct wait_queue *queue)
{
    (void)queue;
    return 0;
}

void wait_prepare(struct wait_queue *queue, struct wait_entry *entry)
{
    (void)queue;
    (void)entry;
}

int wait_commit(struct wait_queue *queue, struct wait_entry *entry, uint64_t deadline_ns,
                enum wait_flags flags)
{
    (void)queue;
    (void)entry;
    (void)deadline_ns;
    (void)flags;
    panic("a wait that nothing would end");
}

void wait_finish(struct wait_queue *queue, struct wait_entry *entry)
{
    (void)queue;
    (void)entry;
}

void wait_group_init(struct wait_group *group, const char *name)
{
    (void)name;
    memset(group, 0, sizeof(*group));
}

void wait_group_add(struct wait_group *group, int count)
{
    group->count += count;
}

void wait_group_done(struct wait_group *group, int error)
{
    if (error && !group->error)
        group->error = error;
    group->count--;
}

int wait_group_wait(struct wait_group *group, uint64_t deadline_ns, enum wait_flags flags)
{
    (void)deadline_ns;
    (void)flags;
    must(!group->count, "waiting for I/O");
    return group->error;
}

/* ---- tasks ---------------------------------------------------------------------------------- */

int task_create(const char *name, int (*entry)(void *arg), void *arg, struct task **result)
{
    (void)name;
    (void)entry;
    (void)arg;
    *result = NULL; /* the tool commits when it is done */
    return 0;
}

int task_join(struct task *task, int *status, uint64_t deadline_ns)
{
    (void)task;
    (void)status;
    (void)deadline_ns;
    return 0;
}

void task_yield(void)
{
}

bool task_is_cancelled(void)
{
    return false;
}

/* ---- time, chance --------------------------------------------------------------------------- */

uint64_t clock_read_ns(void)
{
    return 0;
}

uint64_t clock_wall_ns(void)
{
    struct timespec now;

    if (platform.wall_ns)
        return platform.wall_ns;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void random_bytes(void *data, size_t size)
{
    if (platform.random_state) {
        for (size_t i = 0; i < size; i++) {
            platform.random_state = platform.random_state * 6364136223846793005ull + 1;
            ((uint8_t *)data)[i] = (uint8_t)(platform.random_state >> 56);
        }
        return;
    }
    if (getrandom(data, size, 0) != (ssize_t)size)
        panic("the system has no random numbers");
}

/* ---- memory --------------------------------------------------------------------------------- */

/* Whether this allocation is to fail. */
static bool fails(void)
{
    return platform.fail_allocation && --platform.fail_allocation == 0;
}

void *kmalloc(size_t size)
{
    return fails() ? NULL : malloc(size ? size : 1);
}

void *kzalloc(size_t size)
{
    return fails() ? NULL : calloc(1, size ? size : 1);
}

void *kcalloc(size_t count, size_t size)
{
    return fails() ? NULL : calloc(count ? count : 1, size);
}

void kfree(void *pointer)
{
    free(pointer);
}

void *page_alloc(size_t count, unsigned int flags, const char *owner)
{
    void *page = fails() ? NULL : aligned_alloc(PAGE_SIZE, count * PAGE_SIZE);

    (void)owner;
    if (page && (flags & PAGE_ZERO))
        memset(page, 0, count * PAGE_SIZE);
    return page;
}

void page_free(void *pages)
{
    free(pages);
}

void page_statistics(struct page_statistics *statistics)
{
    *statistics = (struct page_statistics){ .total_pages = platform.total_pages,
                                            .free_pages = platform.total_pages / 2 };
}

bool page_memory_is_low(void)
{
    return platform.is_memory_low;
}

#if CONFIG_DEBUG
void might_sleep(void)
{
}
#endif
