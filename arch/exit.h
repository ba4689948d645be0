/*
 * Telling the emulator how it went. Both do nothing on a machine without the device.
 */
#pragma once

#include <stdint.h>

/**
 * emulator_exit() - end QEMU with status (@code << 1) | 1, by its isa-debug-exit device
 * Returns when there is none. Context: any.
 */
void emulator_exit(uint8_t code);

/** emulator_report_panic() - QEMU's pvpanic device: event GUEST_PANICKED. Context: any. */
void emulator_report_panic(void);

/* Codes that no accident gives: 0 and 1 are QEMU's own, a triple fault with -no-reboot is 0. */
#define EMULATOR_EXIT_PASSED 16 /* status 33 */
#define EMULATOR_EXIT_FAILED 17 /* status 35 */
#define EMULATOR_EXIT_PANIC  18 /* status 37 */
