/*
 * COM1: 115200 8N1 with FIFOs.
 *
 * Until INIT_DRIVER output is by polling. Then bytes go through a ring that the interrupt handler
 * empties into the FIFO, and a task that writes more than fits sleeps until there is room. Lines of
 * the log never wait: what the ring cannot take is sent by polling, after what is in it.
 *
 * Spec: National Semiconductor PC16550D.
 */
#include "drivers/char/serial.h"

#include "arch/cpu.h"
#include "arch/io.h"
#include "drivers/char/console.h"
#include "kernel/init.h"
#include "kernel/irq/irq.h"
#include "kernel/log.h"
#include "kernel/power/power.h"
#include "kernel/sync/spinlock.h"
#include "kernel/sync/wait_queue.h"
#include "lib/errno.h"
#include "lib/ring.h"

#define COM1     0x3f8
#define COM1_IRQ 4

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
#define INTERRUPT_RECEIVE    0x01
#define INTERRUPT_TRANSMIT   0x02 /* the transmit FIFO has run empty */
#define LINE_8N1             0x03
#define LINE_DIVISOR_LATCH   0x80
#define FIFO_ENABLE_CLEAR_8  0x87 /* on, both cleared, interrupt at 8 bytes or a pause */
#define MODEM_DTR_RTS_OUT2   0x0b /* OUT2 lets the interrupt through */
#define IDENT_NONE           0x01 /* this UART has not raised an interrupt */
#define STATUS_DATA_READY    0x01
#define STATUS_TRANSMIT_IDLE 0x20 /* the transmit FIFO is empty */
#define STATUS_ABSENT        0xff
#define FIFO_SIZE            16
#define POLL_LIMIT           200000 /* reads of the status: some 100 ms; then the line is dead */
#define RECEIVE_LIMIT        256    /* bytes taken at a time */
#define PASSES_MAX           16     /* causes dealt with by one interrupt */
#define OUTPUT_SIZE          8192

static DEFINE_SPINLOCK(serial_lock, "serial", LOCK_RANK_CONSOLE);
static bool is_present;                                  /* const after serial_init() */
static bool is_stuck __guarded_global(serial_lock);      /* took no bytes, at the last look */
static bool has_interrupt __guarded_global(serial_lock); /* output goes through the ring */
static uint8_t enabled __guarded_global(serial_lock);    /* UART_INTERRUPT as written */
static struct ring output __guarded_global(serial_lock);
static uint8_t output_bytes[OUTPUT_SIZE];
static DEFINE_WAIT_QUEUE(output_room, "serial output");

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

/* ---- by polling ---------------------------------------------------------------------------- */

