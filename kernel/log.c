/*
 * The kernel log.
 *
 * Two rings (log_ring.h): records of fixed size, numbered from 0 for ever, and the bytes of their
 * text. They grow when they are half full, in a softirq, up to 512 KiB of text. A
 * writer reserves a record and its bytes by one atomic addition each and so never waits for
 * anybody: it may be an NMI that hit another writer. A record's state says which number it carries
 * and whether it is whole; a reader copies it out and then looks again whether it was overwritten
 * under its hands. Interrupts are off while a record is filled, so that it takes microseconds:
 * nobody goes round the whole ring meanwhile.
 *
 * Consoles are fed by whichever writer gets hold of the `flushing` flag. One that does not leaves
 * its line to the holder, who looks again after letting go. So nobody waits here either.
 */
#include "kernel/log.h"

#include "arch/clock.h"
#include "arch/cpu.h"
#include "arch/irq.h"
#include "kernel/init.h"
#include "kernel/log_ring.h"
#include "kernel/parameter.h"
#include "kernel/sched/preempt.h"
#include "lib/atomic.h"
#include "lib/ctype.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/page.h"

/* At most; the rings begin with 1/32 of them. */
#define RECORD_COUNT 4096
#define TEXT_SIZE    (512 * 1024)
#define PREFIX_MAX   40 /* "[12345678.123456 255] WARNING " */
#define TEXT_MAX     (LOG_LINE_MAX - PREFIX_MAX)

struct record {
    uint64_t state;    /* atomic: STATE_WRITING(n) or STATE_WHOLE(n) for record number n */
    uint64_t time_ns;  /* this and what follows: copied, then believed if state is unchanged */
    uint64_t position; /* of the text, counted since boot */
    uint16_t length;
    uint16_t cpu;
    uint16_t level;
};

#define STATE_WRITING(number) (2 * (number) + 1)
#define STATE_WHOLE(number)   (2 * (number) + 2)

BUILD_ASSERT(sizeof(struct record) == 32, "a whole number of them is a page");

static __init_bss struct record boot_records[RECORD_COUNT];
static __init_bss char boot_text[TEXT_SIZE];
/* scripts/init_references.awk knows these two by name: they leave the memory of the boot. */
static struct log_ring log_records = LOG_RING_INIT(7, 1, boot_records);
static struct log_ring log_text = LOG_RING_INIT(12, 4, boot_text);
static void (*grow_soon)(void); /* set once */
static atomic_bool growing;     /* held by who makes the rings larger */

static struct log_console *consoles;  /* atomic; entries are only ever added, at the front */
static atomic_bool flushing;          /* held by who feeds the consoles */
static char shown_line[LOG_LINE_MAX]; /* guarded by flushing; after a panic, by being alone */
static atomic_int holds;              /* shell sessions that keep the consoles to themselves */
static atomic_bool panicking;         /* set once */
static enum log_level shown_level = LOG_INFO; /* const after the parameters */

/* ---- writing ------------------------------------------------------------------------------- */

static struct record *record_at(struct log_place number)
{
    size_t left;

    return log_ring_at(&log_records, number, &left);
}

static void copy_to_ring(struct log_place place, const char *text, size_t length)
{
    while (length) {
        size_t left;
        char *to = log_ring_at(&log_text, place, &left);
        size_t part = MIN(left, length);

        memcpy(to, text, part);
        text += part;
        length -= part;
        place.position += part;
    }
}

/*
 * A writer may be stopped (by an NMI, or a virtual CPU by its host) until others have gone round
 * the whole ring. Its line is lost then; the newer one in its place stays.
 */
