/*
 * Interrupt lines and messages, softirqs, calls between CPUs (of which there is one here), and the
 * host layer's own checks.
 */
#include "kernel/irq/irq.h"

#include "arch/host/host.h"
#include "kernel/irq/ipi.h"
#include "kernel/irq/softirq.h"
#include "kernel/irq/tlb.h"
#include "kernel/sched/preempt.h"
#include "kernel/sched/task.h"
#include "kernel/time/clock.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"
#include "tests/unit/unit.h"

struct device {
    bool has_raised;
    unsigned int calls;
};

static bool handle(void *context)
{
    struct device *device = context;

    assert_true(in_irq_handler());
    assert_false(irq_is_enabled());
    device->calls++;
    return device->has_raised;
}

static int use_msi(void *arg)
{
    struct device device = { true, 0 };
    uint64_t address;
    uint32_t data;
    struct irq *irq;

    (void)arg;
    assert_int_equal(irq_request_msi("device", IRQ_ANY_CPU, handle, &device, &address, &data, &irq),
                     0);
    host_raise_msi(address, data);
    irqflags_t flags = irq_save();
    host_raise_msi(address, data);
    assert_int_equal(device.calls, 1); /* held off */
    irq_restore(flags);
    assert_int_equal(device.calls, 2);
    struct irq_description description;
    assert_true(irq_describe(0, &description));
    assert_string_equal(description.name, "device");
    assert_int_equal(description.claimed, 2);
    assert_int_equal(description.gsi, IRQ_ROUTE_NO_GSI);
    assert_false(irq_describe(1, &description));
    irq_free(irq);
    assert_false(irq_describe(0, &description));
    host_raise_msi(address, data); /* nobody is there any more */
    assert_int_equal(device.calls, 2);
    return 0;
}

static void test_msi(void **state)
{
    (void)state;
    host_kernel_start();
    host_run(use_msi, NULL);
}

#define LINE 11

static int share_a_line(void *arg)
{
    struct device devices[3] = { 0 };
    struct irq *irqs[3];
    struct irq *wrong;

    (void)arg;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(irq_request_gsi("shared", LINE, IRQ_TRIGGER_LEVEL, IRQ_ACTIVE_LOW, handle,
                                         &devices[i], &irqs[i]),
                         0);
    assert_int_equal(irq_request_gsi("edge", LINE, IRQ_TRIGGER_EDGE, IRQ_ACTIVE_HIGH, handle,
                                     &devices[0], &wrong),
                     -EBUSY);
    devices[1].has_raised = true;
    host_raise_line(LINE);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(devices[i].calls, 1);
    irq_free(irqs[1]);
    host_raise_line(LINE);
    assert_int_equal(devices[1].calls, 1);
    assert_int_equal(devices[2].calls, 2);
    irq_free(irqs[0]);
    irq_free(irqs[2]);
    return 0;
}

static void test_shared_line(void **state)
{
    (void)state;
    host_kernel_start();
    host_run(share_a_line, NULL);
}

static void test_unclaimed_line_is_masked(void **state)
{
    struct device device = { 0 };
    struct irq *irq;

    (void)state;
    host_kernel_start();
    assert_int_equal(irq_request_isa("stuck", 5, handle, &device, &irq), 0);
    for (unsigned int i = 0; i < 100010; i++)
        host_raise_line(5);
    assert_int_equal(device.calls, 100000);
    irq_free(irq);
}

static int request_without_memory(void *arg)
{
    struct device device = { 0 };
    uint64_t address;
    uint32_t data;
    struct irq *irq;

    (void)arg;
    for (unsigned long nth = 1; nth <= 2; nth++) {
        host_fail_allocation(nth);
        assert_int_equal(irq_request_msi("device", 0, handle, &device, &address, &data, &irq),
                         -ENOMEM);
        host_fail_allocation(nth);
        assert_int_equal(irq_request_isa("device", 7, handle, &device, &irq), -ENOMEM);
    }
    host_fail_allocation(0);
    return 0;
}

static void test_requests_without_memory(void **state)
{
    (void)state;
    host_kernel_start();
    host_run(request_without_memory, NULL);
}

