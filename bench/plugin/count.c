/*
 * A plugin of QEMU that counts the guest's instructions from one mark to the next, on all of its
 * CPUs, and which addresses they were at.
 *
 *     qemu-system-x86_64 -plugin ./count.so,out=FILE[,profile=on] ...
 *
 * Marks are instructions that do nothing, `nopl MARK(%rax)`, which the benchmarks of both guests
 * execute: MARK_TIME where they read the clock, at the beginning and at the end of what they
 * measure, and MARK_REPORT where they say a result. At each report a line goes to FILE: the
 * instructions measured since the report before, 0 if none were. With profile=on, lines
 * "ADDRESS INSTRUCTIONS" of the blocks that were executed come before it.
 *
 * Instructions are counted by blocks, as they begin. Each CPU counts for itself, so nothing is lost
 * when they run at once; the numbers of a block are shared, and in a profile some may be.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../linux/mark.h"

/* ---- of QEMU's interface for plugins, version 1, what is used here --------------------------- */

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags {
    QEMU_PLUGIN_CB_NO_REGS
};

typedef void (*vcpu_udata_cb)(unsigned int vcpu, void *userdata);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*translated)(qemu_plugin_id_t id,
                                                              struct qemu_plugin_tb *block));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, vcpu_udata_cb executed,
                                          enum qemu_plugin_cb_flags flags, void *userdata);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
                                            vcpu_udata_cb executed, enum qemu_plugin_cb_flags flags,
                                            void *userdata);

EXPORT extern int qemu_plugin_version;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

int qemu_plugin_version = 1;

/* ---- counting -------------------------------------------------------------------------------- */

#define MARK_SIZE 7
static const uint8_t mark_begin[MARK_SIZE - 1] = { 0x0f, 0x1f, 0x80, 'n', 'o', 's' };

#define CPU_MAX     256
#define BLOCKS_HASH (1 << 16)

static struct {
    uint64_t instructions;
    uint8_t own_cache_line[64 - sizeof(uint64_t)];
} cpus[CPU_MAX];

/* Code at one address; the same again when QEMU translates it again. */
struct block {
    struct block *next;
    uint64_t address, instructions, executions, executions_before;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *blocks[BLOCKS_HASH]; /* by address; under lock, executions apart */
static bool is_measuring;                 /* lock; read without */
static uint64_t measured, began;          /* lock */
static bool has_profile;
static FILE *out;

static uint64_t count_now(void)
{
    uint64_t sum = 0;

    for (unsigned int i = 0; i < CPU_MAX; i++)
        sum += __atomic_load_n(&cpus[i].instructions, __ATOMIC_RELAXED);
    return sum;
}

static void block_executed(unsigned int cpu, void *userdata)
{
    struct block *block = userdata;

    cpus[cpu % CPU_MAX].instructions += block->instructions;
    if (has_profile && __atomic_load_n(&is_measuring, __ATOMIC_RELAXED))
        block->executions++;
}

static struct block *find_block(uint64_t address, uint64_t instructions)
{
    struct block **place = &blocks[(address >> 2) % BLOCKS_HASH], *block;

    for (block = *place; block; block = block->next)
        if (block->address == address && block->instructions == instructions)
            return block;
    block = calloc(1, sizeof(*block));
    if (!block)
        abort();
    *block = (struct block){ .next = *place, .address = address, .instructions = instructions };
    *place = block;
    return block;
}

static void print_profile(void)
{
    for (size_t i = 0; i < BLOCKS_HASH; i++)
        for (struct block *block = blocks[i]; block; block = block->next) {
            uint64_t executions = block->executions - block->executions_before;
            if (executions)
                fprintf(out, "%" PRIx64 " %" PRIu64 "\n", block->address,
                        executions * block->instructions);
            block->executions_before = block->executions;
        }
}

static void mark_executed(unsigned int cpu, void *userdata)
{
    enum mark mark = (enum mark)(uintptr_t)userdata;

    (void)cpu;
    pthread_mutex_lock(&lock);
    if (mark == MARK_TIME) {
        if (is_measuring)
            measured += count_now() - began;
        began = count_now();
        __atomic_store_n(&is_measuring, !is_measuring, __ATOMIC_RELAXED);
    } else {
        /* A report in the midst of a measurement: something failed, and this number means nothing.
         */
        uint64_t valid = is_measuring ? 0 : measured;
        if (has_profile && valid)
            print_profile();
        fprintf(out, "%" PRIu64 "\n", valid);
        fflush(out);
        measured = 0;
        is_measuring = false;
    }
    pthread_mutex_unlock(&lock);
}

static enum mark mark_of(const struct qemu_plugin_insn *instruction)
{
    const uint8_t *bytes = qemu_plugin_insn_data(instruction);

    if (qemu_plugin_insn_size(instruction) != MARK_SIZE ||
        memcmp(bytes, mark_begin, sizeof(mark_begin)) != 0)
        return 0;
    return bytes[MARK_SIZE - 1];
}

static void block_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *translation)
{
    size_t count = qemu_plugin_tb_n_insns(translation);

    (void)id;
    pthread_mutex_lock(&lock);
    struct block *block = find_block(qemu_plugin_tb_vaddr(translation), count);
    pthread_mutex_unlock(&lock);
    qemu_plugin_register_vcpu_tb_exec_cb(translation, block_executed, QEMU_PLUGIN_CB_NO_REGS,
                                         block);
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(translation, i);
        enum mark mark = mark_of(instruction);
        if (mark)
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, mark_executed,
                                                   QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)mark);
    }
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0)
            out = fopen(argv[i] + 4, "w");
        has_profile |= strcmp(argv[i], "profile=on") == 0;
    }
    if (!out) {
        fprintf(stderr, "count: wanted: out=FILE, one that can be written\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
    return 0;
}
