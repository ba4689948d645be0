/*
 * When the log takes memory: in a softirq, since a line may be written under any lock.
 */
#include "kernel/init.h"
#include "kernel/irq/softirq.h"
#include "kernel/log.h"
#include "kernel/panic.h"

static void grow_soon(void)
{
    softirq_raise(SOFTIRQ_LOG);
}

static void log_softirq(void)
{
    log_grow();
}

static int __init log_memory_init(void)
{
    softirq_register(SOFTIRQ_LOG, "log", log_softirq);
    if (log_settle(grow_soon))
        panic("no memory for the log");
    return 0;
}
INIT_HOOK(log_memory_init, INIT_CORE);
