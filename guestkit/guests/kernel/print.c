/* Messages of the kernel itself. */

#include "kernel.h"
#include "format.h"

static void print_list(const char *text, va_list arguments)
{
    static char line[256];

    machine_write(line, format(line, sizeof line, text, arguments));
}

void print(const char *text, ...)
{
    va_list arguments;

    va_start(arguments, text);
    print_list(text, arguments);
    va_end(arguments);
}

void panic(const char *text, ...)
{
    va_list arguments;

    machine_write("kernel: panic: ", 15);
    va_start(arguments, text);
    print_list(text, arguments);
    va_end(arguments);
    machine_write("\n", 1);
    machine_power_off(1);
}
