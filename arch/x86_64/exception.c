/*
 * Exceptions (SDM vol. 3A chapter 6). The kernel causes none on purpose but the ones a test
 * catches: any other is a bug, and the panic says what kind in words.
 */
#include "arch/x86_64/exception.h"

#include "arch/cpu.h"
#include "arch/mmu.h"
#include "arch/x86_64/entry.h"
#include "arch/x86_64/instructions.h"
#include "arch/x86_64/linker.h"
#include "arch/x86_64/nmi.h"
#include "arch/x86_64/registers.h"
#include "arch/x86_64/vectors.h"
#include "kernel/panic.h"
#include "kernel/sched/task.h"
#include "lib/bits.h"

/* Page-fault error code: SDM vol. 3A figure 4-12. */
#define FAULT_PRESENT  BIT(0) /* rights, not absence */
#define FAULT_WRITE    BIT(1)
#define FAULT_USER     BIT(2)
#define FAULT_RESERVED BIT(3)
#define FAULT_FETCH    BIT(4)

static const char *const exception_names[VECTOR_EXCEPTION_COUNT] = {
    [VECTOR_DIVIDE] = "divide error",
    [VECTOR_DEBUG] = "debug exception",
    [VECTOR_NMI] = "non-maskable interrupt",
    [VECTOR_BREAKPOINT] = "breakpoint",
    [4] = "overflow",
    [5] = "bound range exceeded",
    [VECTOR_INVALID_OPCODE] = "invalid opcode",
    [VECTOR_NO_FPU] = "FPU or SIMD instruction in the kernel",
    [VECTOR_DOUBLE_FAULT] = "double fault",
    [9] = "coprocessor segment overrun",
    [VECTOR_INVALID_TSS] = "invalid TSS",
    [VECTOR_NO_SEGMENT] = "segment not present",
    [VECTOR_STACK_SEGMENT] = "stack-segment fault",
    [VECTOR_GENERAL_PROTECTION] = "general protection fault",
    [VECTOR_PAGE_FAULT] = "page fault",
    [16] = "x87 floating-point error",
    [VECTOR_ALIGNMENT] = "misaligned access",
    [VECTOR_MACHINE_CHECK] = "machine check",
    [19] = "SIMD floating-point error",
    [20] = "virtualization exception",
    [VECTOR_CONTROL_PROTECTION] = "control protection exception",
    [28] = "hypervisor injection exception",
    [VECTOR_VMM] = "VMM communication exception",
    [VECTOR_SECURITY] = "security exception",
};

/* One fault_catch() under way. */
struct fault_frame {
    uintptr_t stack_pointer; /* first: fault_catch.S */
    struct task *task;
    struct fault_info info;
};
static struct fault_frame *fault_frame; /* atomic */

bool fault_catch(void (*function)(void *arg), void *arg, struct fault_info *info)
{
    struct fault_frame frame = { .task = cpu_task() };
    struct fault_frame *expected = NULL;

    bool is_free = __atomic_compare_exchange_n(&fault_frame, &expected, &frame, false,
                                               __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
    assert(is_free);
    bool caught = fault_catch_call(function, arg, &frame);
    __atomic_store_n(&fault_frame, NULL, __ATOMIC_RELEASE);
    *info = frame.info;
    return caught;
}

static bool resume_after_caught(struct cpu_registers *registers)
{
    struct fault_frame *frame = __atomic_load_n(&fault_frame, __ATOMIC_ACQUIRE);

    if (!frame || frame->task != cpu_task() || registers->vector == VECTOR_MACHINE_CHECK)
        return false;
    frame->info.vector = (unsigned int)registers->vector;
    frame->info.error_code = registers->error_code;
    frame->info.address = cr2_read();
    registers->rip = (uintptr_t)fault_catch_resume;
    registers->rsp = frame->stack_pointer;
    return true;
}

/* The page below a stack is left unmapped: an access to it means that the stack grew too far. */
static bool is_stack_guard(uintptr_t address)
{
    const struct task *task = cpu_task();

    if (address - (uintptr_t)boot_stack_guard < PAGE_SIZE)
        return true;
    return task && address - (task->stack_base - PAGE_SIZE) < PAGE_SIZE;
}

static const char *task_name(void)
{
    return cpu_task() ? cpu_task()->name : "boot";
}

static __noreturn void panic_stack_overflow(const struct cpu_registers *registers)
{
    panic_exception(registers, "stack overflow: guard page of task %s hit", task_name());
}

static const char *fault_access(uint64_t error_code)
{
    if (error_code & FAULT_FETCH)
        return "execute";
    return error_code & FAULT_WRITE ? "write" : "read";
}

static __noreturn void panic_page_fault(const struct cpu_registers *registers, uintptr_t address)
{
    uint64_t error = registers->error_code;
    const char *access = fault_access(error);

    if (is_stack_guard(address))
        panic_stack_overflow(registers);
    if ((error & FAULT_FETCH) && address < PAGE_SIZE)
        panic_exception(registers, "null call: execution at address %#lx", address);
    if (address < PAGE_SIZE)
        panic_exception(registers, "null pointer: %s of address %#lx", access, address);
    if (error & FAULT_RESERVED)
        panic_exception(registers, "page fault: reserved bit set in the page tables at %#lx",
                        address);
    if ((error & FAULT_PRESENT) && (error & (FAULT_FETCH | FAULT_WRITE)))
        panic_exception(registers, "W^X violation: %s of address %#lx, which is %s", access,
                        address, error & FAULT_FETCH ? "not executable" : "read-only");
    if (error & FAULT_PRESENT)
        panic_exception(registers, "page fault: %s of address %#lx, which is not allowed", access,
                        address);
    panic_exception(registers, "page fault: %s of address %#lx, which %s", access, address,
                    image_is_released(address) ? "was given back after the boot" : "is not mapped");
}

/*
 * The usual way to a double fault: the stack is used up, so that the page fault's own frame could
 * not be pushed. CR2 and RSP are then near the guard page.
 */
static __noreturn void panic_double_fault(const struct cpu_registers *registers)
{
    if (is_stack_guard(cr2_read()) || is_stack_guard(registers->rsp - 1))
        panic_stack_overflow(registers);
    panic_exception(registers, "double fault, last page fault at %#lx", (unsigned long)cr2_read());
}

void exception_handle(struct cpu_registers *registers)
{
    uintptr_t fault_address = cr2_read(); /* before anything else can fault */

    if (registers->vector == VECTOR_NMI) {
        nmi_handle(registers);
        return;
    }
    if (resume_after_caught(registers))
        return;
    if (registers->vector == VECTOR_PAGE_FAULT)
        panic_page_fault(registers, fault_address);
    if (registers->vector == VECTOR_DOUBLE_FAULT)
        panic_double_fault(registers);

    const char *name = exception_names[registers->vector];
    panic_exception(registers, "%s (exception %u, error code %#llx)", name ? name : "reserved",
                    (unsigned int)registers->vector, (unsigned long long)registers->error_code);
}
