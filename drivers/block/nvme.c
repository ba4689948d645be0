/*
 * NVMe controllers (NVM Express Base Specification 1.4): from finding one to its death.
 *
 * Above: nvme_disk.c, its namespaces as block devices. Below: drivers/bus/pci. The files and locks
 * are told in nvme.h.
 *
 * A controller may take seconds to become ready (CAP.TO): a task brings it up, and the probe waits
 * for that a short while only, so that a dead drive does not hold up the boot.
 */
#include "drivers/block/nvme.h"

#include "arch/cpu.h"
#include "arch/io.h"
#include "arch/mmu.h"
#include "kernel/log.h"
#include "kernel/sched/task.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "mm/vm.h"

enum nvme_register { /* 3.1 */
    REGISTER_CAP = 0x00,
    REGISTER_VS = 0x08,
    REGISTER_INTMS = 0x0c,
    REGISTER_INTMC = 0x10,
    REGISTER_CC = 0x14,
    REGISTER_CSTS = 0x1c,
    REGISTER_AQA = 0x24,
    REGISTER_ASQ = 0x28,
    REGISTER_ACQ = 0x30,
    REGISTER_DOORBELLS = 0x1000,
};

#define CAP_ENTRIES(cap)  ((cap)&0xffff)       /* MQES, one less than it says */
#define CAP_TIMEOUT(cap)  ((cap) >> 24 & 0xff) /* TO, in units of 500 ms */
#define CAP_STRIDE(cap)   ((cap) >> 32 & 0xf)  /* DSTRD */
#define CAP_PAGE_MIN(cap) ((cap) >> 48 & 0xf)  /* MPSMIN: 0 is 4 KiB */
#define CAP_NVM           (1ULL << 37)         /* CSS: the NVM command set */
#define CAP_TIMEOUT_UNIT  (500 * NS_PER_MS)

#define CC_ENABLE   0x1u
#define CC_ENTRIES  (6u << 16 | 4u << 20) /* entries of 64 and 16 bytes */
#define CSTS_READY  0x1u
#define CSTS_FATAL  0x2u
#define CSTS_ABSENT UINT32_MAX /* what reads as all ones is not there any more */

#define INTX_VECTOR       0x1u /* all queues use vector 0 then */
#define NVME_CLASS        0x0108
#define NVME_INTERFACE    2
#define REGISTERS_MAPPED  0x10000 /* at most: doorbells of many queues */
#define READY_POLL_NS     (100 * NS_PER_US)
#define PROBE_PATIENCE_NS (2 * NS_PER_S)

static uint32_t read_register(const struct nvme_controller *controller, unsigned int offset)
{
    return mmio_read32(controller->registers + offset);
}

static void write_register(const struct nvme_controller *controller, unsigned int offset,
                           uint32_t value)
{
    mmio_write32(controller->registers + offset, value);
}

static uint64_t read_register64(const struct nvme_controller *controller, unsigned int offset)
{
    return read_register(controller, offset) | (uint64_t)read_register(controller, offset + 4)
                                                   << 32;
}

static void write_register64(const struct nvme_controller *controller, unsigned int offset,
                             uint64_t value)
{
    write_register(controller, offset, (uint32_t)value);
    write_register(controller, offset + 4, (uint32_t)(value >> 32));
}

/* ---- enabling and disabling ---------------------------------------------------------------- */

static int wait_ready(const struct nvme_controller *controller, bool is_wanted)
{
    uint64_t deadline = deadline_after_ns(controller->ready_timeout_ns);

    for (;;) {
        uint32_t status = read_register(controller, REGISTER_CSTS);
        if (status == CSTS_ABSENT)
            return -ENODEV;
        if (!!(status & CSTS_READY) == is_wanted)
            return 0;
        if (is_wanted && status & CSTS_FATAL)
            return -EIO;
        if (clock_now_ns() > deadline)
            return -ETIMEDOUT;
        if (sleep_ns(READY_POLL_NS))
            return -ECANCELED;
    }
}

