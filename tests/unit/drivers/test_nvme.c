/*
 * The NVMe driver against a simulated controller that follows NVMe 1.4 - and against ones that are
 * dead, slow or lie.
 */
#include "tests/unit/unit.h"

#include "arch/host/host.h"
#include "arch/mmu.h"
#include "drivers/block/nvme.h"
#include "kernel/init.h"
#include "lib/byteorder.h"
#include "lib/errno.h"

#define REGISTER_CC   0x14
#define REGISTER_CSTS 0x1c
#define DOORBELLS     0x1000
#define BLOCKS        8192
#define NAMESPACES    2
#define ENTRIES       8

static struct model {
    uint32_t registers[0x2000 / 4];
    uint8_t data[NAMESPACES][BLOCKS * 512];
    bool was_enabled;
    uint16_t head[2];      /* of the submission queues */
    uint32_t completed[2]; /* completions written since the last reset */

    bool never_ready, never_disabled, is_fatal, is_absent, is_silent;
    int lie;         /* this completion from now on names a wrong command; 0: none */
    uint16_t status; /* of reads and writes, without the phase */
    unsigned int resets, flushes;
} model;
static struct nvme_controller controller;
static struct pci_device pci;

/* In place of drivers/bus/: the controller lies on no bus. */
static bool is_bus_master;

void pci_disable_bus_master(struct pci_device *device)
{
    (void)device;
    is_bus_master = false;
}

void pci_enable(struct pci_device *device)
{
    (void)device;
}

void *pci_map_bar(const struct pci_device *device, unsigned int bar, uint64_t offset, size_t length)
{
    (void)device, (void)bar, (void)offset, (void)length;
    return NULL;
}

int pci_msix_enable(struct pci_device *device)
{
    (void)device;
    return -ENODEV;
}

int pci_msix_request(struct pci_device *device, unsigned int index, const char *name,
                     unsigned int cpu, irq_handler_t handler, void *context)
{
    (void)device, (void)index, (void)name, (void)cpu, (void)handler, (void)context;
    return -ENODEV;
}

void pci_msix_disable(struct pci_device *device)
{
    (void)device;
}

int pci_intx_request(struct pci_device *device, const char *name, irq_handler_t handler,
                     void *context, struct irq **irq)
{
    (void)device, (void)name, (void)handler, (void)context, (void)irq;
    return -ENODEV;
}

/* ---- the controller's side ----------------------------------------------------------------- */

static uint32_t *reg(unsigned int offset)
{
    return &model.registers[offset / 4];
}

static struct nvme_queue *queue_of(unsigned int id)
{
    return id == 0 ? controller.admin : controller.queues[0];
}

static void complete(unsigned int id, uint16_t cid, uint32_t result, uint16_t status)
{
    struct nvme_queue *queue = queue_of(id);
    uint32_t count = model.completed[id]++;
    bool is_lie = model.lie && --model.lie == 0;
    volatile struct nvme_completion *entry = &queue->completions[count % queue->size];

    entry->result = result;
    entry->cid = is_lie ? (uint16_t)(cid + 5) : cid;
    entry->status = (uint16_t)(status << 1 | (count / queue->size % 2 == 0));
}

static void identify(const struct nvme_command *command)
{
    uint8_t *page = phys_to_virt(command->prp1);

    memset(page, 0, 4096);
    if (command->cdw10 == 2) { /* the active namespaces: 1 and 4 */
        uint32_t ids[] = { 1, 4 };
        for (size_t i = 0, at = 0; i < 2; i++)
            if (ids[i] > command->nsid)
                memcpy(page + 4 * at++, &ids[i], 4);
    } else if (command->cdw10 == 0) {
        uint64_t blocks = BLOCKS;
        memcpy(page, &blocks, 8);
        page[128 + 2] = 9;
    }
}

