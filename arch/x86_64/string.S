/*
 * The six string routines and memmove, for x86-64. They replace the weak C versions of
 * lib/string.c and follow the contracts of lib/string.h.
 *
 * Small sizes are done with a few overlapping loads and stores instead of a loop; all loads of the
 * last piece come before its stores, so the copies may run over themselves in the right direction.
 * From LARGE bytes on there are three ways, which processors and emulators rank differently: moves
 * of 8 bytes in a loop (fastest under TCG), rep movsq/stosq, and rep movsb/stosb (fastest on
 * processors with ERMS). string_select() chooses; arch/x86_64/string_select.c calls it.
 *
 * Leaf functions of the System V ABI: only caller-saved registers, no stack, direction flag clear.
 * Tested on a host by tests/unit/lib/test_string_asm.c, where the names begin with nos_.
 */

#if __STDC_HOSTED__
#define NAME(name) nos_##name
#else
#define NAME(name) name
#endif

#define FUNCTION(name)                                                                             \
    .globl NAME(name);                                                                             \
    .type NAME(name), @function;                                                                   \
    .balign 16;                                                                                    \
    NAME(name):
#define END(name) .size NAME(name), . - NAME(name)

#define LARGE 512

/* enum string_variant, in string_select.h. */
#define VARIANT_LOOP  0
#define VARIANT_QUADS 1

    .data
    .balign 8
string_rep_from:                        /* the size from which on rep is used; -1: never */
    .quad -1
string_variant:                         /* which, if at all: QUADS, or else bytes */
    .byte VARIANT_QUADS

    .section .rodata, "a"
    .balign 8
every_byte:                             /* times a byte: that byte, eight times */
    .quad 0x0101010101010101

    .text

/* void string_select(enum string_variant variant) */
FUNCTION(string_select)
    movb %dil, string_variant(%rip)
    movq $-1, %rax
    cmpb $VARIANT_LOOP, %dil
    je 1f
    movl $LARGE, %eax
1:  movq %rax, string_rep_from(%rip)
    ret
END(string_select)

/* ---- void *memset(void *to, int byte, size_t size) ------------------------------------------ */

FUNCTION(memset)
    movq %rdi, %rax                     /* the result, whatever happens to rdi */
    movzbl %sil, %esi
    imulq every_byte(%rip), %rsi
    cmpq $32, %rdx
    jb .Lset_small
    cmpq $64, %rdx
    jbe .Lset_32_to_64
    cmpq string_rep_from(%rip), %rdx
    jae .Lset_large

.Lset_blocks:                           /* at least 32 bytes */
    leaq -32(%rdi,%rdx), %r8            /* the last 32, which may overlap with what is done */
    leaq -32(%r8), %r9                  /* the last place where 64 fit */
    cmpq %r9, %rdi
    ja 2f
    .balign 16
1:  movq %rsi, (%rdi)
    movq %rsi, 8(%rdi)
    movq %rsi, 16(%rdi)
    movq %rsi, 24(%rdi)
    movq %rsi, 32(%rdi)
    movq %rsi, 40(%rdi)
    movq %rsi, 48(%rdi)
    movq %rsi, 56(%rdi)
    addq $64, %rdi
    cmpq %r9, %rdi
    jbe 1b
2:  cmpq %r8, %rdi
    ja 3f
    movq %rsi, (%rdi)
    movq %rsi, 8(%rdi)
    movq %rsi, 16(%rdi)
    movq %rsi, 24(%rdi)
3:  movq %rsi, (%r8)
    movq %rsi, 8(%r8)
    movq %rsi, 16(%r8)
    movq %rsi, 24(%r8)
    ret

.Lset_32_to_64:
    movq %rsi, (%rdi)
    movq %rsi, 8(%rdi)
    movq %rsi, 16(%rdi)
    movq %rsi, 24(%rdi)
    movq %rsi, -32(%rdi,%rdx)           /* the last 32, which may overlap with the first */
    movq %rsi, -24(%rdi,%rdx)
    movq %rsi, -16(%rdi,%rdx)
    movq %rsi, -8(%rdi,%rdx)
    ret

.Lset_small:
    cmpl $16, %edx
    jae .Lset_16_to_31
    cmpl $8, %edx
    jae .Lset_8_to_15
    cmpl $4, %edx
    jae .Lset_4_to_7
    testl %edx, %edx
    jz 1f
    movb %sil, (%rdi)                   /* 1 to 3: first, last, middle */
    movb %sil, -1(%rdi,%rdx)
    shrl $1, %edx
    movb %sil, (%rdi,%rdx)
