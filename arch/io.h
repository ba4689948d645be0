/*
 * Device registers. MMIO pointers come from vm_map_device() (mm/vm.h). Port I/O exists on x86 only;
 * on the host both reach a test's simulated device.
 */
#pragma once

#include <stdint.h>

static inline uint8_t mmio_read8(const volatile void *address);
static inline uint16_t mmio_read16(const volatile void *address);
static inline uint32_t mmio_read32(const volatile void *address);
static inline uint64_t mmio_read64(const volatile void *address);
static inline void mmio_write8(volatile void *address, uint8_t value);
static inline void mmio_write16(volatile void *address, uint16_t value);
static inline void mmio_write32(volatile void *address, uint32_t value);
static inline void mmio_write64(volatile void *address, uint64_t value);

static inline uint8_t port_read8(uint16_t port);
static inline uint16_t port_read16(uint16_t port);
static inline uint32_t port_read32(uint16_t port);
static inline void port_write8(uint16_t port, uint8_t value);
static inline void port_write16(uint16_t port, uint16_t value);
static inline void port_write32(uint16_t port, uint32_t value);

/* Barriers between memory and devices that do DMA (virtio 1.2, 2.7.13: virtio needs these). */
static inline void memory_barrier(void);       /* all loads and stores */
static inline void memory_read_barrier(void);  /* loads before, loads after */
static inline void memory_write_barrier(void); /* stores before, stores after */

#include "arch/inline.h"