/* ---- softirq --------------------------------------------------------------------------------- */

static unsigned int runs, raises_left;

static void softirq_handler(void)
{
    assert_true(in_interrupt());
    assert_false(in_irq_handler());
    assert_true(irq_is_enabled());
    runs++;
    if (raises_left > 0) {
        raises_left--;
        softirq_raise(SOFTIRQ_TEST);
    }
}

static void raise_in_handler(void *arg)
{
    (void)arg;
    softirq_raise(SOFTIRQ_TEST);
    assert_int_equal(runs, 0); /* not in the handler */
}

static void start_softirq(void)
{
    host_kernel_start();
    softirq_register(SOFTIRQ_TEST, "test", softirq_handler);
    runs = raises_left = 0;
}

static void test_softirq_contexts(void **state)
{
    (void)state;
    start_softirq();
    host_interrupt(raise_in_handler, NULL);
    assert_int_equal(runs, 1);
    softirq_raise(SOFTIRQ_TEST);
    assert_int_equal(runs, 2);
    preempt_disable();
    softirq_raise(SOFTIRQ_TEST);
    softirq_raise(SOFTIRQ_TEST);
    assert_int_equal(runs, 2);
    preempt_enable();
    assert_int_equal(runs, 3); /* twice raised, once run */
    irqflags_t flags = irq_save();
    softirq_raise(SOFTIRQ_TEST);
    assert_int_equal(runs, 3);
    irq_restore(flags);
    assert_int_equal(runs, 4);
}

static void test_softirq_overload(void **state)
{
    (void)state;
    start_softirq();
    raises_left = 1000;
    softirq_raise(SOFTIRQ_TEST);
    assert_true(raises_left > 0); /* the task has the rest */
    host_settle();
    assert_int_equal(raises_left, 0);
    assert_int_equal(runs, 1001);
    runs = 0;
    softirq_raise(SOFTIRQ_TEST); /* and directly again */
    assert_int_equal(runs, 1);
}

/* ---- calls, TLB ------------------------------------------------------------------------------ */

static unsigned int calls;

static void count_call(void *arg)
{
    assert_ptr_equal(arg, &calls);
    assert_false(irq_is_enabled());
    calls++;
}

static void test_calls(void **state)
{
    struct tlb_batch batch;

    (void)state;
    host_kernel_start();
    calls = 0;
    assert_int_equal(ipi_call(0, count_call, &calls, true), 0);
    assert_int_equal(ipi_call(1, count_call, &calls, true), -ENODEV);
    ipi_call_others(count_call, &calls);
    assert_int_equal(calls, 1);
    tlb_batch_init(&batch);
    for (unsigned int i = 0; i < 2 * TLB_BATCH_RANGES; i++)
        tlb_batch_add(&batch, i * 4096, 4096);
    assert_int_equal(batch.count, TLB_BATCH_RANGES + 1);
    tlb_shootdown(&batch);
    assert_int_equal(batch.count, 0);
}

/* ---- the host layer -------------------------------------------------------------------------- */

static int interrupts_left;

static bool play_device(void *arg, uint64_t next_event_ns)
{
    struct wait_queue *queue = arg;

    (void)next_event_ns;
    if (interrupts_left == 0)
        return false;
    interrupts_left--;
    wake_all(queue);
    return true;
}

static void test_idle_hook_is_a_device(void **state)
{
    DEFINE_WAIT_QUEUE(queue, "device");

    (void)state;
    host_kernel_start();
    interrupts_left = 3;
    host_set_idle_hook(play_device, &queue);
    uint64_t start = clock_now_ns();
    assert_int_equal(wait_event(&queue, interrupts_left == 0, DEADLINE_NEVER), 0);
    assert_int_equal(clock_now_ns(), start);
}

UNIT_TESTS(UNIT_TEST(test_msi), UNIT_TEST(test_shared_line),
           UNIT_TEST(test_unclaimed_line_is_masked), UNIT_TEST(test_requests_without_memory),
           UNIT_TEST(test_softirq_contexts), UNIT_TEST(test_softirq_overload),
           UNIT_TEST(test_calls), UNIT_TEST(test_idle_hook_is_a_device))
