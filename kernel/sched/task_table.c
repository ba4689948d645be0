/*
 * Tasks by pid: a red-black tree under one spinlock.
 *
 * Pids count upwards and start again at the end, so that a number is not soon reused for another
 * task. A task is in the table from its creation until its last reference is dropped.
 */
#include "kernel/sched/task_table.h"

#include "kernel/sync/spinlock.h"
#include "lib/errno.h"

#define PID_MAX 999999 /* six digits, so that tables of tasks line up */

static DEFINE_SPINLOCK(table_lock, "task_table", LOCK_RANK_TASK_TABLE);
static struct rbtree table __guarded_global(table_lock) = RBTREE_INIT;
static uint32_t last_pid __guarded_global(table_lock);
static unsigned int count __guarded_global(table_lock);

static uint32_t pid_of(const struct rb_node *node)
{
    return container_of(node, const struct task, pid_node)->pid;
}

static int compare_pids(const struct rb_node *a, const struct rb_node *b)
{
    return pid_of(a) < pid_of(b) ? -1 : pid_of(a) > pid_of(b);
}

static int compare_to_pid(const void *key, const struct rb_node *node)
{
    uint32_t pid = *(const uint32_t *)key;

    return pid < pid_of(node) ? -1 : pid > pid_of(node);
}

void task_table_init(void) __no_thread_safety_analysis /* nobody else yet */
{
    spin_lock_init(&table_lock, "task_table", LOCK_RANK_TASK_TABLE);
    rbtree_init(&table);
    last_pid = 0;
    count = 0;
}

int task_table_insert(struct task *task)
{
    irqflags_t flags = spin_lock_irqsave(&table_lock);
    int error = count < PID_MAX ? 0 : -ENOMEM;

    if (!error) {
        do {
            last_pid = last_pid < PID_MAX ? last_pid + 1 : 1;
            task->pid = last_pid;
        } while (rb_insert_unique(&table, &task->pid_node, compare_pids));
        count++;
    }
    spin_unlock_irqrestore(&table_lock, flags);
    return error;
}

void task_table_remove(struct task *task)
{
    irqflags_t flags = spin_lock_irqsave(&table_lock);

    rb_erase(&table, &task->pid_node);
    count--;
    spin_unlock_irqrestore(&table_lock, flags);
}

/* A task whose last reference is being dropped is still in the table for a moment. */
static struct task *get_unless_gone(struct task *task)
{
    unsigned int references = __atomic_load_n(&task->references, __ATOMIC_RELAXED);

    while (references > 0) {
        if (__atomic_compare_exchange_n(&task->references, &references, references + 1, false,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return task;
    }
    return NULL;
}

struct task *task_find(uint32_t pid)
{
    irqflags_t flags = spin_lock_irqsave(&table_lock);
    struct rb_node *node = rb_find(&table, &pid, compare_to_pid);
    struct task *task = node ? get_unless_gone(container_of(node, struct task, pid_node)) : NULL;

    spin_unlock_irqrestore(&table_lock, flags);
    return task;
}

struct task *task_next(uint32_t pid)
{
    struct task *task = NULL;

    irqflags_t flags = spin_lock_irqsave(&table_lock);
    for (uint32_t key = pid + 1; !task;) {
        struct rb_node *node = rb_find_ge(&table, &key, compare_to_pid);
        if (!node)
            break;
        task = get_unless_gone(container_of(node, struct task, pid_node));
        key = pid_of(node) + 1;
    }
    spin_unlock_irqrestore(&table_lock, flags);
    return task;
}

void task_for_each(bool (*visit)(struct task *task, void *arg), void *arg)
{
    irqflags_t flags = spin_lock_irqsave(&table_lock);
    struct rb_node *node;

    rbtree_for_each(node, &table) {
        if (!visit(container_of(node, struct task, pid_node), arg))
            break;
    }
    spin_unlock_irqrestore(&table_lock, flags);
}

unsigned int task_count(void)
{
    irqflags_t flags = spin_lock_irqsave(&table_lock);
    unsigned int result = count;

    spin_unlock_irqrestore(&table_lock, flags);
    return result;
}
