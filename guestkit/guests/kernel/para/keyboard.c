/* The console's keyboard: an event says that there are scan codes (set 1, as of a PC), a hypercall reads them. */

#include "para.h"

#define STATUS_FULL 0x100u
#define RELEASED 0x80u
#define KEYS 58
#define LEFT_SHIFT 0x2a
#define RIGHT_SHIFT 0x36
#define CONTROL 0x1d

/* Characters of a US keyboard by scan code. */
static const char plain[KEYS + 1] = "\0\x1b" "1234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[KEYS + 1] = "\0\x1b!@#$%^&*()_+\b\tQWERTYUIOP{}\n\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";

void keyboard_interrupt(void)
{
    static int shift, control;
    u32 read;

    while ((read = hypercall(XEN_KBD_OP, XEN_KBD_READ, 0, 0, 0)) & STATUS_FULL) {
        u32 key = read & (RELEASED - 1);
        int down = !(read & RELEASED);

        if (key == LEFT_SHIFT || key == RIGHT_SHIFT)
            shift = down;
        else if (key == CONTROL)
            control = down;
        else if (down && key < KEYS && plain[key]) {
            char c = shift ? shifted[key] : plain[key];
            console_input(control ? c & 0x1f : c);
        }
    }
}
