/*
 * COM1: the part that works before anything else does. Sets the line to 115200 8N1 with FIFOs and
 * writes by polling.
 *
 * Spec: National Semiconductor PC16550D.
 */
#include "drivers/char/serial.h"

#include "arch/io.h"
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/sync/spinlock.h"
#include "lib/errno.h"

#define COM1 0x3f8

enum uart_register {
    UART_DATA = 0,      /* DLAB 0: receive and transmit; DLAB 1: divisor, low byte */
    UART_INTERRUPT = 1, /* DLAB 0: interrupt enable; DLAB 1: divisor, high byte */
    UART_FIFO = 2,      /* write: FIFO control; read: interrupt identification */
    UART_LINE_CONTROL = 3,
    UART_MODEM_CONTROL = 4,
    UART_LINE_STATUS = 5,
    UART_SCRATCH = 7,
};

#define DIVISOR_115200       1
#define LINE_8N1             0x03
#define LINE_DIVISOR_LATCH   0x80
#define FIFO_ENABLE_CLEAR_14 0xc7 /* on, both cleared, interrupt at 14 bytes */
#define MODEM_DTR_RTS_OUT2   0x0b /* OUT2 lets the interrupt through */
#define STATUS_TRANSMIT_IDLE 0x20 /* the transmit FIFO is empty */
#define FIFO_SIZE            16
#define POLL_LIMIT           200000 /* reads of the status: some 100 ms; then the line is dead */

static DEFINE_SPINLOCK(serial_lock, "serial", LOCK_RANK_CONSOLE);
static bool is_present;                             /* const after serial_init() */
static bool is_stuck __guarded_global(serial_lock); /* does not take bytes any more */

bool serial_is_present(void)
{
    return is_present;
}

static uint8_t uart_read(enum uart_register reg)
{
    return port_read8(COM1 + reg);
}

static void uart_write(enum uart_register reg, uint8_t value)
{
    port_write8(COM1 + reg, value);
}

static bool wait_for_room(void)
{
    for (unsigned int i = 0; i < POLL_LIMIT; i++) {
        if (uart_read(UART_LINE_STATUS) & STATUS_TRANSMIT_IDLE)
            return true;
        cpu_relax();
    }
    return false;
}

/* One look at the status is good for a FIFO full of bytes: under emulation each costs as much. */
static void write_polled(const char *text, size_t length) __must_hold(serial_lock)
{
    unsigned int room = 0;

    for (size_t i = 0; i < length && !is_stuck; i++) {
        if (room < 2 && (text[i] == '\n' || room == 0)) {
            is_stuck = !wait_for_room();
            room = FIFO_SIZE;
        }
        if (text[i] == '\n') {
            uart_write(UART_DATA, '\r');
            room--;
        }
        uart_write(UART_DATA, (uint8_t)text[i]);
        room--;
    }
}

static void console_write(struct log_console *console, enum log_level level, const char *text,
                          size_t length)
{
    (void)console;
    (void)level;
    irqflags_t flags = spin_lock_irqsave(&serial_lock);
    write_polled(text, length);
    spin_unlock_irqrestore(&serial_lock, flags);
}

static void console_write_panic(struct log_console *console, enum log_level level, const char *text,
                                size_t length) __no_thread_safety_analysis
{
    (void)console;
    (void)level;
    write_polled(text, length);
}

static struct log_console serial_console = {
    .name = "serial",
    .write = console_write,
    .write_panic = console_write_panic,
};

static bool probe(void)
{
    uart_write(UART_SCRATCH, 0x5a);
    if (uart_read(UART_SCRATCH) != 0x5a)
        return false;
    uart_write(UART_SCRATCH, 0xa5);
    return uart_read(UART_SCRATCH) == 0xa5;
}

static void set_up_line(void)
{
    uart_write(UART_INTERRUPT, 0);
    uart_write(UART_LINE_CONTROL, LINE_DIVISOR_LATCH);
    uart_write(UART_DATA, DIVISOR_115200);
    uart_write(UART_INTERRUPT, 0);
    uart_write(UART_LINE_CONTROL, LINE_8N1);
    uart_write(UART_FIFO, FIFO_ENABLE_CLEAR_14);
    uart_write(UART_MODEM_CONTROL, MODEM_DTR_RTS_OUT2);
}

static int serial_init(void)
{
    if (!probe()) {
        log_info("serial", "no UART at 0x%x", COM1);
        return 0;
    }
    set_up_line();
    is_present = true;
    log_console_register(&serial_console);
    return 0;
}
INIT_HOOK(serial_init, INIT_CONSOLE);
