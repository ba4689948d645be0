/*
 * The CRCs, for x86-64: it replaces the weak C version of lib/crc32.c, with the same tables. 24
 * instructions for eight bytes where compilers need 30: x86 has names for the low two bytes of a
 * register (%al, %ah), so shifting it by 16 bits at a time spares every other shift.
 *
 * Leaf function of the System V ABI. Tested on a host by tests/unit/lib/test_checksums.c, where the
 * name begins with nos_.
 */

#if __STDC_HOSTED__
#define NAME(name) nos_##name
#else
#define NAME(name) name
#endif

/* %r8d ^= the entries of the word's low two bytes in their tables; the first of them is @combine,
 * which is movl where there is nothing to combine with. */
#define LOOK_UP(combine, table)                                                                    \
    movzbl %al, %esi;                                                                              \
    combine ((table) * 1024)(%rdi,%rsi,4), %r8d;                                                   \
    movzbl %ah, %esi;                                                                              \
    xorl ((table) * 1024 - 1024)(%rdi,%rsi,4), %r8d

    .text

/* uint32_t crc32_with(const uint32_t tables[8][256], uint32_t crc, const void *data, size_t size) */
    .globl NAME(crc32_with)
    .type NAME(crc32_with), @function
    .balign 16
NAME(crc32_with):
    movl %esi, %r8d
    notl %r8d
    movq %rcx, %r9
    shrq $3, %rcx
    jz 2f
    .balign 16
1:  movl %r8d, %eax
    xorq (%rdx), %rax
    LOOK_UP(movl, 7)
    shrq $16, %rax
    LOOK_UP(xorl, 5)
    shrq $16, %rax
    LOOK_UP(xorl, 3)
    shrq $16, %rax
    LOOK_UP(xorl, 1)
    addq $8, %rdx
    decq %rcx
    jnz 1b
2:  andl $7, %r9d
    jz 4f
3:  movzbl %r8b, %eax                   /* byte by byte */
    xorb (%rdx), %al
    shrl $8, %r8d
    xorl (%rdi,%rax,4), %r8d
    incq %rdx
    decl %r9d
    jnz 3b
4:  movl %r8d, %eax
    notl %eax
    ret
    .size NAME(crc32_with), . - NAME(crc32_with)

    .section .note.GNU-stack, "", @progbits
