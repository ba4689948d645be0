/*
 * The ways in which arch/x86_64/string.S moves and fills large stretches of memory.
 */
#pragma once

/* The numbers are known to string.S. */
enum string_variant {
    STRING_LOOP,  /* moves of 8 bytes, unrolled */
    STRING_QUADS, /* rep movsq, rep stosq */
    STRING_BYTES, /* rep movsb, rep stosb */
    STRING_VARIANT_COUNT
};

/* Takes effect at once, for copies under way it makes no difference. Context: any. */
void string_select(enum string_variant variant);
