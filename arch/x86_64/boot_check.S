/*
 * Before anything is written outside of the entry code: is there memory for the whole image? And
 * how to say that there is not, when there is nothing yet but the machine. 32-bit code, paging off.
 *
 * Both protocols hand over a map of entries { u64 base, u64 length, u32 type, u32 reserved }, in which
 * type 1 is RAM (Multiboot2 3.6.8; Xen, xen/include/public/arch-x86/hvm/start_info.h).
 */
#include "arch/x86_64/layout.h"

#define PVH_VERSION        4  /* the map is there from version 1 on */
#define PVH_MEMMAP         40 /* u64, physical */
#define PVH_MEMMAP_ENTRIES 48
#define PVH_ENTRY_SIZE     24

#define MULTIBOOT2_TAGS       8 /* behind u32 total size, u32 reserved */
#define TAG_SIZE              4
#define TAG_HEADER_SIZE       8
#define TAG_MEMORY_MAP        6
#define MEMORY_MAP_ENTRY_SIZE 8
#define MEMORY_MAP_ENTRIES    16

#define ENTRY_LENGTH 8
#define ENTRY_TYPE   16
#define TYPE_RAM     1

#define COM1             0x3F8
#define COM1_LINE_STATUS 0x3FD
#define TRANSMITTER_FREE 0x20
#define VGA_TEXT         0xB8000
#define WHITE_ON_RED     0x4F

    .section .boot.text, "ax"
    .code32

/*
 * boot_check_memory() - return if RAM reaches from KERNEL_PHYSICAL_BASE to the image's end
 * EDI: protocol, EBX: the loader's information; both are kept.
 *
 * Without a map there is nothing to say here: boot_info will be refused.
 */
    .globl boot_check_memory
boot_check_memory:
    call find_memory_map
    testl %edx, %edx
    jz 5f

    /* EBP: where the RAM that begins below it ends, until no entry makes it longer. */
    movl $KERNEL_PHYSICAL_BASE, %ebp
1:  movl %ebp, %eax
    pushl %esi
2:  cmpl %edx, %esi
    jae 4f
    call extend_memory
    addl %ecx, %esi
    jmp 2b
4:  popl %esi
    cmpl %ebp, %eax
    jne 1b

    cmpl $kernel_physical_end, %ebp
    jb die_small_memory
5:  ret

/* ESI: first entry, EDX: end of the entries, 0 if there are none, ECX: bytes from one to the next. */
find_memory_map:
    xorl %edx, %edx
    cmpl $BOOT_BY_PVH, %edi
    jne 1f

    cmpl $1, PVH_VERSION(%ebx)
    jb 3f
    movl $PVH_ENTRY_SIZE, %ecx
    imull $PVH_ENTRY_SIZE, PVH_MEMMAP_ENTRIES(%ebx), %edx
    movl PVH_MEMMAP(%ebx), %esi
    addl %esi, %edx
    ret

1:  leal MULTIBOOT2_TAGS(%ebx), %esi
    movl (%ebx), %eax
    addl %ebx, %eax /* the end of all tags */
2:  cmpl %eax, %esi
    jae 3f
    movl TAG_SIZE(%esi), %ecx
    cmpl $TAG_HEADER_SIZE, %ecx
    jb 3f
    cmpl $TAG_MEMORY_MAP, (%esi)
    je 4f
    leal 7(%esi, %ecx), %esi
    andl $~7, %esi
    jmp 2b
3:  ret
4:  leal (%esi, %ecx), %edx
    movl MEMORY_MAP_ENTRY_SIZE(%esi), %ecx
    addl $MEMORY_MAP_ENTRIES, %esi
    testl %ecx, %ecx
    jnz 3b
    xorl %edx, %edx
    ret

/* ESI: an entry. EBP becomes its end, 4 GiB at most, if it is RAM that EBP is in or at the start of. */
extend_memory:
    pushl %eax
    pushl %edx
    cmpl $TYPE_RAM, ENTRY_TYPE(%esi)
    jne 2f
    cmpl $0, 4(%esi)
    jne 2f
    movl (%esi), %eax
    cmpl %ebp, %eax
    ja 2f
    xorl %edx, %edx
    addl ENTRY_LENGTH(%esi), %eax
    adcl ENTRY_LENGTH + 4(%esi), %edx
    jz 1f
    movl $0xFFFFF000, %eax
1:  cmpl %ebp, %eax
    jbe 2f
    movl %eax, %ebp
2:  popl %edx
    popl %eax
    ret

/* EBP: where memory ends. */
die_small_memory:
    movl $VGA_TEXT, %edi
    movl $message_only, %esi
    call say
    movl %ebp, %eax
    call say_kib
    movl $message_needs, %esi
    call say
    movl $kernel_physical_end + 1023, %eax
    call say_kib
    movl $message_end, %esi
    jmp die_saying

/* boot_die() - say the string at ESI on COM1 and on a VGA text screen, and stop */
    .globl boot_die
boot_die:
    movl $VGA_TEXT, %edi
die_saying:
    call say
1:  cli
    hlt
    jmp 1b

/* ESI: a string, EDI: where on the screen; moved on. */
say:
    lodsb
    testb %al, %al
    jz 1f
    call say_character
    jmp say
1:  ret

/* EAX: bytes, of which the whole KiB are said. */
say_kib:
    shrl $10, %eax
    movl $10, %ecx
    pushl $0
1:  xorl %edx, %edx
    divl %ecx
    addl $'0', %edx
    pushl %edx
    testl %eax, %eax
    jnz 1b
2:  popl %eax
    testl %eax, %eax
    jz 3f
    call say_character
    jmp 2b
3:  ret

/* AL: a character. Where there is no COM1, its status reads as all ones. */
say_character:
    movb %al, %ah
    movl $0x100000, %ecx
    movw $COM1_LINE_STATUS, %dx
1:  inb %dx, %al
    testb $TRANSMITTER_FREE, %al
    loopz 1b
    movb %ah, %al
    movw $COM1, %dx
    outb %al, %dx
    cmpb $' ', %al
    jb 2f
    movb $WHITE_ON_RED, %ah
    stosw
2:  ret

message_only:
    .asciz "\r\nnos: only "
message_needs:
    .asciz " KiB of memory; needs "
message_end:
    .asciz " KiB\r\n"
