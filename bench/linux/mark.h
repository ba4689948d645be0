/*
 * Marks for whoever counts instructions (bench/plugin/count.c), as cpu_mark() of nos makes them.
 */
#pragma once

enum mark {
    MARK_TIME = 1,
    MARK_REPORT
};

#define MARK(mark)                                                                                 \
    __asm__ volatile("nopl %c0(%%rax)"                                                             \
                     :                                                                             \
                     : "i"('n' | 'o' << 8 | 's' << 16 | (mark) << 24)                              \
                     : "memory")
