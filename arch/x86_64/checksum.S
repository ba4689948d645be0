/*
 * The sum under the internet checksum, for x86-64: it replaces the weak C version of
 * lib/checksum.c. Eight bytes are added by one instruction, because here the carry of one addition
 * can be taken up by the next (RFC 1071, 2 C).
 *
 * Carries are taken up in short chains, add, adc, adc, adc $0, for two kinds of machine. An emulator
 * (QEMU's TCG) computes the carry out of an add in one host instruction, but calls a function for
 * that of an adc: one chain through everything takes twice as long there, in the fewest
 * instructions. A processor works on two chains at once when they add to different registers.
 *
 * Leaf function of the System V ABI. Tested on a host by tests/unit/lib/test_checksums.c, where the
 * name begins with nos_.
 */

#if __STDC_HOSTED__
#define NAME(name) nos_##name
#else
#define NAME(name) name
#endif

/*
 * Chains: 16, 24 or 32 bytes at @offset from @base are added to @sum. The last carry finds room: a
 * sum that has carried is not all ones.
 */
#define ADD_16(sum, offset, base)                                                                  \
    addq (offset)base, sum;                                                                        \
    adcq (offset) + 8 base, sum;                                                                   \
    adcq $0, sum
#define ADD_24(sum, offset, base)                                                                  \
    addq (offset)base, sum;                                                                        \
    adcq (offset) + 8 base, sum;                                                                   \
    adcq (offset) + 16 base, sum;                                                                  \
    adcq $0, sum
#define ADD_32(sum, offset, base)                                                                  \
    addq (offset)base, sum;                                                                        \
    adcq (offset) + 8 base, sum;                                                                   \
    adcq (offset) + 16 base, sum;                                                                  \
    adcq (offset) + 24 base, sum;                                                                  \
    adcq $0, sum

    .text

/* uint32_t checksum_partial(const void *data, size_t size, uint32_t sum) */
    .globl NAME(checksum_partial)
    .type NAME(checksum_partial), @function
    .balign 16
NAME(checksum_partial):
    movl %edx, %eax                     /* 64 bits wide from here on */
    cmpq $128, %rsi
    jb 2f
    movq %rsi, %rcx
    andq $-128, %rcx
    addq %rcx, %rdi
    negq %rcx                           /* from the end of the blocks, up to 0 */
    xorl %edx, %edx                     /* the sum of every other chain */
    .balign 16
1:  ADD_16(%rax, 0, (%rdi,%rcx))
    ADD_24(%rdx, 16, (%rdi,%rcx))
    ADD_24(%rax, 40, (%rdi,%rcx))
    ADD_24(%rdx, 64, (%rdi,%rcx))
    ADD_24(%rax, 88, (%rdi,%rcx))
    ADD_16(%rdx, 112, (%rdi,%rcx))
    subq $-128, %rcx
    jnz 1b
    addq %rdx, %rax
    adcq $0, %rax

2:  testb $64, %sil
    jz 3f
    ADD_32(%rax, 0, (%rdi))
    ADD_32(%rax, 32, (%rdi))
    addq $64, %rdi
3:  testb $63, %sil
    jz .Lfold
    testb $32, %sil
    jz 4f
    ADD_32(%rax, 0, (%rdi))
    addq $32, %rdi
4:  testb $16, %sil
    jz 5f
    ADD_16(%rax, 0, (%rdi))
    addq $16, %rdi
5:  testb $8, %sil
    jz 6f
    addq (%rdi), %rax
    adcq $0, %rax
    addq $8, %rdi
6:  testb $7, %sil
    jz .Lfold
    cmpq $8, %rsi
    jb .Lsmall
    movl %esi, %ecx                     /* 1 to 7: the last 8, with those before them shifted out */
    andl $7, %esi
    movq -8(%rdi,%rsi), %rdx
    negl %ecx
    shll $3, %ecx                       /* 64 - 8 * (1 to 7), as far as shrq looks at it */
    shrq %cl, %rdx
    addq %rdx, %rax
    adcq $0, %rax

.Lfold:                                 /* both halves are low + high then, and the carry out of */
    movq %rax, %rdx                     /* the lower one has gone into the upper */
    rolq $32, %rdx
    addq %rdx, %rax
    shrq $32, %rax
    ret

.Lsmall:                                /* 1 to 7 bytes in all; rax has room */
    testb $4, %sil
    jz 1f
    movl (%rdi), %edx
    addq %rdx, %rax
    addq $4, %rdi
1:  testb $2, %sil
    jz 2f
    movzwl (%rdi), %edx
    addq %rdx, %rax
    addq $2, %rdi
2:  testb $1, %sil
    jz .Lfold
    movzbl (%rdi), %edx
    addq %rdx, %rax
    jmp .Lfold
    .size NAME(checksum_partial), . - NAME(checksum_partial)

    .section .note.GNU-stack, "", @progbits
