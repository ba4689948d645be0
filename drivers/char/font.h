/*
 * A font of 8 by 16 for the printable ASCII characters, drawn by us.
 */
#pragma once

#include <stdint.h>

#define FONT_WIDTH  8
#define FONT_HEIGHT 16

/** font_init() - draw the glyphs; once, before the first font_glyph(). */
void font_init(void);

/** font_glyph() - FONT_HEIGHT rows of a character, bit 7 leftmost; a box for what has none. */
const uint8_t *font_glyph(unsigned char character);
