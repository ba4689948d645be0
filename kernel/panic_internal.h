/*
 * Between panic.c and backtrace.c.
 */
#pragma once

#include <stdbool.h>

struct cpu_registers;

/**
 * panic_stop_if_asked() - if a panic wants this CPU to stop, never returns
 * Return: true on the CPU that reports the panic, which nothing may disturb; else false.
 */
bool panic_stop_if_asked(const struct cpu_registers *registers);