1:  ret
.Lset_16_to_31:
    movq %rsi, (%rdi)
    movq %rsi, 8(%rdi)
    movq %rsi, -16(%rdi,%rdx)
    movq %rsi, -8(%rdi,%rdx)
    ret
.Lset_8_to_15:
    movq %rsi, (%rdi)
    movq %rsi, -8(%rdi,%rdx)
    ret
.Lset_4_to_7:
    movl %esi, (%rdi)
    movl %esi, -4(%rdi,%rdx)
    ret

.Lset_large:
    movq %rdx, %rcx
    xchgq %rax, %rsi                    /* where rep looks for it; the result waits in rsi */
    cmpb $VARIANT_QUADS, string_variant(%rip)
    jne 1f
    movq %rax, -8(%rdi,%rdx)            /* what is left over by the division */
    shrq $3, %rcx
    rep stosq
    movq %rsi, %rax
    ret
1:  rep stosb
    movq %rsi, %rax
    ret
END(memset)

/* ---- void *memcpy(void *to, const void *from, size_t size) ---------------------------------- */

/* 32 bytes from @offset on; with a register as @index, from there. */
#define COPY_32(offset, index)                                                                     \
    movq (offset)(%rsi index), %rcx;                                                               \
    movq (offset) + 8(%rsi index), %r8;                                                            \
    movq (offset) + 16(%rsi index), %r9;                                                           \
    movq (offset) + 24(%rsi index), %r10;                                                          \
    movq %rcx, (offset)(%rdi index);                                                               \
    movq %r8, (offset) + 8(%rdi index);                                                            \
    movq %r9, (offset) + 16(%rdi index);                                                           \
    movq %r10, (offset) + 24(%rdi index)
#define NO_INDEX
#define INDEX_SIZE , %rdx

FUNCTION(memcpy)
    movq %rdi, %rax
    leaq -32(%rdx), %rcx
    cmpq $32, %rcx
    ja 1f                               /* as unsigned numbers: below 32, or above 64 */
    movsq
    movsq
    movq (%rsi), %rcx
    movq 8(%rsi), %r8
    movq %rcx, (%rdi)
    movq %r8, 8(%rdi)
    COPY_32(-48, INDEX_SIZE)            /* the last 32, which may overlap with the first */
    ret
1:  jns .Lcopy_many
    jmp .Lcopy_small

.Lcopy_forward:                         /* also right when @to is below @from and they overlap */
    cmpq $32, %rdx
    jb .Lcopy_small
.Lcopy_many:
    cmpq string_rep_from(%rip), %rdx
    jae .Lcopy_large
.Lcopy_blocks:
    subq $64, %rdx
    jb 2f
    .balign 16
1:  COPY_32(0, NO_INDEX)
    COPY_32(32, NO_INDEX)
    addq $64, %rsi
    addq $64, %rdi
    subq $64, %rdx
    jae 1b
2:  testb $32, %dl                      /* rdx is what is left, less 64 */
    jz 3f
    COPY_32(0, NO_INDEX)
    addq $32, %rsi
    addq $32, %rdi
3:  andl $31, %edx
    jz .Lcopy_done

.Lcopy_small:                           /* 0 to 31 bytes, all loaded before any is stored */
    cmpl $16, %edx
    jae .Lcopy_16_to_31
    cmpl $8, %edx
    jae .Lcopy_8_to_15
    cmpl $4, %edx
    jae .Lcopy_4_to_7
    testl %edx, %edx
    jz 1f
    movl %edx, %r10d                    /* 1 to 3: first, middle, last */
    shrl $1, %r10d
    movzbl (%rsi), %ecx
    movzbl (%rsi,%r10), %r8d
    movzbl -1(%rsi,%rdx), %r9d
    movb %cl, (%rdi)
    movb %r8b, (%rdi,%r10)
    movb %r9b, -1(%rdi,%rdx)
1:
.Lcopy_done:
    ret
.Lcopy_16_to_31:
    movq (%rsi), %rcx
    movq 8(%rsi), %r8
    movq -16(%rsi,%rdx), %r9
    movq -8(%rsi,%rdx), %r10
    movq %rcx, (%rdi)
    movq %r8, 8(%rdi)
    movq %r9, -16(%rdi,%rdx)
    movq %r10, -8(%rdi,%rdx)
    ret
