/*
 * Walking a chain of frame pointers.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/**
 * backtrace_frames() - return addresses from the frame at @frame up
 * Reads only inside [@stack_base, @stack_base + @stack_size). Context: any.
 * Return: number of addresses stored, at most @count.
 */
size_t backtrace_frames(uintptr_t frame, uintptr_t stack_base, size_t stack_size,
                        uintptr_t *addresses, size_t count);
