/*
 * NVMe admin commands (NVMe 1.4, chapter 5), one at a time, waited for.
 */
#include "arch/mmu.h"
#include "drivers/block/nvme.h"
#include "kernel/log.h"
#include "lib/errno.h"
#include "lib/string.h"

#define ADMIN_TIMEOUT_NS (5 * NS_PER_S)

enum identify_structure { /* CNS: figure 244 */
    IDENTIFY_NAMESPACE = 0x00,
    IDENTIFY_CONTROLLER = 0x01,
    IDENTIFY_ACTIVE_LIST = 0x02,
};

#define FEATURE_NUMBER_OF_QUEUES 0x07
#define QUEUE_CONTIGUOUS         0x1
#define QUEUE_INTERRUPTS         0x2

struct admin_call {
    struct wait_group group;
    int error;
    uint32_t result;
};

static void call_done(void *owner, int error, uint32_t result)
{
    struct admin_call *call = owner;

    call->error = error;
    call->result = result;
    wait_group_done(&call->group, 0);
}

/*
 * Overdue: perhaps it is only the interrupt that did not come. If not, the controller must let go
 * of @call's memory before the caller's stack does.
 */
static int wait_for_call(struct nvme_controller *controller, struct admin_call *call)
{
    if (wait_group_wait(&call->group, deadline_after_ns(ADMIN_TIMEOUT_NS), WAIT_UNCANCELLABLE) == 0)
        return call->error;
    nvme_queue_reap(controller->admin);
    if (wait_group_wait(&call->group, clock_now_ns(), WAIT_UNCANCELLABLE) == 0)
        return call->error;
    nvme_queue_close(controller->admin);
    (void)nvme_quiesce(controller);
    nvme_queue_reset(controller->admin, -ETIMEDOUT);
    int error = wait_group_wait(&call->group, DEADLINE_NEVER, WAIT_UNCANCELLABLE);
    return error ? error : call->error;
}

/* @data: a page for the controller to read or write, or NULL. */
static int run(struct nvme_controller *controller, const struct nvme_command *command, void *data,
               uint32_t *result)
{
    struct admin_call call = { .error = 0 };
    struct scatter_segment page = { data ? direct_map_to_phys(data) : 0, NVME_PAGE_SIZE };
    struct nvme_request request = { .command = *command,
                                    .segments = data ? &page : NULL,
                                    .segment_count = data ? 1 : 0,
                                    .done = call_done,
                                    .owner = &call };

    wait_group_init(&call.group, "nvme admin");
    wait_group_add(&call.group, 1);
    int error = nvme_queue_submit(controller->admin, &request);
    if (error)
        return error;
    nvme_queue_kick(controller->admin);
    error = wait_for_call(controller, &call);
    if (error)
        log_warning("nvme", "%s: admin command %#x: %s", controller->name, command->opcode,
                    errno_text(error));
    if (result)
        *result = call.result;
    return error;
}

static int identify(struct nvme_controller *controller, enum identify_structure structure,
                    uint32_t nsid, uint8_t *data)
{
    const struct nvme_command command = { .opcode = NVME_ADMIN_IDENTIFY,
                                          .nsid = nsid,
                                          .cdw10 = structure };

    memset(data, 0, NVME_PAGE_SIZE);
    return run(controller, &command, data, NULL);
}

int nvme_identify_controller(struct nvme_controller *controller, uint8_t *data)
{
    return identify(controller, IDENTIFY_CONTROLLER, 0, data);
}

int nvme_identify_namespace(struct nvme_controller *controller, uint32_t nsid, uint8_t *data)
{
    return identify(controller, IDENTIFY_NAMESPACE, nsid, data);
}

int nvme_identify_list(struct nvme_controller *controller, uint32_t after, uint8_t *data)
{
    return identify(controller, IDENTIFY_ACTIVE_LIST, after, data);
}

int nvme_set_queue_count(struct nvme_controller *controller, unsigned int *count)
{
    const struct nvme_command command = { .opcode = NVME_ADMIN_SET_FEATURES,
                                          .cdw10 = FEATURE_NUMBER_OF_QUEUES,
                                          .cdw11 = (*count - 1) << 16 | (*count - 1) };
    uint32_t granted;
    int error = run(controller, &command, NULL, &granted);

    if (!error) /* both numbers are one less than what they say */
        *count = MIN(*count, MIN(granted & 0xffff, granted >> 16) + 1);
    return error;
}

int nvme_create_queue(struct nvme_controller *controller, struct nvme_queue *queue, uint16_t vector)
{
    uint32_t what = (queue->size - 1u) << 16 | queue->id;
    const struct nvme_command completions = {
        .opcode = NVME_ADMIN_CREATE_CQ,
        .prp1 = direct_map_to_phys((const void *)queue->completions),
        .cdw10 = what,
        .cdw11 = (uint32_t)vector << 16 | QUEUE_INTERRUPTS | QUEUE_CONTIGUOUS,
    };
    const struct nvme_command submissions = {
        .opcode = NVME_ADMIN_CREATE_SQ,
        .prp1 = direct_map_to_phys(queue->submissions),
        .cdw10 = what,
        .cdw11 = (uint32_t)queue->id << 16 | QUEUE_CONTIGUOUS,
    };
    int error = run(controller, &completions, NULL, NULL);

    return error ? error : run(controller, &submissions, NULL, NULL);
}