static int disable(const struct nvme_controller *controller)
{
    uint32_t configuration = read_register(controller, REGISTER_CC);

    if (configuration & CC_ENABLE)
        write_register(controller, REGISTER_CC, configuration & ~CC_ENABLE);
    return wait_ready(controller, false);
}

/* From disabled to answering admin commands (7.6.1). */
static int enable(const struct nvme_controller *controller)
{
    uint32_t size = controller->admin->size - 1u;

    write_register(controller, REGISTER_AQA, size << 16 | size);
    write_register64(controller, REGISTER_ASQ, direct_map_to_phys(controller->admin->submissions));
    write_register64(controller, REGISTER_ACQ,
                     direct_map_to_phys((const void *)controller->admin->completions));
    write_register(controller, REGISTER_CC, CC_ENTRIES | CC_ENABLE);
    int error = wait_ready(controller, true);
    if (error)
        return error;
    nvme_queue_open(controller->admin);
    return 0;
}

int nvme_quiesce(struct nvme_controller *controller)
{
    int error = disable(controller);

    if (error) {
        log_error("nvme", "%s: cannot be disabled: %s; its access to memory is switched off",
                  controller->name, errno_text(error));
        pci_disable_bus_master(controller->pci);
    }
    return error;
}

/* ---- interrupts ---------------------------------------------------------------------------- */

void nvme_unmask(struct nvme_controller *controller)
{
    if (controller->intx)
        write_register(controller, REGISTER_INTMC, INTX_VECTOR);
}

static bool queue_isr(void *context)
{
    struct nvme_queue *queue = context;

    block_poll_schedule(&queue->poll);
    return true;
}

static bool schedule_if_due(struct nvme_queue *queue)
{
    bool is_due = nvme_queue_has_completions(queue);

    if (is_due)
        block_poll_schedule(&queue->poll);
    return is_due;
}

/* One interrupt for all queues. A line stays up until the entries are taken: masked till then. */
static bool shared_isr(void *context)
{
    struct nvme_controller *controller = context;
    bool is_ours = schedule_if_due(controller->admin);

    for (unsigned int i = 0; i < controller->queue_count; i++)
        is_ours |= schedule_if_due(controller->queues[i]);
    if (is_ours && controller->intx)
        write_register(controller, REGISTER_INTMS, INTX_VECTOR);
    return is_ours || controller->vectors; /* a message is nobody else's */
}

/* The admin queue's, which is vector 0, or everything's when there is nothing better. */
static int request_first_interrupt(struct nvme_controller *controller)
{
    int vectors = pci_msix_enable(controller->pci);

    if (vectors > 0) {
        int error = pci_msix_request(controller->pci, 0, controller->name, IRQ_ANY_CPU, shared_isr,
                                     controller);
        if (!error) {
            controller->vectors = (unsigned int)vectors;
            return 0;
        }
        pci_msix_disable(controller->pci);
    }
    return pci_intx_request(controller->pci, controller->name, shared_isr, controller,
                            &controller->intx);
}

/* Queue @index has vector @index + 1, where there are so many. */
static uint16_t queue_vector(const struct nvme_controller *controller, unsigned int index)
{
    return controller->vectors > controller->queue_count ? (uint16_t)(index + 1) : 0;
}

static int request_queue_interrupts(struct nvme_controller *controller)
{
    for (unsigned int i = 0; i < controller->queue_count; i++) {
        uint16_t vector = queue_vector(controller, i);
        int error = vector ? pci_msix_request(controller->pci, vector, controller->queues[i]->name,
                                              cpu_is_online(i) ? i : IRQ_ANY_CPU, queue_isr,
                                              controller->queues[i])
                           : 0;
        if (error)
            return error;
    }
    return 0;
}

static void free_interrupts(struct nvme_controller *controller)
{
    if (controller->vectors)
        pci_msix_disable(controller->pci);
    if (controller->intx)
        irq_free(controller->intx);
    controller->vectors = 0;
    controller->intx = NULL;
}

/* ---- reset --------------------------------------------------------------------------------- */

