/*
 * `irqstat`: who handles which interrupt where, and how many there were.
 */
#include "arch/cpu.h"
#include "arch/irq.h"
#include "kernel/irq/irq.h"
#include "kernel/irq/softirq.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "shell/command.h"

static void show_devices(struct shell *shell)
{
    struct irq_description irq;
    char source[16];

    shell_printf(shell, "%-24s %3s %6s %-8s %12s %12s\n", "DEVICE", "CPU", "VECTOR", "SOURCE",
                 "CLAIMED", "DELIVERED");
    for (unsigned int i = 0; irq_describe(i, &irq); i++) {
        if (irq.gsi == IRQ_ROUTE_NO_GSI)
            snprintf(source, sizeof(source), "MSI");
        else
            snprintf(source, sizeof(source), "line %u", irq.gsi);
        shell_printf(shell, "%-24s %3u %#6x %-8s %12llu %12llu\n", irq.name, irq.cpu, irq.vector,
                     source, (unsigned long long)irq.claimed, (unsigned long long)irq.delivered);
    }
}

#define U(x) ((unsigned long long)(x))

static void show_cpus(struct shell *shell)
{
    struct irq_counters counters;
    unsigned int cpu;

    shell_printf(shell, "\n%3s %11s %11s %11s %11s %11s %11s\n", "CPU", "DEVICE", "TIMER",
                 "RESCHEDULE", "CALL", "NMI", "SPURIOUS");
    for_each_online_cpu(cpu) {
        arch_irq_counters(cpu, &counters);
        shell_printf(shell, "%3u %11llu %11llu %11llu %11llu %11llu %11llu\n", cpu,
                     U(counters.device), U(counters.timer), U(counters.reschedule),
                     U(counters.call), U(counters.nmi), U(counters.spurious));
    }
}

static void show_softirqs(struct shell *shell)
{
    struct softirq_statistics statistics;
    unsigned int cpu;

    shell_printf(shell, "\nSOFTIRQ\n");
    for (unsigned int i = 0; i < SOFTIRQ_COUNT; i++) {
        uint64_t runs = 0;
        for_each_online_cpu(cpu) {
            softirq_statistics((enum softirq)i, cpu, &statistics);
            runs += statistics.runs;
        }
        if (statistics.name)
            shell_printf(shell, "%-12s %12llu\n", statistics.name, (unsigned long long)runs);
    }
}

static int irqstat_command(struct shell *shell, int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return -EINVAL;
    show_devices(shell);
    show_cpus(shell);
    show_softirqs(shell);
    return 0;
}
SHELL_COMMAND(irqstat, "irqstat", "interrupts by device and CPU, with their vectors",
              irqstat_command, CMD_PANIC_OK);
