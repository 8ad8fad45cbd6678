/* What a program finds that is a whole guest by itself: main(), a console, and an end. Built by `guestkit build FILE`. */
#ifndef GUEST_H
#define GUEST_H

#include "string.h"
#include "types.h"

int main(const char *command_line);             /* yours; what it returns is the exit status */

void print(const char *text, ...);              /* formats as lib/format.h says */
void write_console(const char *text, size_t size);
void stop(int status) __attribute__((noreturn));

#ifdef GUEST_PARA                               /* --backend para */

#include "xen/xen-1.0.h"                        /* the whole interface; with -D XEN_1_2 that of 1.2 */

struct start_info {
#ifndef XEN_1_2
    u32 pages, shared_info, page_directory, module, module_size;
    u32 net_rings[8];
    u8 net_addresses[8][6];
    u32 block_ring, domain, flags;
#else
    u32 pages, shared_info, domain, flags, page_directory, module, module_size;
#endif
    char command_line[];
};

extern const struct start_info *start_info;

static inline int hypercall(u32 number, u32 a, u32 b, u32 c, u32 d)
{
    return xen_hypercall(number, a, b, c, d);
}

#else                                           /* --backend bare: in ring 0 of a PC, paging off */

static inline void outb(u16 port, u8 value)
{
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outw(u16 port, u16 value)
{
    asm volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 inb(u16 port)
{
    u8 value;

    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

#endif
#endif
