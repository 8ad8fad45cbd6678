/* The console: a 16550 serial port. Output waits for room, input comes by interrupt. */

#include "bare.h"

#define BASE 0x3f8
#define DATA (BASE + 0)
#define ENABLE (BASE + 1)
#define FIFO_CONTROL (BASE + 2)
#define LINE_CONTROL (BASE + 3)
#define MODEM_CONTROL (BASE + 4)
#define LINE_STATUS (BASE + 5)

#define ENABLE_RECEIVED 0x01
#define FIFO_ON 0x07            /* and emptied */
#define DIVISOR_LATCH 0x80
#define EIGHT_BITS 0x03
#define READY_AND_OUT2 0x0b     /* DTR, RTS; OUT2 lets the interrupt through to the PIC */
#define STATUS_RECEIVED 0x01
#define STATUS_ROOM 0x20

void serial_start(void)
{
    out8(LINE_CONTROL, DIVISOR_LATCH);
    out8(DATA, 1);              /* 115200 baud */
    out8(ENABLE, 0);
    out8(LINE_CONTROL, EIGHT_BITS);
    out8(FIFO_CONTROL, FIFO_ON);
    out8(MODEM_CONTROL, READY_AND_OUT2);
}

/* Only now, since the interrupt controllers, when they are set up, forget what has been asked for. */
void serial_start_input(void)
{
    interrupts_enable(LINE_SERIAL);
    out8(ENABLE, ENABLE_RECEIVED);
}

static void put(char c)
{
    while (!(in8(LINE_STATUS) & STATUS_ROOM))
        ;
    out8(DATA, c);
}

void machine_write(const char *text, u32 size)
{
    for (u32 i = 0; i < size; i++) {
        if (text[i] == '\n')
            put('\r');
        put(text[i]);
    }
}

int machine_has_input(void)
{
    return 1;
}

void serial_interrupt(void)
{
    while (in8(LINE_STATUS) & STATUS_RECEIVED)
        console_input(in8(DATA));
}
