/*
 * Registers as text and as the start of a backtrace; the two emulator devices.
 */
#include "arch/crash.h"

#include "arch/context.h"
#include "arch/exit.h"
#include "arch/io.h"
#include "arch/x86_64/descriptor_tables.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/linker.h"
#include "arch/x86_64/registers.h"
#include "kernel/sched/task.h"
#include "kernel/symbols.h"
#include "lib/printf.h"
#include "lib/string.h"

#define PORT_DEBUG_EXIT  0xF4
#define PORT_PVPANIC     0x505
#define PVPANIC_PANICKED 0x01

/* The control registers are not in struct cpu_registers; they are read when it is kept. */
struct kept_registers {
    struct cpu_registers r;
    uint64_t cr0, cr2, cr3, cr4;
};
BUILD_ASSERT(sizeof(struct kept_registers) <= sizeof(struct crash_registers));

static const struct kept_registers *kept(const struct crash_registers *registers)
{
    return (const struct kept_registers *)registers->words;
}

void crash_registers_keep(struct crash_registers *to, const struct cpu_registers *registers)
{
    struct kept_registers *k = (struct kept_registers *)to->words;

    memcpy(&k->r, registers, sizeof(k->r));
    k->cr0 = cr0_read();
    k->cr2 = cr2_read();
    k->cr3 = cr3_read();
    k->cr4 = cr4_read();
}

/* Only what a call keeps means anything here; the rest is shown as zero. */
__noinline void crash_registers_here(struct crash_registers *to)
{
    const uintptr_t *frame = __builtin_frame_address(0);
    struct cpu_registers r = { 0 };

    __asm__ volatile("movq %%rbx, %0\n\tmovq %%r12, %1\n\tmovq %%r13, %2\n\tmovq %%r14, %3\n\t"
                     "movq %%r15, %4\n\tpushfq\n\tpopq %5"
                     : "=m"(r.rbx), "=m"(r.r12), "=m"(r.r13), "=m"(r.r14), "=m"(r.r15),
                       "=r"(r.rflags));
    r.rip = frame[1];
    r.rbp = frame[0];
    r.rsp = (uintptr_t)(frame + 2);
    r.cs = SELECTOR_KERNEL_CODE;
    r.ss = SELECTOR_KERNEL_DATA;
    crash_registers_keep(to, &r);
}

#define U(x) ((unsigned long long)(x))

bool crash_registers_line(const struct crash_registers *registers, unsigned int line, char *buffer,
                          size_t size)
{
    const struct kept_registers *k = kept(registers);
    const struct cpu_registers *r = &k->r;

    switch (line) {
    case 0:
        snprintf(buffer, size, "rip %016llx  rsp %016llx  rbp %016llx  rflags %08llx", U(r->rip),
                 U(r->rsp), U(r->rbp), U(r->rflags));
        return true;
    case 1:
        snprintf(buffer, size, "rax %016llx  rbx %016llx  rcx %016llx  rdx %016llx", U(r->rax),
                 U(r->rbx), U(r->rcx), U(r->rdx));
        return true;
    case 2:
        snprintf(buffer, size, "rsi %016llx  rdi %016llx  r8  %016llx  r9  %016llx", U(r->rsi),
                 U(r->rdi), U(r->r8), U(r->r9));
        return true;
    case 3:
        snprintf(buffer, size, "r10 %016llx  r11 %016llx  r12 %016llx  r13 %016llx", U(r->r10),
                 U(r->r11), U(r->r12), U(r->r13));
        return true;
    case 4:
        snprintf(buffer, size, "r14 %016llx  r15 %016llx  cs %04llx ss %04llx error %llx",
                 U(r->r14), U(r->r15), U(r->cs), U(r->ss), U(r->error_code));
        return true;
    case 5:
        snprintf(buffer, size, "cr0 %08llx  cr2 %016llx  cr3 %016llx  cr4 %08llx", U(k->cr0),
                 U(k->cr2), U(k->cr3), U(k->cr4));
        return true;
    default:
        return false;
    }
}

bool crash_interrupts_were_on(const struct crash_registers *registers)
{
    return kept(registers)->r.rflags & RFLAGS_IF;
}

/* The stack that @address lies in: the task's, an exception stack of this CPU, or the boot stack.
 */
