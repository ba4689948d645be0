/*
 * Non-maskable interrupts: they reach a CPU that spins with interrupts off.
 */
#pragma once

struct cpu_registers;

/** nmi_handle() - find out why this CPU was interrupted and do it. Context: NMI stack. */
void nmi_handle(struct cpu_registers *registers);