.Lcopy_8_to_15:
    movq (%rsi), %rcx
    movq -8(%rsi,%rdx), %r8
    movq %rcx, (%rdi)
    movq %r8, -8(%rdi,%rdx)
    ret
.Lcopy_4_to_7:
    movl (%rsi), %ecx
    movl -4(%rsi,%rdx), %r8d
    movl %ecx, (%rdi)
    movl %r8d, -4(%rdi,%rdx)
    ret

.Lcopy_large:
    movq %rdx, %rcx
    cmpb $VARIANT_QUADS, string_variant(%rip)
    jne 1f
    movq -8(%rsi,%rdx), %r8             /* with what is left over by the division */
    shrq $3, %rcx
    rep movsq
    movq %r8, -8(%rax,%rdx)
    ret
1:  rep movsb
    ret
END(memcpy)

/* ---- void *memmove(void *to, const void *from, size_t size) --------------------------------- */

FUNCTION(memmove)
    movq %rdi, %rax
    movq %rdi, %rcx
    subq %rsi, %rcx
    cmpq %rdx, %rcx
    jae .Lcopy_forward                  /* @to does not start within @from */
    cmpq $32, %rdx
    jb .Lcopy_small
    .balign 16
1:  movq -8(%rsi,%rdx), %rcx            /* from the end down */
    movq -16(%rsi,%rdx), %r8
    movq -24(%rsi,%rdx), %r9
    movq -32(%rsi,%rdx), %r10
    movq %rcx, -8(%rdi,%rdx)
    movq %r8, -16(%rdi,%rdx)
    movq %r9, -24(%rdi,%rdx)
    movq %r10, -32(%rdi,%rdx)
    subq $32, %rdx
    cmpq $32, %rdx
    jae 1b
    jmp .Lcopy_small
END(memmove)

/* ---- int memcmp(const void *a, const void *b, size_t size) ---------------------------------- */

FUNCTION(memcmp)
    cmpq $8, %rdx
    jb .Lcompare_small
    subq $8, %rdx                       /* offset of the last word, which may overlap */
    xorl %ecx, %ecx
    .balign 16
1:  cmpq %rdx, %rcx
    jae 2f
    movq (%rdi,%rcx), %rax
    movq (%rsi,%rcx), %r8
    cmpq %r8, %rax
    jne .Lwords_differ
    addq $8, %rcx
    jmp 1b
2:  movq (%rdi,%rdx), %rax
    movq (%rsi,%rdx), %r8
    cmpq %r8, %rax
    jne .Lwords_differ
    xorl %eax, %eax
    ret
.Lwords_differ:                         /* the first byte in memory decides: make it the highest */
    bswapq %rax
    bswapq %r8
    cmpq %r8, %rax
.Lresult_of_flags:                      /* below: -1, above: 1 */
    sbbl %eax, %eax
    orl $1, %eax
    ret

.Lcompare_small:
    cmpl $4, %edx
    jb .Lcompare_bytes
    movl (%rdi), %eax                   /* two words of 4 that may overlap, as one of 8 */
    movl -4(%rdi,%rdx), %ecx
    bswapl %eax
    bswapl %ecx
    shlq $32, %rax
    orq %rcx, %rax
    movl (%rsi), %r8d
    movl -4(%rsi,%rdx), %ecx
    bswapl %r8d
    bswapl %ecx
    shlq $32, %r8
    orq %rcx, %r8
    cmpq %r8, %rax
    jne .Lresult_of_flags
    xorl %eax, %eax
    ret
.Lcompare_bytes:                        /* 0 to 3 */
    xorl %eax, %eax
    testl %edx, %edx
    jz 2f
    xorl %ecx, %ecx
1:  movzbl (%rdi,%rcx), %eax
    movzbl (%rsi,%rcx), %r8d
    subl %r8d, %eax
    jnz 2f
    incl %ecx
    cmpl %edx, %ecx
    jb 1b
2:  ret
END(memcmp)

/*
 * Zero bytes in a word: (x - 0x01..01) & ~x & 0x80..80 has bit 7 of a byte set if that byte is 0.
 * Bytes above the first zero may be marked wrongly (by the borrow), the lowest mark is right.
 * Aligned words never reach into another page, so reading past the end of a string within its
 * word is safe.
 */

/* ---- size_t strlen(const char *text) -------------------------------------------------------- */

