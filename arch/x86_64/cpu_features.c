/*
 * CPUID, and the control registers of each CPU.
 *
 * Bit numbers: SDM vol. 2A, CPUID; vol. 3A 2.5 (control registers), 12.12 (PAT). Hypervisor leaves
 * from 0x40000000 are a convention of KVM, Xen, Hyper-V and QEMU.
 */
#include "arch/x86_64/cpu_features.h"

#include "arch/cpu.h"
#include "arch/x86_64/instructions.h"
#include "kernel/init.h"
#include "lib/bits.h"
#include "lib/printf.h"
#include "lib/string.h"

#define TCG_SIGNATURE "TCGTCGTCGTCG"

#define CR0_MP BIT64(1) /* WAIT traps with TS */
#define CR0_EM BIT64(2)
#define CR0_TS BIT64(3) /* any FPU or SIMD instruction raises #NM */
#define CR0_NE BIT64(5)
#define CR0_WP BIT64(16) /* read-only pages are so for the kernel too */
#define CR0_AM BIT64(18)

#define CR4_PGE  BIT64(7)
#define CR4_UMIP BIT64(11)
#define CR4_SMEP BIT64(20)
#define CR4_SMAP BIT64(21)

#define MSR_PAT  0x277
#define MSR_EFER 0xC0000080
#define EFER_SCE BIT64(0)
#define EFER_NXE BIT64(11)

/* Entries 0-7: WB, WC (reset value: WT), UC-, UC, and the same again. */
#define PAT_VALUE 0x0007010600070106ULL

struct cpu_features cpu_features;

static void copy_words(char *to, const uint32_t *words, size_t count)
{
    memcpy(to, words, count * sizeof(words[0]));
    to[count * sizeof(words[0])] = '\0';
}

static void detect_basic(struct cpu_features *f)
{
    struct cpuid leaf0 = cpuid_read(0, 0);
    struct cpuid leaf1 = cpuid_read(1, 0);
    struct cpuid leaf7 = { 0 };

    f->max_leaf = leaf0.eax;
    copy_words(f->vendor, (uint32_t[]){ leaf0.ebx, leaf0.edx, leaf0.ecx }, 3);
    if (f->max_leaf >= 7)
        leaf7 = cpuid_read(7, 0);

    f->signature = leaf1.eax;
    f->has_pge = leaf1.edx & BIT(13);
    f->has_pat = leaf1.edx & BIT(16);
    f->has_x2apic = leaf1.ecx & BIT(21);
    f->has_tsc_deadline = leaf1.ecx & BIT(24);
    f->has_rdrand = leaf1.ecx & BIT(30);
    f->has_hypervisor = leaf1.ecx & BIT(31);
    f->has_smep = leaf7.ebx & BIT(7);
    f->has_rdseed = leaf7.ebx & BIT(18);
    f->has_smap = leaf7.ebx & BIT(20);
    f->has_umip = leaf7.ecx & BIT(2);
}

static void detect_extended(struct cpu_features *f)
{
    uint32_t max = cpuid_read(0x80000000, 0).eax;
    struct cpuid leaf1 = cpuid_read(0x80000001, 0);

    f->has_nx = leaf1.edx & BIT(20);
    f->has_gigabyte_pages = leaf1.edx & BIT(26);
    if (max >= 0x80000004) {
        struct cpuid part[3];

        for (uint32_t i = 0; i < 3; i++)
            part[i] = cpuid_read(0x80000002 + i, 0);
        copy_words(f->brand, &part[0].eax, 12);
    }
    if (max >= 0x80000007)
        f->has_invariant_tsc = cpuid_read(0x80000007, 0).edx & BIT(8);
    f->physical_address_bits = 36;
    if (max >= 0x80000008)
        f->physical_address_bits = cpuid_read(0x80000008, 0).eax & 0xFF;
}

