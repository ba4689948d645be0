/*
 * Configuration space access: ECAM windows where the firmware's MCFG names them, else the port
 * pair 0xCF8/0xCFC, which reaches segment 0 and the first 256 bytes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/bus/pci.h"

/** pci_config_init() - map the ECAM windows; -ENODEV when there is no way to reach any bus. */
int __must_check pci_config_init(void);

/** pci_config_is_extended() - can offsets from 256 on be read in this segment? */
bool pci_config_is_extended(uint16_t segment);

/** pci_config_segments() - call @visit(segment, first bus, last bus) for each root known. */
void pci_config_segments(void (*visit)(uint16_t segment, uint8_t first_bus, uint8_t last_bus));

/* @bits is 8, 16 or 32, @offset a multiple of it. Reads of what does not answer give all ones. */
uint32_t pci_config_read(struct pci_address address, unsigned int offset, unsigned int bits);
void pci_config_write(struct pci_address address, unsigned int offset, unsigned int bits,
                      uint32_t value);
