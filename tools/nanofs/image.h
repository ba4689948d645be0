/*
 * An image file as the device of nanofs.
 */
#pragma once

#include <stdint.h>

/** image_create() - a sparse file of @size bytes, made or resized. 0 or -errno. */
int image_create(const char *name, uint64_t size);
