/* Programs every device of the PC with garbage, from the seed on the command line: ports of all widths, configuration space, device memory, and the memory in
   which DMA tables and rings lie. Never ends by itself; it may destroy itself by DMA. */
#include "guest.h"

static u32 state;

static u32 next(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static u32 below(u32 limit)
{
    return next() % limit;
}

/* First port and how many: the devices at fixed places, then what PCI's windows get, more often. */
static const u16 ports[][2] = {
    {0x20, 2}, {0xa0, 2}, {0x4d0, 2}, {0x40, 4}, {0x60, 2}, {0x70, 2}, {0x80, 1}, {0xf0, 1}, {0x3f8, 8}, {0x3b0, 48}, {0x1ce, 2}, {0x600, 4}, {0x608, 4},
    {0x1f0, 8}, {0x3f6, 1}, {0x170, 8}, {0x376, 1}, {0x1f0, 8}, {0x170, 8}, {0xcf8, 8}, {0xc000, 0x800}, {0xc000, 0x800}, {0xc000, 0x800}, {0xc000, 0x800},
};
static const u32 places[] = {0xfec00000, 0xfee00000, 0xe0000000, 0xe0fff000, 0xfd000000, 0xa0000, 0xb8000};
static const u32 usual[] = {0, 1, 2, 3, 7, 8, 15, 16, 0x20, 0x80, 0xa0, 0xc8, 0xca, 0xe0, 0xe7, 0xec, 0xef, 0xff, 0x200, 0xffff, 0x10000, 0x100000, 0x300, 0x310,
                            0x7fffffff, 0x80000000, 0xffffffff, 0x300000, 0x1fffff, 0x3fffff, 0x400000};
/* Where the guest lets tables lie: 3 MB to 4 MB. */
#define TABLES 0x300000

static u32 value(void)
{
    switch (below(4)) {
    case 0: return next();
    case 1: return next() & 0xff;
    case 2: return TABLES + (next() & 0xff000);
    default: return usual[below(sizeof usual / sizeof *usual)];
    }
}

static void out(u16 port, u32 what, u32 width)
{
    if (port == 0x64 && (what & 0xf0) == 0xf0)  /* resets */
        return;
    if (width == 0)
        outb(port, what);
    else if (width == 1)
        outw(port, what);
    else
        asm volatile("outl %0, %1" : : "a"(what), "Nd"(port));
}

static void in(u16 port, u32 width)
{
    u32 got;

    if (width == 0)
        inb(port);
    else if (width == 1)
        asm volatile("inw %1, %w0" : "=a"(got) : "Nd"(port));
    else
        asm volatile("inl %1, %0" : "=a"(got) : "Nd"(port));
}

static void act(void)
{
    const u16 *range = ports[below(sizeof ports / sizeof *ports)];
    volatile u32 *table = (u32 *)(TABLES + (next() & 0xff000) + 4 * below(64));
    volatile u8 *place = (u8 *)(places[below(sizeof places / sizeof *places)] + (next() & 0xffc));
    static const u8 slots[] = {0, 1, 2, 3, 4, 5, 24};

    switch (below(9)) {
    case 0: case 1: case 2:
        out(range[0] + below(range[1]), value(), below(3));
        break;
    case 3:
        in(range[0] + below(range[1]), below(3));
        break;
    case 4:
        out(0xcf8, 0x80000000 | slots[below(sizeof slots)] << 11 | below(4) << 8 | (next() & 0xfc), 2);
        /* not the power management's sleep */
        out(0xcfc + below(4), value(), below(3));
        out(0xcf8, 0x80000000 | slots[below(sizeof slots)] << 11 | 4, 2);
        out(0xcfc, 7, 1);
        break;
    case 5: case 6:
        *table = below(2) ? value() : below(8) << 16 | 1;
        break;
    case 7:
        if (below(2))
            *(volatile u32 *)place = value();
        else
            *place;
        break;
    default:
        for (u32 i = below(20000); i > 0; i--)
            asm volatile("pause");
    }
}

int main(const char *command_line)
{
    for (state = 0x9e3779b9; *command_line; command_line++)
        state = state * 31 + *command_line;
    for (;;)
        act();
}
