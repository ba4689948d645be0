/*
 * What the live page shows of each part of the machine.
 */
#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/mmu.h"
#include "block/block_device.h"
#include "fs/vfs.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task.h"
#include "lib/printf.h"
#include "mm/kmalloc.h"
#include "mm/owner.h"
#include "mm/page.h"
#include "net/netdev.h"
#include "shell/httpd/status.h"

#define TASKS_SHOWN 200

/* ---- CPUs ---- */

/* The name of a CPU's current task, which may end at any moment: looked up by its pid. */
static void put_current(struct status *status, const struct task *current)
{
    struct task *task = current ? task_find(current->pid) : NULL;

    status_text(status, task && !task->is_idle ? task->name : "");
    if (task)
        task_put(task);
}

static void cpu_rows(struct status *status)
{
    struct sched_statistics sched;
    struct irq_counters irqs;
    unsigned int cpu;

    for_each_online_cpu(cpu) {
        sched_statistics(cpu, &sched);
        arch_irq_counters(cpu, &irqs);
        status_row(status);
        status_number(status, cpu);
        status_number(status, status->now_ns - MIN(sched.idle_ns, status->now_ns));
        status_number(status, sched.ready);
        status_number(status, sched.switches);
        status_number(status, irqs.device + irqs.timer + irqs.reschedule + irqs.call);
        put_current(status, sched.current);
    }
}

static const struct status_column cpu_columns[] = {
    { "CPU", STATUS_NUMBER },       { "Busy", STATUS_BUSY_NS },       { "Ready", STATUS_NUMBER },
    { "Switches", STATUS_COUNTER }, { "Interrupts", STATUS_COUNTER }, { "Runs", STATUS_TEXT },
};
STATUS_TABLE(cpus, 10, "CPUs", STATUS_HALF, cpu_columns, cpu_rows);

/* ---- memory ---- */

static void put_memory(struct status *status, const char *owner, size_t pages, size_t total)
{
    if (pages == 0)
        return;
    status_row(status);
    status_text(status, owner);
    status_number(status, (uint64_t)pages * PAGE_SIZE);
    status_number(status, (uint64_t)pages * 10000 / MAX(total, (size_t)1));
}

static void memory_rows(struct status *status)
{
    struct page_statistics pages;
    const char *name;

    page_statistics(&pages);
    put_memory(status, "free", pages.free_pages, pages.total_pages);
    put_memory(status, "kernel image, page tables", pages.kernel_pages, pages.total_pages);
    for (uint16_t number = 0; (name = owner_name(number)) != NULL; number++)
        put_memory(status, name, owner_total(number), pages.total_pages);
}

static const struct status_column memory_columns[] = {
    { "Owner", STATUS_TEXT },
    { "Size", STATUS_BYTES },
    { "Share", STATUS_SHARE },
};
STATUS_TABLE(memory, 20, "Memory", STATUS_HALF, memory_columns, memory_rows);

/* ---- tasks ---- */

static void put_task(struct status *status, struct task *task)
{
    const char *wait_name = READ_ONCE(task->wait_name);

    status_row(status);
    status_number(status, task->pid);
    status_text(status, task->name);
    status_number(status, task_run_ns(task));
    status_text(status, task_state_name(READ_ONCE(task->state)));
    status_number(status, READ_ONCE(task->cpu));
    status_number(status, READ_ONCE(task->switches));
    status_text(status, wait_name ? wait_name : "");
}

static void task_rows(struct status *status)
{
    struct task *task;
    uint32_t pid = 0;

    for (unsigned int shown = 0; shown < TASKS_SHOWN && (task = task_next(pid)) != NULL;) {
        pid = task->pid;
        if (!task->is_idle) {
            put_task(status, task);
            shown++;
        }
        task_put(task);
    }
}

static const struct status_column task_columns[] = {
    { "PID", STATUS_NUMBER },     { "Name", STATUS_TEXT },  { "CPU time", STATUS_BUSY_NS },
    { "State", STATUS_TEXT },     { "CPU", STATUS_NUMBER }, { "Switches", STATUS_COUNTER },
    { "Waits for", STATUS_TEXT },
};
STATUS_TABLE(tasks, 30, "Tasks", STATUS_BY_BUSY, task_columns, task_rows);

