#include "divide.h"
#include "format.h"
#include "string.h"

static char *digits_of(char *end, u64 value, u32 base)
{
    *end = 0;
    do {
        u32 digit;
        value = divide(value, base, &digit);
        *--end = "0123456789abcdef"[digit];
    } while (value);
    return end;
}

size_t format(char *to, size_t room, const char *text, va_list arguments)
{
    char number[24];
    size_t n = 0;

    for (; *text && n + 1 < room; text++) {
        const char *part;
        int left = 0, zero = 0, wide = 0;
        size_t width = 0, length, i;

        if (*text != '%') {
            to[n++] = *text;
            continue;
        }
        text++;
        if (*text == '-')
            left = 1, text++;
        if (*text == '0')
            zero = 1, text++;
        for (; *text >= '0' && *text <= '9'; text++)
            width = width * 10 + *text - '0';
        if (*text == 'l')
            wide = 1, text++;
        if (*text == 's') {
            part = va_arg(arguments, const char *);
        } else if (*text == 'c') {
            number[0] = va_arg(arguments, int);
            number[1] = 0;
            part = number;
        } else if (*text == 'd') {
            int value = va_arg(arguments, int);
            char *start = digits_of(number + sizeof number - 1, value < 0 ? -(u32)value : (u32)value, 10);
            if (value < 0)
                *--start = '-';
            part = start;
        } else if (*text == 'u' || *text == 'x') {
            u64 value = wide ? va_arg(arguments, u64) : va_arg(arguments, u32);
            part = digits_of(number + sizeof number - 1, value, *text == 'u' ? 10 : 16);
        } else {
            number[0] = *text;
            number[1] = 0;
            part = number;
        }
        length = strlen(part);
        for (i = length; !left && i < width && n + 1 < room; i++)
            to[n++] = zero ? '0' : ' ';
        for (i = 0; i < length && n + 1 < room; i++)
            to[n++] = part[i];
        for (i = length; left && i < width && n + 1 < room; i++)
            to[n++] = ' ';
    }
    to[n] = 0;
    return n;
}
