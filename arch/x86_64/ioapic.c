/*
 * I/O APICs. Two registers, an index and a window, give access to 64-bit redirection entries.
 */
#include "arch/x86_64/ioapic.h"

#include "arch/io.h"
#include "arch/mmu.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/sync/spinlock.h"
#include "lib/bits.h"
#include "lib/errno.h"
#include "mm/vm.h"

#define IOAPIC_INDEX  0x00
#define IOAPIC_WINDOW 0x10
#define IOAPIC_SIZE   0x20

#define REGISTER_VERSION 0x01
#define REGISTER_ENTRY   0x10 /* two per line, low half first */

#define ENTRY_NMI        (4u << 8) /* delivery mode; its vector is ignored */
#define ENTRY_ACTIVE_LOW BIT64(13)
#define ENTRY_LEVEL      BIT64(15)
#define ENTRY_MASKED     BIT64(16)
#define ENTRY_APIC_SHIFT 56

#define IOAPIC_MAX 16

struct ioapic {
    volatile char *registers;
    uint32_t gsi_base;
    uint32_t line_count;
};

static DEFINE_SPINLOCK(ioapic_lock, "ioapic", LOCK_RANK_INTERRUPT_CONTROLLER);
static struct ioapic ioapics[IOAPIC_MAX]; /* const after INIT_CORE, but for index and window */
static unsigned int ioapic_count;

static uint32_t read_register(const struct ioapic *ioapic, uint32_t index)
{
    mmio_write32(ioapic->registers + IOAPIC_INDEX, index);
    return mmio_read32(ioapic->registers + IOAPIC_WINDOW);
}

static void write_register(const struct ioapic *ioapic, uint32_t index, uint32_t value)
{
    mmio_write32(ioapic->registers + IOAPIC_INDEX, index);
    mmio_write32(ioapic->registers + IOAPIC_WINDOW, value);
}

static uint64_t read_entry_locked(const struct ioapic *ioapic, uint32_t line)
    __must_hold(ioapic_lock)
{
    uint32_t index = REGISTER_ENTRY + 2 * line;

    return (uint64_t)read_register(ioapic, index + 1) << 32 | read_register(ioapic, index);
}

/* The half with the mask bit is written last, so that the line is never open half set up. */
static void write_entry_locked(const struct ioapic *ioapic, uint32_t line, uint64_t entry)
    __must_hold(ioapic_lock)
{
    uint32_t index = REGISTER_ENTRY + 2 * line;

    write_register(ioapic, index, (uint32_t)(entry | ENTRY_MASKED));
    write_register(ioapic, index + 1, (uint32_t)(entry >> 32));
    write_register(ioapic, index, (uint32_t)entry);
}

static const struct ioapic *find_ioapic(uint32_t gsi)
{
    for (unsigned int i = 0; i < ioapic_count; i++) {
        if (gsi - ioapics[i].gsi_base < ioapics[i].line_count)
            return &ioapics[i];
    }
    return NULL;
}

int __init ioapic_add(paddr_t address, uint32_t gsi_base)
{
    struct ioapic *ioapic = &ioapics[ioapic_count];

    if (ioapic_count == IOAPIC_MAX)
        return -ENOSPC;
    ioapic->registers = vm_map_device(address, IOAPIC_SIZE, MMU_READ | MMU_WRITE | MMU_UNCACHED);
    if (!ioapic->registers)
        return -ENOMEM;

    irqflags_t flags = spin_lock_irqsave(&ioapic_lock);
    uint32_t version = read_register(ioapic, REGISTER_VERSION);
    if (version == UINT32_MAX || version == 0) { /* reads of nothing give all ones, or zero */
        spin_unlock_irqrestore(&ioapic_lock, flags);
        vm_unmap_device((void *)ioapic->registers);
        return -ENODEV;
    }
    ioapic->gsi_base = gsi_base;
    ioapic->line_count = (version >> 16 & 0xFF) + 1;
    for (uint32_t line = 0; line < ioapic->line_count; line++)
        write_entry_locked(ioapic, line, ENTRY_MASKED);
    spin_unlock_irqrestore(&ioapic_lock, flags);

    ioapic_count++;
    log_info("ioapic", "lines %u to %u at %#llx", gsi_base, gsi_base + ioapic->line_count - 1,
             (unsigned long long)address);
    return 0;
}

bool ioapic_has_line(uint32_t gsi)
{
    return find_ioapic(gsi) != NULL;
}

static void set_entry(uint32_t gsi, uint64_t entry)
{
    const struct ioapic *ioapic = find_ioapic(gsi);

    assert(ioapic);
    irqflags_t flags = spin_lock_irqsave(&ioapic_lock);
    write_entry_locked(ioapic, gsi - ioapic->gsi_base, entry);
    spin_unlock_irqrestore(&ioapic_lock, flags);
}

void ioapic_route(uint32_t gsi, unsigned int vector, uint32_t apic_id, enum irq_trigger trigger,
                  enum irq_polarity polarity)
{
    uint64_t entry = vector | ENTRY_MASKED | (uint64_t)apic_id << ENTRY_APIC_SHIFT;

    entry |= trigger == IRQ_TRIGGER_LEVEL ? ENTRY_LEVEL : 0;
    entry |= polarity == IRQ_ACTIVE_LOW ? ENTRY_ACTIVE_LOW : 0;
    set_entry(gsi, entry);
}

void ioapic_route_nmi(uint32_t gsi, uint32_t apic_id)
{
    set_entry(gsi, ENTRY_NMI | (uint64_t)apic_id << ENTRY_APIC_SHIFT);
}

void ioapic_set_masked(uint32_t gsi, bool is_masked)
{
    const struct ioapic *ioapic = find_ioapic(gsi);

    assert(ioapic);
    uint32_t index = REGISTER_ENTRY + 2 * (gsi - ioapic->gsi_base);
    irqflags_t flags = spin_lock_irqsave(&ioapic_lock);
    uint32_t low = read_register(ioapic, index);
    low = is_masked ? low | (uint32_t)ENTRY_MASKED : low & ~(uint32_t)ENTRY_MASKED;
    write_register(ioapic, index, low);
    spin_unlock_irqrestore(&ioapic_lock, flags);
}

uint64_t ioapic_read_entry(uint32_t gsi)
{
    const struct ioapic *ioapic = find_ioapic(gsi);

    if (!ioapic)
        return 0;
    irqflags_t flags = spin_lock_irqsave(&ioapic_lock);
    uint64_t entry = read_entry_locked(ioapic, gsi - ioapic->gsi_base);
    spin_unlock_irqrestore(&ioapic_lock, flags);
    return entry;
}