/* ---- network ---- */

static void put_netdev(struct status *status, struct netdev *netdev)
{
    const struct netdev_counters *counters = &netdev->counters;
    uint32_t own = interface_ipv4(&netdev->interface);
    char ip[IP_ADDRESS_TEXT_SIZE], address[IP_ADDRESS_TEXT_SIZE + 8] = "";
    uint64_t drops = 0;

    for (unsigned int i = 0; i < NETDEV_DROP_COUNT; i++)
        drops += atomic_load_relaxed(&counters->drops[i]);
    if (own)
        snprintf(address, sizeof(address), "%s/%u", ipv4_format(ip, own),
                 READ_ONCE(netdev->interface.prefix_length));
    status_row(status);
    status_text(status, netdev->name);
    status_text(status, READ_ONCE(netdev->is_link_up) ? address : "link down");
    status_number(status, atomic_load_relaxed(&counters->rx_bytes));
    status_number(status, atomic_load_relaxed(&counters->tx_bytes));
    status_number(status, drops);
}

static void network_rows(struct status *status)
{
    struct netdev *netdev = NULL;

    while ((netdev = netdev_next(netdev)) != NULL)
        put_netdev(status, netdev);
}

static const struct status_column network_columns[] = {
    { "Device", STATUS_TEXT },
    { "Address", STATUS_TEXT },
    { "Received", STATUS_BYTES_COUNTER },
    { "Sent", STATUS_BYTES_COUNTER },
    { "Dropped", STATUS_NUMBER },
};
STATUS_TABLE(network, 24, "Network", STATUS_HALF, network_columns, network_rows);

/* ---- disks ---- */

static bool put_disk(struct block_device *device, void *arg)
{
    struct status *status = arg;
    const struct block_statistics *statistics = &device->statistics;

    if (device->partition_number)
        return true;
    status_row(status);
    status_text(status, device->name);
    status_text(status, device->model);
    status_number(status, device->sectors * 512);
    status_number(status, READ_ONCE(statistics->read_sectors) * 512);
    status_number(status, READ_ONCE(statistics->write_sectors) * 512);
    status_number(status, READ_ONCE(statistics->in_flight));
    status_number(status, READ_ONCE(statistics->errors));
    return true;
}

static void disk_rows(struct status *status)
{
    block_device_for_each(put_disk, status);
}

static const struct status_column disk_columns[] = {
    { "Disk", STATUS_TEXT },
    { "Model", STATUS_TEXT },
    { "Size", STATUS_BYTES },
    { "Read", STATUS_BYTES_COUNTER },
    { "Written", STATUS_BYTES_COUNTER },
    { "In flight", STATUS_NUMBER },
    { "Errors", STATUS_NUMBER },
};
STATUS_TABLE(disks, 26, "Disks", STATUS_HALF, disk_columns, disk_rows);

/* ---- file systems ---- */

#define MOUNTS_SHOWN 32

static void filesystem_rows(struct status *status)
{
    struct vfs_usage *usages = kcalloc(MOUNTS_SHOWN, sizeof(*usages));
    size_t count = usages ? vfs_usage(usages, MOUNTS_SHOWN) : 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t used = usages[i].size - usages[i].free;
        status_row(status);
        status_text(status, usages[i].path);
        status_text(status, usages[i].filesystem);
        status_text(status, usages[i].source);
        status_number(status, usages[i].size);
        status_number(status, used);
        status_number(status, used / (usages[i].size / 10000 + 1));
    }
    kfree(usages);
}

static const struct status_column filesystem_columns[] = {
    { "Path", STATUS_TEXT },  { "Type", STATUS_TEXT },  { "Disk", STATUS_TEXT },
    { "Size", STATUS_BYTES }, { "Used", STATUS_BYTES }, { "Share", STATUS_SHARE },
};
STATUS_TABLE(filesystems, 28, "File systems", STATUS_HALF, filesystem_columns, filesystem_rows);