/* The data of a transfer, by the rules of 4.3: only the first entry may have an offset. */
static void transfer(const struct nvme_command *command, uint8_t *data, uint64_t bytes)
{
    uint64_t offset = command->prp1 % 4096;
    uint64_t pages = (offset + bytes + 4095) / 4096;
    const uint64_t *list = pages > 2 ? phys_to_virt(command->prp2) : NULL;

    assert_int_equal(command->prp1 % 4, 0);
    for (uint64_t page = 0; page < pages; page++) {
        uint64_t at = page == 0 ? command->prp1 : list ? list[page - 1] : command->prp2;
        uint64_t length = MIN(bytes, 4096 - at % 4096);
        assert_true(page == 0 || at % 4096 == 0);
        if (command->opcode == NVME_READ)
            memcpy(phys_to_virt(at), data, length);
        else
            memcpy(data, phys_to_virt(at), length);
        data += length;
        bytes -= length;
    }
    assert_int_equal(bytes, 0);
}

static void carry_out(unsigned int id, const struct nvme_command *command)
{
    uint32_t result = 0;
    uint16_t status = 0;

    if (id == 0 && command->opcode == NVME_ADMIN_IDENTIFY) {
        identify(command);
    } else if (id == 1 && command->opcode == NVME_FLUSH) {
        model.flushes++;
    } else if (id == 1 && (command->opcode == NVME_READ || command->opcode == NVME_WRITE)) {
        uint64_t lba = command->cdw10 | (uint64_t)command->cdw11 << 32;
        uint64_t blocks = (command->cdw12 & 0xffff) + 1;
        status = model.status;
        assert_true(lba + blocks <= BLOCKS);
        if (!status)
            transfer(command, model.data[command->nsid == 4] + lba * 512, blocks * 512);
    }
    complete(id, command->cid, result, status);
}

static void follow_enable(void)
{
    bool is_enabled = *reg(REGISTER_CC) & 1;

    if (is_enabled && !model.was_enabled) {
        memset(model.head, 0, sizeof(model.head));
        memset(model.completed, 0, sizeof(model.completed));
        memset(&model.registers[DOORBELLS / 4], 0, 0x1000);
        model.resets++;
    }
    model.was_enabled = is_enabled;
    if (is_enabled ? !model.never_ready : !model.never_disabled)
        *reg(REGISTER_CSTS) = is_enabled;
    if (model.is_fatal)
        *reg(REGISTER_CSTS) |= 2;
    if (model.is_absent)
        memset(model.registers, 0xff, sizeof(model.registers));
}

/* Runs when nobody else does: the controller, and then its interrupt. */
static bool run_model(void *arg, uint64_t next_event_ns)
{
    bool has_worked = false;
    (void)arg;
    (void)next_event_ns;

    follow_enable();
    for (unsigned int id = 0; id < 2 && model.was_enabled && !model.is_absent; id++) {
        uint32_t tail = *reg(DOORBELLS + id * 8);
        while (model.head[id] != tail && !(model.is_silent && id == 1)) {
            const struct nvme_command *ring = queue_of(id)->submissions;
            struct nvme_command command = ring[model.head[id]];
            model.head[id] = (uint16_t)((model.head[id] + 1) % queue_of(id)->size);
            carry_out(id, &command);
            has_worked = true;
        }
        if (has_worked)
            nvme_queue_reap(queue_of(id));
    }
    return has_worked;
}

static void start_kernel(void)
{
    host_kernel_start();
    init_run_level(INIT_SCHED);
    init_run_level(INIT_BUS);
    host_set_idle_hook(run_model, NULL);
}

/* ---- the driver's side --------------------------------------------------------------------- */

static struct block_device *disk(const char *name)
{
    struct block_device *device = block_device_find(name);

    if (device)
        block_device_put(device);
    return device;
}