static int create_queues(struct nvme_controller *controller)
{
    unsigned int count = controller->queue_count;
    int error = nvme_set_queue_count(controller, &count);

    if (!error && count < controller->queue_count)
        error = -EIO; /* fewer than before */
    for (unsigned int i = 0; !error && i < controller->queue_count; i++) {
        error = nvme_create_queue(controller, controller->queues[i], queue_vector(controller, i));
        if (!error)
            nvme_queue_open(controller->queues[i]);
    }
    return error;
}

static void close_queues(struct nvme_controller *controller)
{
    nvme_queue_close(controller->admin);
    for (unsigned int i = 0; i < controller->queue_count; i++)
        nvme_queue_close(controller->queues[i]);
}

static void reset_queues(struct nvme_controller *controller, int error)
{
    nvme_queue_reset(controller->admin, error);
    for (unsigned int i = 0; i < controller->queue_count; i++)
        nvme_queue_reset(controller->queues[i], error);
}

static int restart(struct nvme_controller *controller)
{
    int error = enable(controller);

    return error ? error : create_queues(controller);
}

static void bury(struct nvme_controller *controller, int error)
{
    log_error("nvme", "%s: does not come back from reset: %s", controller->name, errno_text(error));
    controller->is_dead = true;
    close_queues(controller);
    if (disable(controller))
        pci_disable_bus_master(controller->pci);
    reset_queues(controller, -EIO);
    nvme_disks_recover(controller, controller->disk_count);
}

int nvme_reset(struct nvme_controller *controller)
{
    if (controller->is_dead)
        return -EIO;
    close_queues(controller);
    int error = nvme_quiesce(controller);
    reset_queues(controller, error ? -EIO : -EAGAIN);
    if (!error)
        error = restart(controller);
    if (error) {
        bury(controller, error);
        return error;
    }
    log_warning("nvme", "%s: was reset and works again", controller->name);
    nvme_disks_retry(controller);
    return 0;
}

void nvme_broken(struct nvme_controller *controller)
{
    nvme_disks_recover(controller, 1);
}

/* ---- starting ------------------------------------------------------------------------------ */

static int read_capabilities(struct nvme_controller *controller)
{
    uint64_t capabilities = read_register64(controller, REGISTER_CAP);

    if (capabilities == UINT64_MAX)
        return -ENODEV;
    if (CAP_PAGE_MIN(capabilities) > 0 || !(capabilities & CAP_NVM)) {
        log_error("nvme", "%s: without 4 KiB pages or the NVM command set (CAP %#llx)",
                  controller->name, (unsigned long long)capabilities);
        return -ENOTSUP;
    }
    controller->max_entries = (uint16_t)MIN(CAP_ENTRIES(capabilities) + 1, (uint64_t)UINT16_MAX);
    controller->doorbell_stride = 4u << CAP_STRIDE(capabilities);
    controller->ready_timeout_ns = MAX(CAP_TIMEOUT(capabilities), (uint64_t)1) * CAP_TIMEOUT_UNIT;
    return 0;
}

static int identify(struct nvme_controller *controller)
{
    struct nvme_controller_data parsed;
    uint8_t *data = page_alloc(1, 0, "nvme");
    int error = data ? nvme_identify_controller(controller, data) : -ENOMEM;

    if (!error) {
        nvme_parse_controller(data, &parsed);
        strlcpy(controller->model, parsed.model, sizeof(controller->model));
        controller->max_transfer = MIN(parsed.max_transfer, (uint32_t)NVME_TRANSFER_MAX);
        controller->has_write_cache = parsed.has_write_cache;
        controller->has_discard = parsed.has_discard;
    }
    page_free(data);
    return error;
}

/* Doorbells that lie in the part of the BAR which is mapped. */
static unsigned int reachable_queues(const struct nvme_controller *controller)
{
    size_t doorbells = controller->registers_length - REGISTER_DOORBELLS;
    size_t pairs = doorbells / (2 * (size_t)controller->doorbell_stride);

    return pairs > 0 ? (unsigned int)MIN(pairs - 1, (size_t)NVME_QUEUES_MAX) : 0;
}

static uint16_t queue_entries(const struct nvme_controller *controller)
{
    uint16_t entries = NVME_IO_ENTRIES;

    while (entries > controller->max_entries)
        entries /= 2;
    return entries;
}

