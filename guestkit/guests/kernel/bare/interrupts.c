/* The two 8259A interrupt controllers: lines 0-15 come as vectors 32-47. */

#include "bare.h"

#define MASTER 0x20
#define SLAVE 0xa0
#define DATA 1                  /* offset of the data port */
#define INITIALIZE 0x11         /* ICW1: edge triggered, ICW4 follows */
#define PC_MODE 0x01            /* ICW4 */
#define END_OF_INTERRUPT 0x20
#define READ_IN_SERVICE 0x0b
#define CASCADE 2               /* the slave is on this line of the master */
#define SPURIOUS 7              /* line that a withdrawn request seems to come from */

static u16 masked = 0xffff & ~(1 << CASCADE);

void interrupts_start(void)
{
    out8(MASTER, INITIALIZE);
    out8(MASTER + DATA, EXCEPTIONS);
    out8(MASTER + DATA, 1 << CASCADE);
    out8(MASTER + DATA, PC_MODE);
    out8(SLAVE, INITIALIZE);
    out8(SLAVE + DATA, EXCEPTIONS + 8);
    out8(SLAVE + DATA, CASCADE);
    out8(SLAVE + DATA, PC_MODE);
    interrupts_enable(CASCADE);
}

void interrupts_enable(u32 line)
{
    masked &= ~(1 << line);
    out8(MASTER + DATA, masked);
    out8(SLAVE + DATA, masked >> 8);
}

void machine_interrupt(u32 vector)
{
    u32 line = vector - EXCEPTIONS;

    if (line == SPURIOUS) {
        out8(MASTER, READ_IN_SERVICE);
        if (!(in8(MASTER) & 1 << SPURIOUS))
            return;
    }
    if (line >= 8)
        out8(SLAVE, END_OF_INTERRUPT);
    out8(MASTER, END_OF_INTERRUPT);
    if (line == LINE_TIMER)
        timer_interrupt();
    else if (line == LINE_SERIAL)
        serial_interrupt();
    else if (line == LINE_DISK)
        disk_interrupt();
}
