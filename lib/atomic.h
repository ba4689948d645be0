/*
 * Atomic variables: thin names over the compilers' __atomic builtins.
 *
 * The types are structures, so that a plain access to one does not compile. The operations take
 * the address of any of them:
 *
 *   atomic_load_relaxed(a)  atomic_load_acquire(a)  atomic_load(a)            the value
 *   atomic_store_relaxed(a, v)  atomic_store_release(a, v)  atomic_store(a, v)
 *   atomic_fetch_add(a, v)  _sub _or _and _xor                                the value before
 *   atomic_exchange(a, v)                                                     the value before
 *   atomic_cmpxchg(a, &expected, v)    true if it was expected and is now v; otherwise
 *                                      expected is what was found
 *
 * Without a suffix an operation is sequentially consistent. _relaxed orders nothing (statistics),
 * _acquire keeps later accesses after it, _release earlier accesses before it; a comment names the
 * partner of each. For plain variables (pointers published to other CPUs) there are load_acquire()
 * and store_release().
 */
#pragma once

#include "lib/compiler.h"

typedef struct {
    int value;
} atomic_int;

typedef struct {
    unsigned int value;
} atomic_uint;

typedef struct {
    uint32_t value;
} atomic_u32;

typedef struct {
    uint64_t value;
} atomic_u64;

typedef struct {
    size_t value;
} atomic_size;

typedef struct {
    bool value;
} atomic_bool;

/* Static initialiser: static atomic_u64 drops = ATOMIC_INIT(0); */
#define ATOMIC_INIT(initial)                                                                       \
    {                                                                                              \
        (initial)                                                                                  \
    }

#define atomic_load_relaxed(a) __atomic_load_n(&(a)->value, __ATOMIC_RELAXED)
#define atomic_load_acquire(a) __atomic_load_n(&(a)->value, __ATOMIC_ACQUIRE)
#define atomic_load(a)         __atomic_load_n(&(a)->value, __ATOMIC_SEQ_CST)

#define atomic_store_relaxed(a, v) __atomic_store_n(&(a)->value, v, __ATOMIC_RELAXED)
#define atomic_store_release(a, v) __atomic_store_n(&(a)->value, v, __ATOMIC_RELEASE)
#define atomic_store(a, v)         __atomic_store_n(&(a)->value, v, __ATOMIC_SEQ_CST)

#define atomic_fetch_add_relaxed(a, v) __atomic_fetch_add(&(a)->value, v, __ATOMIC_RELAXED)
#define atomic_fetch_add_acquire(a, v) __atomic_fetch_add(&(a)->value, v, __ATOMIC_ACQUIRE)
#define atomic_fetch_add_release(a, v) __atomic_fetch_add(&(a)->value, v, __ATOMIC_RELEASE)
#define atomic_fetch_add(a, v)         __atomic_fetch_add(&(a)->value, v, __ATOMIC_SEQ_CST)

#define atomic_fetch_sub_relaxed(a, v) __atomic_fetch_sub(&(a)->value, v, __ATOMIC_RELAXED)
#define atomic_fetch_sub_release(a, v) __atomic_fetch_sub(&(a)->value, v, __ATOMIC_RELEASE)
#define atomic_fetch_sub(a, v)         __atomic_fetch_sub(&(a)->value, v, __ATOMIC_SEQ_CST)

#define atomic_fetch_or_relaxed(a, v)  __atomic_fetch_or(&(a)->value, v, __ATOMIC_RELAXED)
#define atomic_fetch_or_acquire(a, v)  __atomic_fetch_or(&(a)->value, v, __ATOMIC_ACQUIRE)
#define atomic_fetch_or_release(a, v)  __atomic_fetch_or(&(a)->value, v, __ATOMIC_RELEASE)
#define atomic_fetch_or(a, v)          __atomic_fetch_or(&(a)->value, v, __ATOMIC_SEQ_CST)
#define atomic_fetch_and_relaxed(a, v) __atomic_fetch_and(&(a)->value, v, __ATOMIC_RELAXED)
#define atomic_fetch_and_acquire(a, v) __atomic_fetch_and(&(a)->value, v, __ATOMIC_ACQUIRE)
#define atomic_fetch_and_release(a, v) __atomic_fetch_and(&(a)->value, v, __ATOMIC_RELEASE)
#define atomic_fetch_and(a, v)         __atomic_fetch_and(&(a)->value, v, __ATOMIC_SEQ_CST)
#define atomic_fetch_xor(a, v)         __atomic_fetch_xor(&(a)->value, v, __ATOMIC_SEQ_CST)

#define atomic_exchange_acquire(a, v) __atomic_exchange_n(&(a)->value, v, __ATOMIC_ACQUIRE)
#define atomic_exchange_release(a, v) __atomic_exchange_n(&(a)->value, v, __ATOMIC_RELEASE)
#define atomic_exchange(a, v)         __atomic_exchange_n(&(a)->value, v, __ATOMIC_SEQ_CST)

#define ATOMIC_CMPXCHG_(a, expected, v, success, failure)                                          \
    __atomic_compare_exchange_n(&(a)->value, expected, v, false, success, failure)
#define atomic_cmpxchg_relaxed(a, expected, v)                                                     \
    ATOMIC_CMPXCHG_(a, expected, v, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define atomic_cmpxchg_acquire(a, expected, v)                                                     \
    ATOMIC_CMPXCHG_(a, expected, v, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define atomic_cmpxchg_release(a, expected, v)                                                     \
    ATOMIC_CMPXCHG_(a, expected, v, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define atomic_cmpxchg(a, expected, v)                                                             \
    ATOMIC_CMPXCHG_(a, expected, v, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* Plain variables of any scalar or pointer type, by address. */
#if defined(__CHECKER__) /* sparse refuses the builtins on enumerations */
#define load_acquire(pointer)         READ_ONCE(*(pointer))
#define store_release(pointer, value) WRITE_ONCE(*(pointer), value)
#else
#define load_acquire(pointer)         __atomic_load_n(pointer, __ATOMIC_ACQUIRE)
#define store_release(pointer, value) __atomic_store_n(pointer, value, __ATOMIC_RELEASE)
#endif

/* Fences between CPUs over ordinary memory (devices need those of arch/). */
#define atomic_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define atomic_fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)
#define atomic_fence()         __atomic_thread_fence(__ATOMIC_SEQ_CST)