static void prepare(void)
{
    static unsigned int number;

    memset(&model, 0, sizeof(model));
    memset(&controller, 0, sizeof(controller));
    snprintf(controller.name, sizeof(controller.name), "nvme%u", number++);
    controller.pci = &pci;
    controller.registers = (uint8_t *)model.registers;
    controller.registers_length = sizeof(model.registers);
    controller.doorbell_stride = 4;
    controller.ready_timeout_ns = NS_PER_S;
    controller.max_transfer = 16384;
    controller.has_write_cache = true;
    controller.admin = nvme_queue_create(&controller, 0, NVME_ADMIN_ENTRIES);
    controller.queues[0] = nvme_queue_create(&controller, 1, ENTRIES);
    controller.queue_count = 1;
    is_bus_master = true;
    assert_non_null(controller.admin);
    assert_non_null(controller.queues[0]);
}

/* Return: the first namespace. */
static struct block_device *start(void)
{
    char name[BLOCK_NAME_MAX];

    prepare();
    assert_int_equal(nvme_reset(&controller), 0);
    assert_int_equal(nvme_disks_scan(&controller), 0);
    assert_int_equal(controller.disk_count, 2);
    snprintf(name, sizeof(name), "%sn1", controller.name);
    assert_non_null(disk(name));
    return disk(name);
}

static void test_transfers(void **state)
{
    static uint8_t out[300 * 512 + 4096], in[300 * 512 + 4096];
    struct unit_random random = { 3 };
    struct block_device *device = start();
    (void)state;

    for (int turn = 0; turn < 300; turn++) {
        uint64_t sectors = 1 + unit_random_u64(&random) % 300;
        lba_t lba = unit_random_u64(&random) % (BLOCKS - sectors);
        size_t shift = unit_random_u64(&random) % 4096;
        if (turn % 3)
            shift &= ~(size_t)3; /* what the device takes without a bounce buffer */
        for (size_t i = 0; i < sectors * 512; i++)
            out[shift + i] = (uint8_t)unit_random_u64(&random);
        assert_int_equal(block_write(device, lba, sectors, out + shift), 0);
        assert_memory_equal(model.data[0] + lba * 512, out + shift, sectors * 512);
        assert_int_equal(block_read(device, lba, sectors, in + shift), 0);
        assert_memory_equal(in + shift, out + shift, sectors * 512);
    }
    assert_int_equal(block_flush(device), 0);
    assert_int_equal(model.flushes, 1);
    assert_true(device->statistics.in_flight_max <= ENTRIES - 1);
}

static void test_errors(void **state)
{
    static uint8_t buffer[512];
    struct block_device *device = start();
    (void)state;

    model.status = 0x281; /* unrecovered read error */
    assert_int_equal(block_read(device, 0, 1, buffer), -EIO);
    model.status = 0x020;
    assert_int_equal(block_write(device, 0, 1, buffer), -EROFS);
    model.status = 0;
    assert_int_equal(block_read(device, 0, 1, buffer), 0);
}

/* A completion of a command that was not given: the controller is reset, the request sent again. */
static void test_lies(void **state)
{
    static uint8_t buffer[512];
    struct block_device *device = start();
    (void)state;

    model.data[0][7 * 512] = 0xa5;
    model.lie = 1;
    unsigned int resets = model.resets;
    assert_int_equal(block_read(device, 7, 1, buffer), 0);
    assert_int_equal(buffer[0], 0xa5);
    assert_int_equal(model.resets, resets + 1);
}

static void test_silence(void **state)
{
    static uint8_t buffer[512];
    struct block_device *device = start();
    (void)state;

    model.is_silent = true;
    unsigned int resets = model.resets;
    assert_int_equal(block_read(device, 0, 1, buffer), -ETIMEDOUT);
    host_advance_ns(NS_PER_S); /* the reader is told before the controller is enabled again */
    assert_int_equal(model.resets, resets + 1);
    model.is_silent = false;
    assert_int_equal(block_read(device, 0, 1, buffer), 0);
}

