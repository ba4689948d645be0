/*
 * ChaCha20 (RFC 8439): the stream behind the random generator.
 */
#pragma once

#include "lib/compiler.h"

#define CHACHA20_KEY_SIZE   32
#define CHACHA20_NONCE_SIZE 12
#define CHACHA20_BLOCK_SIZE 64

/* One block of key stream (RFC 8439, 2.3). */
void chacha20_block(const uint8_t key[CHACHA20_KEY_SIZE], uint32_t counter,
                    const uint8_t nonce[CHACHA20_NONCE_SIZE], uint8_t stream[CHACHA20_BLOCK_SIZE]);

/* Encrypts or decrypts in place, from block @counter on (RFC 8439, 2.4). */
void chacha20_xor(const uint8_t key[CHACHA20_KEY_SIZE], uint32_t counter,
                  const uint8_t nonce[CHACHA20_NONCE_SIZE], void *data, size_t size);
