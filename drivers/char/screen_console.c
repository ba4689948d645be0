/*
 * The screen's two users, the log and a session, over one struct text_screen and its lock.
 */
#include "drivers/char/screen_console.h"

#include "drivers/char/console.h"
#include "kernel/log.h"
#include "kernel/sync/spinlock.h"

#define COLOUR_DARK_GREY  8
#define COLOUR_LIGHT_GREY TEXT_DEFAULT_FOREGROUND
#define COLOUR_LIGHT_RED  12
#define COLOUR_YELLOW     14

#define WRITE_PIECE 512 /* bytes written with interrupts off */

static DEFINE_SPINLOCK(screen_lock, "screen", LOCK_RANK_CONSOLE);
static struct text_screen screen __guarded_global(screen_lock);
static bool is_present; /* const after screen_console_start() */

static void write_log_line(enum log_level level, const char *text, size_t length)
    __must_hold(screen_lock)
{
    static const uint8_t colours[] = { [LOG_ERROR] = COLOUR_LIGHT_RED,
                                       [LOG_WARNING] = COLOUR_YELLOW,
                                       [LOG_INFO] = COLOUR_LIGHT_GREY,
                                       [LOG_DEBUG] = COLOUR_DARK_GREY };

    text_screen_set_colour(&screen, colours[level]);
    text_screen_write(&screen, text, length);
    text_screen_set_colour(&screen, COLOUR_LIGHT_GREY);
}

static void log_line(struct log_console *console, enum log_level level, const char *text,
                     size_t length)
{
    (void)console;
    irqflags_t flags = spin_lock_irqsave(&screen_lock);
    write_log_line(level, text, length);
    spin_unlock_irqrestore(&screen_lock, flags);
}

static void log_line_panic(struct log_console *console, enum log_level level, const char *text,
                           size_t length) __no_thread_safety_analysis
{
    (void)console;
    write_log_line(level, text, length);
}

static struct log_console screen_log = {
    .name = "screen",
    .write = log_line,
    .write_panic = log_line_panic,
};

static void screen_write(struct console *console, const char *text, size_t length)
{
    (void)console;
    while (length > 0) {
        size_t piece = MIN_T(size_t, length, WRITE_PIECE);
        irqflags_t flags = spin_lock_irqsave(&screen_lock);
        text_screen_write(&screen, text, piece);
        spin_unlock_irqrestore(&screen_lock, flags);
        text += piece;
        length -= piece;
    }
}

/* console=vga means the screen, whichever device it is. */
static struct console screen_device = { .name = "vga", .write = screen_write };

void screen_console_start(const struct text_screen_ops *ops, size_t rows, size_t columns,
                          struct text_cell *cells)
{
    irqflags_t flags = spin_lock_irqsave(&screen_lock);
    text_screen_init(&screen, ops, rows, columns, cells);
    spin_unlock_irqrestore(&screen_lock, flags);

    screen_device.columns = columns;
    is_present = true;
    log_console_register(&screen_log);
}

struct console *screen_console(void)
{
    return is_present ? &screen_device : NULL;
}
