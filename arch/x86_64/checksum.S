/*
 * The sum under the internet checksum, for x86-64: it replaces the weak C version of
 * lib/checksum.c. One instruction for eight bytes, because here the carry of one addition can be
 * taken up by the next (RFC 1071, 2 C).
 *
 * Leaf function of the System V ABI. Tested on a host by tests/unit/lib/test_checksums.c, where the
 * name begins with nos_.
 */

#if __STDC_HOSTED__
#define NAME(name) nos_##name
#else
#define NAME(name) name
#endif

    .text

/* uint64_t checksum_blocks(const void *data, size_t blocks, uint64_t sum), 64 bytes each, > 0 */
    .globl NAME(checksum_blocks)
    .type NAME(checksum_blocks), @function
    .balign 16
NAME(checksum_blocks):
    movq %rdx, %rax
    xorl %edx, %edx                     /* clears the carry; lea and dec leave it alone */
1:  adcq (%rdi), %rax
    adcq 8(%rdi), %rax
    adcq 16(%rdi), %rax
    adcq 24(%rdi), %rax
    adcq 32(%rdi), %rax
    adcq 40(%rdi), %rax
    adcq 48(%rdi), %rax
    adcq 56(%rdi), %rax
    leaq 64(%rdi), %rdi
    decq %rsi
    jnz 1b
    adcq %rdx, %rax                     /* at most one more carry, which then ends it */
    ret
    .size NAME(checksum_blocks), . - NAME(checksum_blocks)

    .section .note.GNU-stack, "", @progbits
