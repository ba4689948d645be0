/*
 * Contexts of tasks that are not running, and the chain of frames on a stack.
 *
 * Every function keeps a frame pointer (-fno-omit-frame-pointer): RBP points at the caller's RBP,
 * with the return address above it. The chain ends with a zero.
 */
#include "arch/context.h"

#include "arch/x86_64/backtrace.h"
#include "arch/x86_64/context_frame.h"
#include "arch/x86_64/entry.h"
#include "arch/x86_64/linker.h"

void context_init(struct context *context, void *stack_base, size_t stack_size,
                  void (*entry)(void *arg), void *arg)
{
    /* A zero word above the frame: with the return address consumed, the stack is aligned as at a
     * call, and the chain of frames has an end. */
    uint64_t *top = (uint64_t *)((uintptr_t)stack_base + stack_size) - 2;
    struct context_frame *frame = (struct context_frame *)top - 1;

    top[0] = top[1] = 0;
    *frame = (struct context_frame){
        .r12 = (uintptr_t)entry,
        .r13 = (uintptr_t)arg,
        .return_address = (uintptr_t)context_entry,
    };
    context->stack_pointer = (uintptr_t)frame;
    context->private = NULL;
}

void context_boot_stack(uintptr_t *stack_base, size_t *stack_size)
{
    *stack_base = (uintptr_t)boot_stack;
    *stack_size = (size_t)(boot_stack_end - boot_stack);
}

void context_destroy(struct context *context)
{
    context->stack_pointer = 0;
}

size_t backtrace_frames(uintptr_t frame, uintptr_t stack_base, size_t stack_size,
                        uintptr_t *addresses, size_t count)
{
    size_t found = 0;

    while (found < count) {
        if (frame % sizeof(uintptr_t) || frame - stack_base >= stack_size ||
            stack_size - (frame - stack_base) < 2 * sizeof(uintptr_t))
            break;
        const uintptr_t *words = (const uintptr_t *)frame;
        if (words[1] == 0)
            break;
        addresses[found++] = words[1];
        if (words[0] <= frame) /* frames lie ever higher: no loops */
            break;
        frame = words[0];
    }
    return found;
}

size_t context_backtrace(const struct context *context, uintptr_t stack_base, size_t stack_size,
                         uintptr_t *addresses, size_t count)
{
    if (!context)
        return backtrace_frames((uintptr_t)__builtin_frame_address(0), stack_base, stack_size,
                                addresses, count);

    uintptr_t pointer = context->stack_pointer;
    if (count == 0 || pointer < stack_base ||
        pointer + sizeof(struct context_frame) > stack_base + stack_size)
        return 0;

    const struct context_frame *frame = (const struct context_frame *)pointer;
    addresses[0] = frame->return_address;
    return 1 + backtrace_frames(frame->rbp, stack_base, stack_size, addresses + 1, count - 1);
}
