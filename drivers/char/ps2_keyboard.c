/*
 * The PS/2 keyboard: scan codes by interrupt, into the screen's console.
 *
 * The interrupt handler alone touches the key map, so there is no lock.
 */
#include "drivers/char/console.h"
#include "drivers/char/i8042.h"
#include "drivers/char/keymap.h"
#include "drivers/char/screen_console.h"
#include "kernel/init.h"
#include "kernel/irq/irq.h"
#include "kernel/log.h"

#define KEYBOARD_IRQ    1
#define CODES_MAX       32 /* taken by one interrupt */
#define ANSWER_ACK      0xfa
#define ANSWER_RESEND   0xfe
#define COMMAND_LIGHTS  0xed
#define LIGHT_NUM_LOCK  0x02
#define LIGHT_CAPS_LOCK 0x04

static struct keymap map;       /* the interrupt handler's */
static uint8_t lights_to_send;  /* likewise: bit 7 set while the keyboard has to be told */
static struct console *console; /* const after keyboard_init() */

#define LIGHTS_DUE  0x80
#define LIGHTS_MASK 0x07

/* Two bytes, each answered by an ACK; the second goes out when the first was answered. */
static void update_lights(void)
{
    if (!map.locks_changed)
        return;
    map.locks_changed = false;
    lights_to_send = LIGHTS_DUE | (map.has_num_lock ? LIGHT_NUM_LOCK : 0) |
                     (map.has_caps_lock ? LIGHT_CAPS_LOCK : 0);
    i8042_send_keyboard(COMMAND_LIGHTS);
}

static void handle_answer(void)
{
    if (lights_to_send & LIGHTS_DUE) {
        lights_to_send &= LIGHTS_MASK;
        i8042_send_keyboard(lights_to_send);
    }
}

static bool keyboard_isr(void *context)
{
    uint8_t code;
    unsigned int count = 0;

    (void)context;
    for (; count < CODES_MAX && i8042_read_isr(&code); count++) {
        char bytes[KEYMAP_BYTES_MAX];
        if (code == ANSWER_ACK || code == ANSWER_RESEND) {
            handle_answer();
            continue;
        }
        size_t length = keymap_feed(&map, code, bytes);
        if (length)
            console_type(console, bytes, length);
        update_lights();
    }
    return count > 0;
}

static int __init keyboard_init(void)
{
    struct irq *irq;

    console = screen_console();
    if (!console)
        return 0;
    if (i8042_init_keyboard()) {
        log_info("keyboard", "no PS/2 controller: the screen has no keyboard");
        return 0;
    }
    int error = irq_request_isa("keyboard", KEYBOARD_IRQ, keyboard_isr, NULL, &irq);
    if (error)
        return error;
    i8042_enable_interrupt();
    console_register(console);
    return 0;
}
INIT_HOOK(keyboard_init, INIT_DRIVER);
