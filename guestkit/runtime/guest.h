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

#define HYPERCALL_CONSOLE_WRITE 2
#define HYPERCALL_EXIT 9

struct start_info {
    u32 pages, shared_info, page_directory, module, module_size;
    u32 net_rings[8];
    u8 net_addresses[8][6];
    u32 block_ring, domain, flags;
    char command_line[];
};

extern const struct start_info *start_info;

static inline int hypercall(u32 number, u32 a, u32 b, u32 c, u32 d)
{
    int result;

    asm volatile("vmcall" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
    return result;
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