static void detect_hypervisor(struct cpu_features *f)
{
    if (!f->has_hypervisor)
        return;

    struct cpuid leaf = cpuid_read(0x40000000, 0);
    copy_words(f->hypervisor, (uint32_t[]){ leaf.ebx, leaf.ecx, leaf.edx }, 3);
    f->is_tcg = strcmp(f->hypervisor, TCG_SIGNATURE) == 0;
    /* Early KVM says 0 for 0x40000001. */
    f->hypervisor_max_leaf = leaf.eax ? leaf.eax : 0x40000001;
}

void __init cpu_features_detect(void)
{
    detect_basic(&cpu_features);
    detect_extended(&cpu_features);
    detect_hypervisor(&cpu_features);
}

void cpu_control_init(void)
{
    const struct cpu_features *f = &cpu_features;
    uint64_t cr4 = cr4_read();

    if (f->has_nx)
        msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_NXE);
    if (f->has_pat)
        msr_write(MSR_PAT, PAT_VALUE);

    cr4 |= f->has_pge ? CR4_PGE : 0;
    cr4 |= f->has_smep ? CR4_SMEP : 0;
    cr4 |= f->has_smap ? CR4_SMAP : 0;
    cr4 |= f->has_umip ? CR4_UMIP : 0;
    cr4_write(cr4);
    cpu_set_slow_sti(f->is_tcg);

    /* TS: the kernel keeps no vector state, so an instruction that uses it is a fault at once. */
    cr0_write((cr0_read() & ~(CR0_EM | CR0_AM)) | CR0_MP | CR0_TS | CR0_NE | CR0_WP);
}

/* Retries as Intel's guide has them (DRNG software implementation guide 5.2.1): 10 times. */
#define RANDOM_RETRIES 10

static bool read_rdseed(uint64_t *word)
{
    bool ok;
    __asm__ volatile("rdseed %0" : "=r"(*word), "=@ccc"(ok));
    return ok;
}

static bool read_rdrand(uint64_t *word)
{
    bool ok;
    __asm__ volatile("rdrand %0" : "=r"(*word), "=@ccc"(ok));
    return ok;
}

bool cpu_random_seed(uint64_t *word)
{
    for (int i = 0; cpu_features.has_rdseed && i < RANDOM_RETRIES; i++) {
        if (read_rdseed(word))
            return true;
        cpu_relax();
    }
    for (int i = 0; cpu_features.has_rdrand && i < RANDOM_RETRIES; i++) {
        if (read_rdrand(word))
            return true;
    }
    return false;
}

static unsigned int display_family(uint32_t signature)
{
    unsigned int family = signature >> 8 & 0xF;

    return family == 0xF ? family + (signature >> 20 & 0xFF) : family;
}

static unsigned int display_model(uint32_t signature)
{
    unsigned int family = signature >> 8 & 0xF;
    unsigned int model = signature >> 4 & 0xF;

    return family == 6 || family == 0xF ? model | (signature >> 12 & 0xF0) : model;
}

void cpu_describe(unsigned int cpu, char *buffer, size_t size)
{
    const struct cpu_features *f = &cpu_features;

    (void)cpu;
    snprintf(buffer, size, "%s %s, family %u model %u%s%s%s%s%s%s%s%s%s%s%s%s%s", f->vendor,
             f->brand + strspn(f->brand, " "), display_family(f->signature),
             display_model(f->signature), f->has_nx ? " nx" : "",
             f->has_gigabyte_pages ? " 1g-pages" : "", f->has_smep ? " smep" : "",
             f->has_smap ? " smap" : "", f->has_umip ? " umip" : "", f->has_pge ? " pge" : "",
             f->has_x2apic ? " x2apic" : "", f->has_tsc_deadline ? " tsc-deadline" : "",
             f->has_invariant_tsc ? " invariant-tsc" : "", f->has_rdrand ? " rdrand" : "",
             f->has_rdseed ? " rdseed" : "", f->has_hypervisor ? ", under " : "", f->hypervisor);
}
