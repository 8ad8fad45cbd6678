#include "format.h"
#include "guest.h"

void print(const char *text, ...)
{
    char line[512];
    va_list arguments;

    va_start(arguments, text);
    write_console(line, format(line, sizeof line, text, arguments));
    va_end(arguments);
}
