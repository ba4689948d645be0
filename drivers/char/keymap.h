/*
 * Scan codes of set 1 into the bytes a terminal would send. Pure.
 *
 * US layout. Keys that have no character give the sequences of a VT: arrows ESC [ A to D, Home
 * ESC [ H, End ESC [ F, Insert, Delete and the page keys ESC [ n ~; with Ctrl the arrows give
 * ESC [ 1 ; 5 A to D. Alt puts an ESC before the character.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYMAP_BYTES_MAX 8

struct keymap {
    bool left_shift, right_shift;
    bool left_ctrl, right_ctrl;
    bool left_alt, right_alt;
    bool has_caps_lock, has_num_lock;
    bool is_extended;   /* E0 came */
    unsigned int skip;  /* bytes of the Pause key still to come */
    bool locks_changed; /* the keyboard's lights are to be set; cleared by the reader */
};

/** keymap_feed() - one scan code. Return: number of bytes put into @bytes. */
size_t keymap_feed(struct keymap *map, uint8_t code, char bytes[KEYMAP_BYTES_MAX]);