static void check_no_start(int error)
{
    uint64_t before = clock_now_ns();

    assert_int_equal(nvme_reset(&controller), error);
    assert_true(clock_now_ns() - before < 3 * NS_PER_S);
    assert_true(controller.is_dead);
}

static void test_never_ready(void **state)
{
    (void)state;
    prepare();
    model.never_ready = true;
    check_no_start(-ETIMEDOUT);
}

static void test_fatal(void **state)
{
    (void)state;
    prepare();
    model.never_ready = model.is_fatal = true;
    check_no_start(-EIO);
}

static void test_absent(void **state)
{
    (void)state;
    prepare();
    memset(model.registers, 0xff, sizeof(model.registers));
    model.is_absent = true;
    check_no_start(-ENODEV);
}

/* It stops answering and cannot be disabled: every disk of it ends, and nothing hangs. */
static void test_dies_at_work(void **state)
{
    static uint8_t buffer[512];
    char name[BLOCK_NAME_MAX];
    struct block_device *device = start();
    (void)state;

    snprintf(name, sizeof(name), "%sn4", controller.name);
    struct block_device *other = disk(name);
    assert_non_null(other);
    model.is_silent = model.never_disabled = true;
    assert_int_equal(block_read(device, 0, 1, buffer), -EIO);
    assert_int_equal(block_read(device, 0, 1, buffer), -ENODEV);
    assert_false(is_bus_master);
    host_settle();
    assert_int_equal(block_read(other, 0, 1, buffer), -ENODEV);
    assert_null(disk(name));
}

/* ---- what bytes mean ----------------------------------------------------------------------- */

static void test_namespaces(void **state)
{
    uint8_t data[4096] = { 0 };
    struct nvme_namespace_data parsed;
    (void)state;

    assert_int_equal(nvme_parse_namespace(data, &parsed), -ENODEV);
    data[0] = 100;
    data[128 + 2] = 12;
    assert_int_equal(nvme_parse_namespace(data, &parsed), 0);
    assert_int_equal(parsed.blocks, 100);
    assert_int_equal(parsed.block_size, 4096);
    data[128] = 8; /* metadata */
    assert_int_equal(nvme_parse_namespace(data, &parsed), -ENOTSUP);
    data[128] = 0;
    data[26] = 3; /* a format that is not there */
    assert_int_equal(nvme_parse_namespace(data, &parsed), -ENOTSUP);
    data[26] = 0;
    data[128 + 2] = 8; /* blocks of 256 bytes */
    assert_int_equal(nvme_parse_namespace(data, &parsed), -ENOTSUP);
    data[128 + 2] = 200;
    assert_int_equal(nvme_parse_namespace(data, &parsed), -ENOTSUP);
    data[128 + 2] = 9;
    memset(data, 0xff, 8);
    assert_int_equal(nvme_parse_namespace(data, &parsed), -ENOTSUP);
}

static void test_controllers(void **state)
{
    uint8_t data[4096];
    struct nvme_controller_data parsed;
    (void)state;

    memset(data, 0xff, sizeof(data));
    nvme_parse_controller(data, &parsed);
    assert_int_equal(parsed.max_transfer, UINT32_MAX);
    assert_int_equal(strlen(parsed.model), 40);
    memset(data, 0, sizeof(data));
    memcpy(data + 24, "disk    ", 8);
    data[77] = 1;
    nvme_parse_controller(data, &parsed);
    assert_int_equal(parsed.max_transfer, 8192);
    assert_false(parsed.has_write_cache || parsed.has_discard);
}

UNIT_TESTS_SETUP(start_kernel, UNIT_TEST(test_transfers), UNIT_TEST(test_errors),
                 UNIT_TEST(test_lies), UNIT_TEST(test_silence), UNIT_TEST(test_never_ready),
                 UNIT_TEST(test_fatal), UNIT_TEST(test_absent), UNIT_TEST(test_dies_at_work),
                 UNIT_TEST(test_namespaces), UNIT_TEST(test_controllers))