static bool claim(struct record *record, uint64_t number)
{
    uint64_t state = READ_ONCE(record->state);

    while (state < STATE_WRITING(number)) {
        if (__atomic_compare_exchange_n(&record->state, &state, STATE_WRITING(number), false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return true;
    }
    return false;
}

static void publish(struct record *record, uint64_t number)
{
    uint64_t state = STATE_WRITING(number);

    /* release: pairs with the acquire in copy_record() */
    __atomic_compare_exchange_n(&record->state, &state, STATE_WHOLE(number), false,
                                __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

static void append_record(enum log_level level, const char *text, size_t length)
{
    irqflags_t flags = irq_save();
    struct log_place number = log_ring_take(&log_records, 1);
    struct log_place place = log_ring_take(&log_text, length);
    struct record *record = record_at(number);

    if (claim(record, number.position)) {
        atomic_fence_release(); /* pairs with the acquire fence in copy_record() */
        record->time_ns = clock_read_ns();
        record->position = place.position;
        record->length = (uint16_t)length;
        record->cpu = (uint16_t)cpu_current();
        record->level = (uint16_t)level;
        copy_to_ring(place, text, length);
        publish(record, number.position);
    }
    irq_restore(flags);
}

/* Text from outside (a command line, a table's signature) may hold anything. */
static void replace_control_bytes(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!is_print(text[i]))
            text[i] = '?';
    }
}

/*
 * Memory.
 */

static void *allocate_page(void)
{
    return page_alloc(1, PAGE_ZERO, "log");
}

static const struct log_ring_source page_source = { allocate_page, page_free };

bool log_wants_more(void)
{
    return log_ring_wants_more(&log_records) || log_ring_wants_more(&log_text);
}

void log_grow(void)
{
    if (atomic_exchange(&growing, true))
        return;
    if (log_ring_wants_more(&log_records))
        (void)log_ring_grow(&log_records, &page_source);
    if (log_ring_wants_more(&log_text))
        (void)log_ring_grow(&log_text, &page_source);
    atomic_store(&growing, false);
}

int __init log_settle(void (*how_to_grow_soon)(void))
{
    if (!log_ring_settle(&log_records, &page_source) || !log_ring_settle(&log_text, &page_source))
        return -ENOMEM;
    store_release(&grow_soon, how_to_grow_soon);
    return 0;
}

/* An NMI leaves it to the next line. */
static void ask_for_memory(void)
{
    void (*ask)(void) = load_acquire(&grow_soon);

    if (ask && log_wants_more() && cpu_preempt_count() < PREEMPT_NMI &&
        !atomic_load_relaxed(&panicking))
        ask();
}

static void flush(void);

void log_write_va(enum log_level level, const char *module, const char *format, va_list args)
{
    if (level == LOG_DEBUG && shown_level < LOG_DEBUG)
        return;

    char text[TEXT_MAX];
    size_t length = scnprintf(text, sizeof(text), "%s: ", module);
    vsnprintf(text + length, sizeof(text) - length, format, args);
    length = strlen(text);
    replace_control_bytes(text, length);

    append_record(level, text, length);
    ask_for_memory();
    flush();
}

void log_write(enum log_level level, const char *module, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_write_va(level, module, format, args);
    va_end(args);
}

/* ---- reading ------------------------------------------------------------------------------- */

static void copy_from_ring(uint64_t position, char *text, size_t length)
{
    struct log_place place = { position, log_ring_end(&log_text).level };

    while (length) {
        size_t left;
        const char *from = log_ring_at(&log_text, place, &left);
        size_t part = MIN(left, length);

        memcpy(text, from, part);
        text += part;
        length -= part;
        place.position += part;
    }
}

/* Return: whether the record of that number was there, whole and untouched while it was copied. */
static bool copy_record(struct log_place number, struct record *copy, char text[TEXT_MAX])
{
    struct record *record = record_at(number);

    if (load_acquire(&record->state) != STATE_WHOLE(number.position))
        return false;
    *copy = *record;
    copy->length = MIN_T(uint16_t, copy->length, TEXT_MAX - 1);
    copy_from_ring(copy->position, text, copy->length);
    text[copy->length] = '\0';
    atomic_fence_acquire(); /* pairs with the release fence in append_record() */
    return READ_ONCE(record->state) == STATE_WHOLE(number.position) &&
           copy->position >= log_ring_first(&log_text, log_ring_end(&log_text));
}

static bool is_being_written(struct log_place number)
{
    return READ_ONCE(record_at(number)->state) <= STATE_WRITING(number.position);
}

/*
 * Finds the first line at or after *@cursor. One that is still being written ends the walk, so
 * that it comes in its turn; after a panic its writer is stopped for good, and it is passed over.
 */
static bool next_record(uint64_t *cursor, struct record *record, char text[TEXT_MAX])
{
    struct log_place end = log_ring_end(&log_records);

    *cursor = MAX(*cursor, log_ring_first(&log_records, end));
    while (*cursor < end.position) {
        struct log_place number = { *cursor, end.level };

        if (copy_record(number, record, text)) {
            ++*cursor;
            return true;
        }
        if (is_being_written(number) && !atomic_load_relaxed(&panicking))
            return false;
        ++*cursor;
    }
    return false;
}

static size_t format_record(const struct record *record, const char *text, char *buffer,
                            size_t size)
{
    static const char *const marks[] = {
        [LOG_ERROR] = "ERROR ", [LOG_WARNING] = "WARNING ", [LOG_INFO] = "", [LOG_DEBUG] = "debug "
    };
    uint64_t us = record->time_ns / 1000;

    return scnprintf(buffer, size, "[%5llu.%06llu %u] %s%s", (unsigned long long)(us / 1000000),
                     (unsigned long long)(us % 1000000), record->cpu,
                     record->level < ARRAY_SIZE(marks) ? marks[record->level] : "", text);
}

size_t log_read(uint64_t *cursor, char *buffer, size_t size)
{
    struct record record;
    char text[TEXT_MAX];

    return next_record(cursor, &record, text) ? format_record(&record, text, buffer, size) : 0;
}

uint64_t log_tail(size_t lines)
{
    uint64_t end = log_ring_end(&log_records).position;

    return end > lines ? end - lines : 0;
}

/* ---- consoles ------------------------------------------------------------------------------ */

static void skip_to_end(void)
{
    uint64_t end = log_ring_end(&log_records).position;

    for (struct log_console *c = load_acquire(&consoles); c; c = c->next)
        c->cursor = end;
}

static void feed(struct log_console *console, bool panic_mode)
{
    struct record record;
    char text[TEXT_MAX];

    while (next_record(&console->cursor, &record, text)) {
        if (record.level > shown_level)
            continue;
        size_t length = format_record(&record, text, shown_line, sizeof(shown_line) - 1);
        shown_line[length++] = '\n';
        (panic_mode ? console->write_panic : console->write)(console, record.level, shown_line,
                                                             length);
    }
}

static void feed_all(bool panic_mode)
{
    if (!panic_mode && atomic_load(&holds) > 0) {
        skip_to_end();
        return;
    }
    for (struct log_console *c = load_acquire(&consoles); c; c = c->next)
        feed(c, panic_mode);
}

/* Is there a line that a console has not shown and could? */
static bool has_unshown_line(void)
{
    struct log_place end = log_ring_end(&log_records);

    for (struct log_console *c = load_acquire(&consoles); c; c = c->next) {
        uint64_t cursor = READ_ONCE(c->cursor);
        if (cursor < end.position && !is_being_written((struct log_place){ cursor, end.level }))
            return true;
    }
    return false;
}

static void flush(void)
{
    if (atomic_load_relaxed(&panicking)) {
        feed_all(true);
        return;
    }
    /* An NMI may have hit a console's lock holder: its line is shown by the next to write one. */
    if (cpu_preempt_count() >= PREEMPT_NMI)
        return;
    do {
        if (atomic_exchange(&flushing, true))
            return;
        feed_all(false);
        atomic_store(&flushing, false);
    } while (has_unshown_line());
}

void log_console_register(struct log_console *console)
{
    console->cursor = 0;
    console->next = load_acquire(&consoles);
    while (!__atomic_compare_exchange_n(&consoles, &console->next, console, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
        ;
    flush();
}

void log_console_hold(void)
{
    atomic_fetch_add(&holds, 1);
}

void log_console_release(void)
{
    flush(); /* still held: passes over what came meanwhile */
    atomic_fetch_sub(&holds, 1);
}

void log_panic_mode(void)
{
    atomic_store(&panicking, true);
}

/* ---- log=LEVEL ----------------------------------------------------------------------------- */

static int set_level(const char *value)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            shown_level = (enum log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}
PARAMETER(log, "log", "error|warning|info|debug", "the least urgent log lines on the console",
          set_level);
