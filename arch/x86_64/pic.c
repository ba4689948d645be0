/*
 * The 8259 pair is not used, but must be moved: left as the firmware had it, its spurious
 * interrupts would arrive as exceptions 8 and 15. Spec: Intel 8259A datasheet, "Programming".
 */
#include "arch/x86_64/pic.h"

#include "arch/io.h"
#include "arch/x86_64/vectors.h"
#include "kernel/init.h"

#define PIC1_COMMAND 0x20
#define PIC1_DATA    0x21
#define PIC2_COMMAND 0xA0
#define PIC2_DATA    0xA1

#define ICW1_INIT_ICW4  0x11
#define ICW3_SLAVE_ON_2 0x04
#define ICW3_SLAVE_ID   0x02
#define ICW4_8086       0x01
#define MASK_ALL        0xFF

void __init pic_disable(void)
{
    port_write8(PIC1_COMMAND, ICW1_INIT_ICW4);
    port_write8(PIC2_COMMAND, ICW1_INIT_ICW4);
    port_write8(PIC1_DATA, VECTOR_PIC_BASE);
    port_write8(PIC2_DATA, VECTOR_PIC_BASE + 8);
    port_write8(PIC1_DATA, ICW3_SLAVE_ON_2);
    port_write8(PIC2_DATA, ICW3_SLAVE_ID);
    port_write8(PIC1_DATA, ICW4_8086);
    port_write8(PIC2_DATA, ICW4_8086);
    port_write8(PIC1_DATA, MASK_ALL);
    port_write8(PIC2_DATA, MASK_ALL);
}
