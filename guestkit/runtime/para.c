#include "guest.h"

const struct start_info *start_info;

void write_console(const char *text, size_t size)
{
    hypercall(HYPERCALL_CONSOLE_WRITE, (u32)text, size, 0, 0);
}

void stop(int status)
{
    for (;;)
        hypercall(HYPERCALL_EXIT, status, 0, 0, 0);
}

void begin(const struct start_info *information)
{
    start_info = information;
    stop(main(information->command_line));
}