FUNCTION(strlen)
    movabsq $0x0101010101010101, %r9
    movabsq $0x8080808080808080, %r10
    movl %edi, %ecx
    andl $7, %ecx
    shll $3, %ecx
    movq $-1, %r8
    shlq %cl, %r8
    notq %r8                            /* the bytes of the first word before the string */
    movq %rdi, %rdx
    andq $-8, %rdx
    movq (%rdx), %rax
    orq %r8, %rax                       /* ... are not zero */
    .balign 16
1:  movq %rax, %r11
    subq %r9, %r11
    notq %rax
    andq %r10, %rax
    andq %rax, %r11
    jnz 2f
    addq $8, %rdx
    movq (%rdx), %rax
    jmp 1b
2:  bsfq %r11, %rax
    shrl $3, %eax
    addq %rdx, %rax
    subq %rdi, %rax
    ret
END(strlen)

/* ---- int strcmp(const char *a, const char *b) ----------------------------------------------- */

FUNCTION(strcmp)
    movabsq $0x0101010101010101, %r9
    movabsq $0x8080808080808080, %r10
    .balign 16
1:  movl %edi, %eax
    andl $4095, %eax
    cmpl $4088, %eax
    ja .Lone_character                  /* 8 bytes from here would reach into the next page */
    movl %esi, %eax
    andl $4095, %eax
    cmpl $4088, %eax
    ja .Lone_character
    movq (%rdi), %rax
    movq (%rsi), %r8
    movq %rax, %rdx
    subq %r9, %rdx
    movq %rax, %rcx
    notq %rcx
    andq %r10, %rcx
    andq %rcx, %rdx                     /* where a ends */
    movq %rax, %rcx
    xorq %r8, %rcx                      /* where a and b differ */
    orq %rcx, %rdx
    jnz 2f
    addq $8, %rdi
    addq $8, %rsi
    jmp 1b
2:  bsfq %rdx, %rcx                     /* the first byte with either */
    andl $0x38, %ecx
    shrq %cl, %rax
    shrq %cl, %r8
    movzbl %al, %eax
    movzbl %r8b, %r8d
    subl %r8d, %eax
    ret
.Lone_character:
    movzbl (%rdi), %eax
    movzbl (%rsi), %r8d
    cmpl %r8d, %eax
    jne 3f
    incq %rdi
    incq %rsi
    testl %eax, %eax
    jnz 1b
3:  subl %r8d, %eax
    ret
END(strcmp)

/* ---- char *strstr(const char *text, const char *word) --------------------------------------- */

FUNCTION(strstr)
    movq %rdi, %rax
    movzbl (%rsi), %r8d
    testl %r8d, %r8d
    jz .Lfound                          /* the empty word is everywhere */
    movabsq $0x0101010101010101, %r9
    movabsq $0x8080808080808080, %r10
    imulq %r9, %r8                      /* the first character of @word, eight times */

.Lsearch:                               /* from rdi on, for that character or the end */
    movl %edi, %ecx
    andl $7, %ecx
    shll $3, %ecx
    movq $0x80, %r11
    shlq %cl, %r11
    negq %r11                           /* marks of bytes from rdi on */
    andq $-8, %rdi
    .balign 16
1:  movq (%rdi), %rax
    movq %rax, %rcx
    notq %rcx
    movq %rax, %rdx
    subq %r9, %rdx
    andq %rcx, %rdx                     /* zeros of x */
    xorq %r8, %rax
    movq %rax, %rcx
    notq %rcx
    subq %r9, %rax
    andq %rcx, %rax                     /* zeros of x ^ character */
    orq %rdx, %rax
    andq %r10, %rax
    andq %r11, %rax
    jnz 2f
    movq $-1, %r11
    addq $8, %rdi
    jmp 1b
2:  bsfq %rax, %rcx
    shrl $3, %ecx
    addq %rcx, %rdi                     /* a candidate; a borrow may have marked it wrongly */
    cmpb $0, (%rdi)
    je .Lnot_found

    xorl %ecx, %ecx
3:  movzbl (%rsi,%rcx), %eax
    testl %eax, %eax
    jz .Lfound_here
    incq %rcx
    cmpb %al, -1(%rdi,%rcx)
    je 3b
    incq %rdi
    jmp .Lsearch
.Lfound_here:
    movq %rdi, %rax
.Lfound:
    ret
.Lnot_found:
    xorl %eax, %eax
    ret
END(strstr)

    .section .note.GNU-stack, "", @progbits
