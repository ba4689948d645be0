/*
 * The table of tasks by pid: within kernel/sched only.
 */
#pragma once

#include "kernel/sched/task.h"

void task_table_init(void);

/** task_table_insert() - give @task the next free pid. 0; -ENOMEM when all are taken. */
int __must_check task_table_insert(struct task *task);
void task_table_remove(struct task *task);

/* task.c */
void task_set_reaper(struct task *task);
void __noreturn task_reap_forever(void);
__hidden int sched_idle_entry(void *arg);
uintptr_t task_random_canary(void);

/**
 * task_cache_settle() - do the reaper's work now; for the host layer's census
 * Return: tasks that this CPU keeps for reuse, each a structure and a stack. Context: task.
 */
unsigned int task_cache_settle(void);
