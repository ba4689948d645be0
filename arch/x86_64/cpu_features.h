/*
 * What this kind of CPU can do, and the control registers that follow from it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

/* Constant after cpu_features_detect(), which reads the BSP's; all CPUs are taken to be alike. */
struct cpu_features {
    char vendor[13];
    char brand[49];
    uint32_t max_leaf;
    uint32_t signature; /* CPUID leaf 1 EAX: family, model, stepping */
    uint8_t physical_address_bits;
    bool has_nx;
    bool has_gigabyte_pages;
    bool has_smep;
    bool has_smap;
    bool has_umip;
    bool has_pge;
    bool has_pat;
    bool has_x2apic;
    bool has_tsc_deadline;
    bool has_invariant_tsc;
    bool has_rdrand;
    bool has_rdseed;
    bool has_hypervisor;
    char hypervisor[13]; /* "KVMKVMKVM", "TCGTCGTCGTCG" ...; "" on bare metal */
    uint32_t hypervisor_max_leaf;
    bool is_tcg; /* emulated by QEMU, whose emulator is called TCG */
};
extern struct cpu_features cpu_features;

/** cpu_features_detect() - read CPUID. Context: BSP, first of all. */
void cpu_features_detect(void);

/**
 * cpu_control_init() - set CR0, CR4, EFER and PAT of the running CPU
 * The same on every CPU, so that no AP is less protected than the BSP. Context: early, each CPU.
 */
void cpu_control_init(void);

/* The PAT entry that means write-combining after cpu_control_init() (SDM vol. 3A 12.12). */
#define PAT_INDEX_WRITE_COMBINE 1