static bool find_stack(uintptr_t address, const struct task *task, uintptr_t *base, size_t *size)
{
    if (task && address - task->stack_base < TASK_STACK_SIZE) {
        *base = task->stack_base;
        *size = TASK_STACK_SIZE;
        return true;
    }
    if (address - (uintptr_t)boot_stack < BOOT_STACK_SIZE) {
        *base = (uintptr_t)boot_stack;
        *size = BOOT_STACK_SIZE;
        return true;
    }
    return is_on_exception_stack(address, base, size);
}

static bool is_kernel_text(uintptr_t address)
{
    return address >= (uintptr_t)kernel_text_start && address < (uintptr_t)kernel_text_end &&
           !image_is_released(address);
}

/* A word of the stack that @address lies in, if it is the address of code; else 0. */
static uintptr_t return_address_at(uintptr_t address, const struct task *task)
{
    uintptr_t base;
    size_t size;

    if (address % sizeof(uintptr_t) || !find_stack(address, task, &base, &size))
        return 0;
    uintptr_t found = *(const uintptr_t *)address;
    return is_kernel_text(found) ? found : 0;
}

#define PROLOGUE_MAX    24 /* the frame is set up in the first bytes of a function, or not at all */
#define OPCODE_PUSH_RBP 0x55
#define OPCODE_RET      0xC3

static bool is_frame_set_up(const uint8_t *start, const uint8_t *rip)
{
    static const uint8_t mov_rsp_rbp[] = { 0x48, 0x89, 0xE5 };

    for (const uint8_t *p = start; p + sizeof(mov_rsp_rbp) <= rip && p < start + PROLOGUE_MAX;
         p++) {
        if (memcmp(p, mov_rsp_rbp, sizeof(mov_rsp_rbp)) == 0)
            return true;
    }
    return false;
}

/*
 * The caller of the interrupted function, if that has no frame of its own: it has not set it up
 * yet, or given it up already, or is one of those leaves for which gcc makes none whatever it is
 * told, or is no code at all, because a bad pointer was called. 0 when the chain of frames has it.
 */
static uintptr_t caller_without_frame(const struct cpu_registers *r, const struct task *task)
{
    size_t offset;

    if (!is_kernel_text(r->rip) || !symbol_name(r->rip, &offset))
        return return_address_at(r->rsp, task);

    const uint8_t *rip = (const uint8_t *)r->rip;
    const uint8_t *start = rip - offset;
    if (is_frame_set_up(start, rip) && *rip != OPCODE_RET)
        return 0;
    bool is_rbp_pushed = offset > 0 && *start == OPCODE_PUSH_RBP && *rip != OPCODE_RET;
    return return_address_at(r->rsp + (is_rbp_pushed ? sizeof(uintptr_t) : 0), task);
}

size_t crash_backtrace(const struct crash_registers *registers, const struct task *task,
                       uintptr_t *addresses, size_t count)
{
    const struct cpu_registers *r = &kept(registers)->r;
    uintptr_t frame = r->rbp;
    size_t found = 0;

    if (found < count)
        addresses[found++] = r->rip;
    uintptr_t caller = caller_without_frame(r, task);
    if (caller && found < count)
        addresses[found++] = caller;
    while (found < count) {
        uintptr_t base;
        size_t size;

        if (frame % sizeof(uintptr_t) || !find_stack(frame, task, &base, &size) ||
            size - (frame - base) < 2 * sizeof(uintptr_t))
            break;
        const uintptr_t *words = (const uintptr_t *)frame;
        if (words[1] == 0)
            break;
        addresses[found++] = words[1];
        /* Higher on one stack; to another only from an exception's. */
        if (words[0] - base < size && words[0] <= frame)
            break;
        frame = words[0];
    }
    return found;
}

void emulator_exit(uint8_t code)
{
    port_write32(PORT_DEBUG_EXIT, code);
}

/* The device answers a read with the events it knows; nothing there reads as all ones. */
void emulator_report_panic(void)
{
    uint8_t events = port_read8(PORT_PVPANIC);

    if (events != 0xFF && (events & PVPANIC_PANICKED))
        port_write8(PORT_PVPANIC, PVPANIC_PANICKED);
}