static bool wait_until_idle(void)
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

    if (is_stuck) /* the far end may only have paused: one look, no more waiting */
        is_stuck = !(uart_read(UART_LINE_STATUS) & STATUS_TRANSMIT_IDLE);
    for (size_t i = 0; i < length && !is_stuck; i++) {
        if (room < 2) {
            is_stuck = !wait_until_idle();
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

static void drain_polled(void) __must_hold(serial_lock)
{
    uint8_t bytes[FIFO_SIZE];
    uint32_t count;

    while (!is_stuck && (count = ring_read(&output, bytes, sizeof(bytes))) > 0) {
        is_stuck = !wait_until_idle();
        for (uint32_t i = 0; i < count; i++)
            uart_write(UART_DATA, bytes[i]);
    }
}

/* ---- by interrupt -------------------------------------------------------------------------- */

static void set_enabled(uint8_t interrupts) __must_hold(serial_lock)
{
    if (enabled == interrupts)
        return;
    enabled = interrupts;
    uart_write(UART_INTERRUPT, interrupts);
}

/* Fills the FIFO if it is empty; the interrupt comes when it is again, as long as there is more. */
static void transmit(void) __must_hold(serial_lock)
{
    uint8_t bytes[FIFO_SIZE];

    while (!ring_is_empty(&output) && uart_read(UART_LINE_STATUS) & STATUS_TRANSMIT_IDLE) {
        uint32_t count = ring_read(&output, bytes, sizeof(bytes));
        for (uint32_t i = 0; i < count; i++)
            uart_write(UART_DATA, bytes[i]);
    }
    set_enabled(INTERRUPT_RECEIVE | (ring_is_empty(&output) ? 0 : INTERRUPT_TRANSMIT));
}

/* Puts text into the ring, with carriage returns. Return: how much of it. */
static size_t enqueue(const char *text, size_t length) __must_hold(serial_lock)
{
    size_t done = 0;

    while (done < length && ring_free(&output) >= 2) {
        if (text[done] == '\n')
            ring_write(&output, "\r", 1);
        ring_write(&output, &text[done++], 1);
    }
    transmit();
    return done;
}

static struct console serial_line;

static void receive(void)
{
    char bytes[FIFO_SIZE];
    size_t total = 0;
    size_t count = 0;

    while (total < RECEIVE_LIMIT && uart_read(UART_LINE_STATUS) & STATUS_DATA_READY) {
        bytes[count++] = (char)uart_read(UART_DATA);
        total++;
        if (count == sizeof(bytes)) {
            console_type(&serial_line, bytes, count);
            count = 0;
        }
    }
    if (count)
        console_type(&serial_line, bytes, count);
}

/* Return: is there room enough to wake the writers? */
static bool transmit_isr(void)
{
    irqflags_t flags = spin_lock_irqsave(&serial_lock);

    transmit();
    bool has_room = ring_free(&output) >= OUTPUT_SIZE / 2;
    spin_unlock_irqrestore(&serial_lock, flags);
    return has_room;
}

/* The line is edge-triggered: leaving with a cause pending would be the last interrupt ever. */
static void make_edge(void)
{
    irqflags_t flags = spin_lock_irqsave(&serial_lock);
    uint8_t interrupts = enabled;

    set_enabled(0);
    set_enabled(interrupts);
    spin_unlock_irqrestore(&serial_lock, flags);
}

static bool serial_isr(void *context)
{
    unsigned int passes = 0;
    bool has_room = false;

    (void)context;
    for (; passes < PASSES_MAX && !(uart_read(UART_FIFO) & IDENT_NONE); passes++) {
        receive();
        has_room = transmit_isr();
    }
    if (passes == PASSES_MAX)
        make_edge();
    if (has_room)
        wake_all(&output_room);
    return passes > 0;
}

static bool has_output_room(void)
{
    irqflags_t flags = spin_lock_irqsave(&serial_lock);
    bool has_room = ring_free(&output) >= OUTPUT_SIZE / 2;

    spin_unlock_irqrestore(&serial_lock, flags);
    return has_room;
}

/* ---- consoles ------------------------------------------------------------------------------ */

/* A line that takes nothing for 2 s is given up on: polling then finds out that it is dead. */
#define OUTPUT_LIMIT_NS (2 * NS_PER_S)

static void line_write(struct console *console, const char *text, size_t length)
{
    (void)console;
    while (length > 0) {
        irqflags_t flags = spin_lock_irqsave(&serial_lock);
        size_t done = enqueue(text, length);
        spin_unlock_irqrestore(&serial_lock, flags);
        text += done;
        length -= done;
        if (length > 0 && wait_event_uncancellable(&output_room, has_output_room(),
                                                   deadline_after_ns(OUTPUT_LIMIT_NS)))
            return;
    }
}

static struct console serial_line = { .name = "serial", .write = line_write, .columns = 80 };

static void log_line(struct log_console *console, enum log_level level, const char *text,
                     size_t length)
{
    (void)console;
    (void)level;
    irqflags_t flags = spin_lock_irqsave(&serial_lock);
    size_t done = has_interrupt ? enqueue(text, length) : 0;
    if (done < length) {
        drain_polled();
        write_polled(text + done, length - done);
    }
    spin_unlock_irqrestore(&serial_lock, flags);
}

static void log_line_panic(struct log_console *console, enum log_level level, const char *text,
                           size_t length) __no_thread_safety_analysis
{
    (void)console;
    (void)level;
    drain_polled();
    write_polled(text, length);
}

static struct log_console serial_log = {
    .name = "serial",
    .write = log_line,
    .write_panic = log_line_panic,
};

/* ---- life ---------------------------------------------------------------------------------- */

static bool probe(void)
{
    if (uart_read(UART_LINE_STATUS) == STATUS_ABSENT)
        return false;
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
    uart_write(UART_FIFO, FIFO_ENABLE_CLEAR_8);
    uart_write(UART_MODEM_CONTROL, MODEM_DTR_RTS_OUT2);
}

static int __init serial_init(void)
{
    ring_init(&output, output_bytes, sizeof(output_bytes));
    if (!probe()) {
        log_info("serial", "no UART at 0x%x", COM1);
        return 0;
    }
    set_up_line();
    is_present = true;
    log_console_register(&serial_log);
    return 0;
}
INIT_HOOK(serial_init, INIT_CONSOLE);

static int __init serial_interrupt_init(void)
{
    struct irq *irq;

    if (!is_present)
        return 0;
    int error = irq_request_isa("serial", COM1_IRQ, serial_isr, NULL, &irq);
    if (error)
        return error; /* the log goes on by polling; there is no session */

    irqflags_t flags = spin_lock_irqsave(&serial_lock);
    has_interrupt = true;
    set_enabled(INTERRUPT_RECEIVE);
    spin_unlock_irqrestore(&serial_lock, flags);
    console_register(&serial_line);
    return 0;
}
INIT_HOOK(serial_interrupt_init, INIT_DRIVER);

static void serial_shutdown(void)
{
    irqflags_t flags = spin_lock_irqsave(&serial_lock);

    if (has_interrupt)
        drain_polled();
    if (is_present)
        wait_until_idle();
    spin_unlock_irqrestore(&serial_lock, flags);
}
SHUTDOWN_HOOK(serial_shutdown, SHUTDOWN_CONSOLE);
