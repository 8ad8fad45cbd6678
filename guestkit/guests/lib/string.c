/* Memory and strings. The compiler itself calls the first four. */

#include "string.h"

void *memcpy(void *to, const void *from, size_t size)
{
    void *d = to;
    size_t words = size / 4, bytes = size % 4;

    asm volatile("rep movsl" : "+D"(d), "+S"(from), "+c"(words) : : "memory");
    asm volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(bytes) : : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    u8 *d = to;
    const u8 *s = from;

    if (d <= s || d >= s + size)
        return memcpy(to, from, size);
    while (size-- > 0)
        d[size] = s[size];
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    void *d = to;
    u32 pattern = (u8)byte * 0x01010101u;
    size_t words = size / 4, bytes = size % 4;

    asm volatile("rep stosl" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
    asm volatile("rep stosb" : "+D"(d), "+c"(bytes) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const u8 *p = a, *q = b;

    for (; size > 0; size--, p++, q++)
        if (*p != *q)
            return *p - *q;
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t size)
{
    for (; size > 0; size--, a++, b++)
        if (*a != *b || !*a)
            return (u8)*a - (u8)*b;
    return 0;
}

char *strchr(const char *s, int c)
{
    for (; *s; s++)
        if (*s == c)
            return (char *)s;
    return NULL;
}

void copy_string(char *to, const char *from, size_t room)
{
    while (room > 1 && *from)
        *to++ = *from++, room--;
    *to = 0;
}

u32 parse_number(const char *s)
{
    u32 value = 0, base = 10;

    if (s[0] == '0' && s[1] == 'x')
        base = 16, s += 2;
    for (;; s++) {
        u32 digit = *s >= 'a' ? *s - 'a' + 10u : *s - (u32)'0';
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}
