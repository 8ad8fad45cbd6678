/* For programs in C: int main(void) gives the status that the run ends with. */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

static inline void outb(u16 port, u8 value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 inb(u16 port)
{
    u8 value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void print(const char *text)
{
    while (*text)
        outb(0xe9, *text++);
}

static inline void print_hex(u32 value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        outb(0xe9, "0123456789abcdef"[value >> shift & 15]);
    outb(0xe9, '\n');
}
