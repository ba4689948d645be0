/*
 * Task switches in a host program: stacks are swapped by a few instructions of our own
 * (swapcontext() makes two system calls each time), and the address sanitizer is told of every
 * step.
 */
#include "arch/context.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "arch/host/host_internal.h"

#ifndef __has_feature /* gcc has none, and says __SANITIZE_ADDRESS__ instead */
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define start_switch(save, bottom, size) __sanitizer_start_switch_fiber(save, bottom, size)
#define finish_switch(save)              __sanitizer_finish_switch_fiber(save, NULL, NULL)
#define unpoison(start, size)            __asan_unpoison_memory_region(start, size)
#else
#define start_switch(save, bottom, size) ((void)(save), (void)(bottom), (void)(size))
#define finish_switch(save)              ((void)(save))
#define unpoison(start, size)            ((void)(start), (void)(size))
#endif

#ifndef __x86_64__
#error "arch/host switches stacks on x86-64 only"
#endif

/* Lies at the upper end of the stack. */
struct host_fiber {
    void *fake_stack; /* the sanitizer's, while not running */
    const void *stack_base;
    size_t stack_size;
    void (*entry)(void *arg);
    void *arg;
};

static struct host_fiber main_fiber; /* of the thread that called host_kernel_start() */

void host_switch_stacks(uintptr_t *save, uintptr_t to);
__asm__(".text\n"
        ".globl host_switch_stacks\n"
        ".hidden host_switch_stacks\n"
        "host_switch_stacks:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n"
        "    pushq %r13\n    pushq %r14\n    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n"
        "    popq %r12\n    popq %rbx\n    popq %rbp\n"
        "    ret\n");

#define SAVED_REGISTERS 6

/* How deep a test may have been on the main stack when a panic elsewhere cut it short. */
#define ABANDONED_FRAMES_MAX (256 * 1024)

static void find_main_stack(void)
{
    pthread_attr_t attributes;
    void *base;

    if (main_fiber.stack_base || pthread_getattr_np(pthread_self(), &attributes) != 0)
        return;
    pthread_attr_getstack(&attributes, &base, &main_fiber.stack_size);
    pthread_attr_destroy(&attributes);
    main_fiber.stack_base = base;
}

/* A new task's first function; which task it is, the switch has left here. */
static struct host_fiber *starting;

static void __noreturn fiber_start(void)
{
    struct host_fiber *fiber = starting;

    finish_switch(fiber->fake_stack);
    fiber->entry(fiber->arg);
    abort();
}

void context_init(struct context *context, void *stack_base, size_t stack_size,
                  void (*entry)(void *arg), void *arg)
{
    struct host_fiber *fiber = (struct host_fiber *)((uintptr_t)stack_base + stack_size) - 1;
    uintptr_t top = (uintptr_t)fiber & ~(uintptr_t)15;
    uintptr_t *frame = (uintptr_t *)top - (SAVED_REGISTERS + 2);

    unpoison(stack_base, stack_size); /* what frames of a task before it left there */
    *fiber = (struct host_fiber){ NULL, stack_base, stack_size, entry, arg };
    memset(frame, 0, (SAVED_REGISTERS + 2) * sizeof(*frame));
    frame[SAVED_REGISTERS] = (uintptr_t)fiber_start;
    context->stack_pointer = (uintptr_t)frame;
    context->private = fiber;
}

__attribute__((no_sanitize_address)) void context_switch(struct context *from, struct context *to)
{
    if (!from->private) {
        find_main_stack();
        from->private = &main_fiber;
    }
    struct host_fiber *leaving = from->private;
    struct host_fiber *coming = to->private;

    starting = coming;
    start_switch(&leaving->fake_stack, coming->stack_base, coming->stack_size);
    host_switch_stacks(&from->stack_pointer, to->stack_pointer);
    finish_switch(leaving->fake_stack);
}

void context_destroy(struct context *context)
{
    struct host_fiber *fiber = context->private;

    if (!fiber || fiber == &main_fiber)
        return;
    unpoison(fiber->stack_base, fiber->stack_size);
    context->private = NULL;
}

__attribute__((no_sanitize_address)) void host_context_back_on_main_stack(void)
{
    const char *here = __builtin_frame_address(0);
    size_t below;

    find_main_stack();
    start_switch(NULL, main_fiber.stack_base, main_fiber.stack_size);
    finish_switch(NULL);
    below = (size_t)(here - (const char *)main_fiber.stack_base);
    if (below > ABANDONED_FRAMES_MAX)
        below = ABANDONED_FRAMES_MAX;
    unpoison(here - below, below);
}

void context_boot_stack(uintptr_t *stack_base, size_t *stack_size)
{
    find_main_stack();
    *stack_base = (uintptr_t)main_fiber.stack_base;
    *stack_size = main_fiber.stack_size;
}

size_t context_backtrace(const struct context *context, uintptr_t stack_base, size_t stack_size,
                         uintptr_t *addresses, size_t count)
{
    (void)context;
    (void)stack_base;
    (void)stack_size;
    (void)addresses;
    (void)count;
    return 0;
}
