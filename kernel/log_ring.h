/*
 * The log's memory: a ring that begins small and grows, for writers that wait for nobody.
 *
 * Positions are counted from 0 for ever. A position taken is a place in the ring until as many
 * others have been taken as the ring is large; no lock is taken, an NMI may be the writer.
 *
 * How large the ring is (its level: each is twice the one before) is kept in one word with the next
 * position, so that whoever takes a position knows the size that goes with it. A ring grows by new
 * pages behind the old ones, and what is in them stays where it is: usually nothing has wrapped by
 * then. If it has, the new, larger lap begins where the current one did (base), and what is left of
 * the lap before is forgotten.
 *
 * Before there is memory to be had the ring is as large as it can be, in memory that only the boot
 * has; log_ring_settle() moves it to as many pages as it needs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

#define LOG_RING_LEVELS    6 /* the last is 2^5 times as large as the first */
#define LOG_RING_PAGES_MAX 128

struct log_ring {
    unsigned int page_shift;         /* 2^page_shift positions are a page; const */
    unsigned int first_pages;        /* pages of level 0; const */
    uint64_t state;                  /* atomic: level, and the next position */
    uint64_t base[LOG_RING_LEVELS];  /* where the first lap of a level began; const once reached */
    char *boot_memory;               /* all of the last level, until log_ring_settle(); then NULL */
    void *pages[LOG_RING_PAGES_MAX]; /* const from the level on that has them */
};

/* A ring of 2^@shift positions a page, @pages_ pages at first; @memory for all levels' pages. */
#define LOG_RING_INIT(shift, pages_, memory)                                                       \
    {                                                                                              \
        .page_shift = (shift), .first_pages = (pages_), .boot_memory = (char *)(memory),           \
        .state = (LOG_RING_LEVELS - 1ULL) << LOG_RING_LEVEL_SHIFT                                  \
    }
#define LOG_RING_LEVEL_SHIFT 56

/* A position, and the level at which it was taken or is looked for. */
struct log_place {
    uint64_t position;
    unsigned int level;
};

/* Where pages, cleared, come from and go to. */
struct log_ring_source {
    void *(*allocate)(void);
    void (*release)(void *page);
};

/** log_ring_take() - the next @count positions; the place of the first. */
struct log_place log_ring_take(struct log_ring *ring, size_t count);

/** log_ring_end() - the place after the last that has been taken. */
struct log_place log_ring_end(const struct log_ring *ring);

/** log_ring_first() - the oldest position that may still be there, seen from @end. */
uint64_t log_ring_first(const struct log_ring *ring, struct log_place end);

/** log_ring_at() - where @place is; *@left: so many positions from there on lie side by side. */
void *log_ring_at(const struct log_ring *ring, struct log_place place, size_t *left);

/** log_ring_wants_more() - is it half full, and could be larger? */
bool log_ring_wants_more(const struct log_ring *ring);

/**
 * log_ring_grow() - double it, for good
 * Context: one caller at a time, after log_ring_settle(). Return: false when there are too few
 * pages.
 */
bool log_ring_grow(struct log_ring *ring, const struct log_ring_source *source);

/**
 * log_ring_settle() - leave the memory of the boot, for the fewest pages that are not half full
 * Context: nobody else uses the ring. Return: false when there are too few pages.
 */
bool log_ring_settle(struct log_ring *ring, const struct log_ring_source *source);
