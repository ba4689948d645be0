/*
 * What the compilers know beyond the C standard, under names of our own.
 *
 * Lowest header of the tree: it includes only the compiler's own headers and works the same in the
 * kernel and in host programs, under gcc and clang.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Attributes of functions and data. */
#define __must_check         __attribute__((warn_unused_result))
#define __packed             __attribute__((packed))
#define __aligned(bytes)     __attribute__((aligned(bytes)))
#define __noreturn           __attribute__((noreturn))
#define __noinline           __attribute__((noinline))
#define __cold               __attribute__((cold))
#define __within_page(size)  __attribute__((aligned(size))) /* a function of at most that size */
#define __weak               __attribute__((weak))
#define __hidden             __attribute__((visibility("hidden")))
#define __section(name)      __attribute__((section(name)))
#define __maybe_unused       __attribute__((unused))
#define __no_stack_protector __attribute__((no_stack_protector))
/* format: position of the format string; first: of the first checked argument, 0 for va_list. */
#define __printf_format(format_position, first)                                                    \
    __attribute__((format(printf, format_position, first)))

#undef __always_inline /* glibc has one of its own */
#define __always_inline inline __attribute__((always_inline))

/* Kept although nothing names it: by the compiler (used) and by --gc-sections (retain). */
#if defined(__CHECKER__)
#define __kept __attribute__((used))
#else
#define __kept __attribute__((used, retain))
#endif

#if defined(__clang__)
#define __fallthrough __attribute__((fallthrough))
#define __no_sanitize __attribute__((no_sanitize("address", "undefined", "thread")))
#elif defined(__CHECKER__)
#define __fallthrough
#define __no_sanitize
#else
#define __fallthrough __attribute__((fallthrough))
#define __no_sanitize                                                                              \
    __attribute__((no_sanitize_address, no_sanitize_undefined, no_sanitize_thread))
#endif

#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
#define unreachable()       __builtin_unreachable()

/* Names. */
#define PASTE_(a, b)   a##b
#define PASTE(a, b)    PASTE_(a, b)
#define STRINGIFY_(x)  #x
#define STRINGIFY(x)   STRINGIFY_(x)
#define UNIQUE(prefix) PASTE(prefix, __COUNTER__)

/* BUILD_ASSERT(sizeof(x) == 16, "set by the specification"); the text may be left out. */
#define BUILD_ASSERT(condition, ...) _Static_assert(condition, #condition " " __VA_ARGS__)

/* Number of elements; a pointer instead of an array does not compile. */
#define ARRAY_SIZE(array)                                                                          \
    (sizeof(array) / sizeof((array)[0]) +                                                          \
     0 * sizeof(struct {                                                                           \
         unsigned int is_an_array                                                                  \
             : __builtin_types_compatible_p(typeof(array), typeof(&(array)[0]))                    \
               ? -1                                                                                \
               : 1;                                                                                \
     }))

/* The structure whose @member @pointer points at; a pointer of another type does not compile. */
#define container_of(pointer, type, member)                                                        \
    ((type *)((char *)(1 ? (pointer) : &((type *)0)->member) - offsetof(type, member)))

/*
 * MIN and MAX evaluate each argument once and refuse to compare two types: MIN(len, 16) does not
 * compile for a size_t, MIN(len, (size_t)16) and MIN_T(size_t, len, 16) do. In constant
 * expressions (array sizes, enums) use MIN_CONST and MAX_CONST.
 */
#define COMPARE_(a, operator, b, x, y)                                                             \
    ({                                                                                             \
        typeof(a) x = (a);                                                                         \
        typeof(b) y = (b);                                                                         \
        BUILD_ASSERT(__builtin_types_compatible_p(typeof(x), typeof(y)), "two types compared");    \
        x operator y ? x : y;                                                                      \
    })
#define MIN(a, b)           COMPARE_(a, <, b, UNIQUE(min_a_), UNIQUE(min_b_))
#define MAX(a, b)           COMPARE_(a, >, b, UNIQUE(max_a_), UNIQUE(max_b_))
#define MIN_T(type, a, b)   MIN((type)(a), (type)(b))
#define MAX_T(type, a, b)   MAX((type)(a), (type)(b))
#define CLAMP(x, low, high) MIN(MAX(x, low), high)
#define MIN_CONST(a, b)     ((a) < (b) ? (a) : (b))
#define MAX_CONST(a, b)     ((a) > (b) ? (a) : (b))

/* @alignment is a power of two. */
#define ALIGN_DOWN(x, alignment) ((x) & ~((typeof(x))(alignment)-1))
#define ALIGN_UP(x, alignment)   (((x) + ((typeof(x))(alignment)-1)) & ~((typeof(x))(alignment)-1))
#define IS_ALIGNED(x, alignment) (((x) & ((typeof(x))(alignment)-1)) == 0)
#define DIV_ROUND_UP(n, d)       (((n) + (d)-1) / (d))

/* One load or store, neither repeated nor split nor left out; no order with other accesses. */
#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value)                                                                       \
    do {                                                                                           \
        *(volatile typeof(x) *)&(x) = (value);                                                     \
    } while (0)

/* The compiler moves no memory access across this; the CPU may. */
#define compiler_barrier() __asm__ volatile("" ::: "memory")

/*
 * Lock annotations, checked by clang -Wthread-safety (make lint).
 *
 *   struct __capability("spinlock") spinlock { ... };
 *   void spin_lock(struct spinlock *lock) __acquires(lock);
 *   void run_queue_add_locked(struct run_queue *rq, struct task *t) __must_hold(rq->lock);
 *
 * __guarded_by on a structure member is documentation: in C the attribute cannot name a sibling
 * member yet. __guarded_global on a global variable is checked.
 */
#define __guarded_by(lock)
#if defined(__clang__)
#define __capability(kind)          __attribute__((capability(kind)))
#define __scoped_capability         __attribute__((scoped_lockable))
#define __acquires(...)             __attribute__((acquire_capability(__VA_ARGS__)))
#define __acquires_shared(...)      __attribute__((acquire_shared_capability(__VA_ARGS__)))
#define __releases(...)             __attribute__((release_capability(__VA_ARGS__)))
#define __releases_shared(...)      __attribute__((release_shared_capability(__VA_ARGS__)))
#define __try_acquires(...)         __attribute__((try_acquire_capability(__VA_ARGS__)))
#define __try_acquires_shared(...)  __attribute__((try_acquire_shared_capability(__VA_ARGS__)))
#define __must_hold(...)            __attribute__((requires_capability(__VA_ARGS__)))
#define __must_hold_shared(...)     __attribute__((requires_shared_capability(__VA_ARGS__)))
#define __must_not_hold(...)        __attribute__((locks_excluded(__VA_ARGS__)))
#define __asserts_held(...)         __attribute__((assert_capability(__VA_ARGS__)))
#define __guarded_global(lock)      __attribute__((guarded_by(lock)))
#define __no_thread_safety_analysis __attribute__((no_thread_safety_analysis))
#else
#define __capability(kind)
#define __scoped_capability
#define __acquires(...)
#define __acquires_shared(...)
#define __releases(...)
#define __releases_shared(...)
#define __try_acquires(...)
#define __try_acquires_shared(...)
#define __must_hold(...)
#define __must_hold_shared(...)
#define __must_not_hold(...)
#define __asserts_held(...)
#define __guarded_global(lock)
#define __no_thread_safety_analysis
#endif