/* One queue per CPU, if the controller has so many. */
static int make_queues(struct nvme_controller *controller)
{
    unsigned int count = MIN(cpu_possible_count(), reachable_queues(controller));

    if (count == 0 || controller->max_entries < 2)
        return -ENOTSUP;
    int error = nvme_set_queue_count(controller, &count);
    for (unsigned int i = 0; !error && i < count; i++) {
        controller->queues[i] =
            nvme_queue_create(controller, (uint16_t)(i + 1), queue_entries(controller));
        if (!controller->queues[i])
            return -ENOMEM;
        controller->queue_count = i + 1;
    }
    return error;
}

static int bring_up(struct nvme_controller *controller)
{
    int error = disable(controller);

    if (!error)
        error = request_first_interrupt(controller);
    if (!error)
        error = enable(controller);
    if (!error)
        error = identify(controller);
    if (!error)
        error = make_queues(controller);
    if (!error)
        error = request_queue_interrupts(controller);
    if (!error)
        error = create_queues(controller);
    return error ? error : nvme_disks_scan(controller);
}

/* The controller's structure stays: the probe may be looking at it. */
static void take_down(struct nvme_controller *controller)
{
    close_queues(controller);
    if (disable(controller))
        pci_disable_bus_master(controller->pci);
    free_interrupts(controller);
    reset_queues(controller, -EIO);
    for (unsigned int i = 0; i < controller->queue_count; i++)
        nvme_queue_destroy(controller->queues[i]);
    controller->queue_count = 0;
    nvme_queue_destroy(controller->admin);
    vm_unmap_device(controller->registers);
}

static int start_task(void *arg)
{
    struct nvme_controller *controller = arg;
    int error = bring_up(controller);

    if (error) {
        log_error("nvme", "%s at %s: does not start: %s", controller->name, controller->pci->name,
                  errno_text(error));
        take_down(controller);
    }
    wait_group_done(&controller->started, 0);
    return 0;
}

static int map_registers(struct nvme_controller *controller)
{
    uint64_t length = MIN(controller->pci->bars[0].size, (uint64_t)REGISTERS_MAPPED);

    if (length <= REGISTER_DOORBELLS)
        return -ENODEV;
    controller->registers_length = length;
    controller->registers = pci_map_bar(controller->pci, 0, 0, length);
    return controller->registers ? 0 : -ENODEV;
}

static int prepare(struct nvme_controller *controller)
{
    int error = map_registers(controller);

    if (error)
        return error;
    error = read_capabilities(controller);
    if (!error) {
        controller->admin = nvme_queue_create(controller, 0, NVME_ADMIN_ENTRIES);
        if (!controller->admin)
            error = -ENOMEM;
    }
    if (error)
        vm_unmap_device(controller->registers);
    return error;
}

static int nvme_probe(struct pci_device *pci)
{
    static unsigned int next_number; /* probes come one after another */

    if (pci->prog_if != NVME_INTERFACE)
        return -ENODEV;
    struct nvme_controller *controller = kzalloc(sizeof(*controller));
    if (!controller)
        return -ENOMEM;
    controller->pci = pci;
    snprintf(controller->name, sizeof(controller->name), "nvme%u", next_number++);
    wait_group_init(&controller->started, "nvme start");
    wait_group_add(&controller->started, 1);
    pci_enable(pci);
    int error = prepare(controller);
    if (!error)
        error = task_create("nvme-start", start_task, controller, NULL);
    if (error) {
        kfree(controller); /* the queue and mapping of one that could not even get a task stay */
        return error;
    }
    pci->driver_data = controller;
    if (wait_group_wait(&controller->started, deadline_after_ns(PROBE_PATIENCE_NS),
                        WAIT_UNCANCELLABLE) == -ETIMEDOUT)
        log_warning("nvme", "%s at %s: not ready yet: the boot goes on without it",
                    controller->name, pci->name);
    return 0;
}

static const struct pci_id nvme_ids[] = {
    { PCI_ANY_ID, PCI_ANY_ID, NVME_CLASS },
    { 0 },
};
PCI_DRIVER(nvme, nvme_ids, nvme_probe);
