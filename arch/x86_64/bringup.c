/* TEMPORARY: stands in for rooms that have not landed. */
#include "arch/clock.h"
#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/percpu_base.h"
#include "arch/io.h"
#include "arch/x86_64/clock_internal.h"
#include "arch/x86_64/registers.h"
#include "arch/x86_64/nmi.h"
#include "arch/x86_64/exception.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/sync/spinlock.h"
#include "mm/page.h"
#include "lib/printf.h"
#include "lib/string.h"

__weak void spin_lock_init(struct spinlock *lock, const char *name, enum lock_rank rank) { lock->name = name; lock->rank = (uint16_t)rank; }
__weak irqflags_t spin_lock_irqsave(struct spinlock *lock) { (void)lock; return irq_save(); }
__weak void spin_unlock_irqrestore(struct spinlock *lock, irqflags_t f) { (void)lock; irq_restore(f); }
__weak void *page_alloc(size_t c, unsigned f, const char *o) { (void)c; (void)f; (void)o; return NULL; }
__weak void panic(const char *format, ...)
{
    va_list a; va_start(a, format); log_panic_mode();  log_write_va(LOG_ERROR, "panic", format, a); port_write32(0xf4, 1); cpu_halt_forever();
}
__weak void panic_exception(const struct cpu_registers *r, const char *format, ...)
{
    va_list a; va_start(a, format); log_panic_mode();  log_write_va(LOG_ERROR, "panic", format, a);
    log_error("panic", "rip %llx rsp %llx cr2 err %llx", (unsigned long long)r->rip, (unsigned long long)r->rsp, (unsigned long long)r->error_code);
    port_write32(0xf4, 1); cpu_halt_forever();
}
__weak void nmi_handle(struct cpu_registers *r) { (void)r; }
void __noreturn __stack_chk_fail(void);
__weak void __stack_chk_fail(void) { panic("stack smashed in the caller of %p", __builtin_return_address(0)); }
