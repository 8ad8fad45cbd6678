#include "guest.h"

const struct start_info *start_info;

void write_console(const char *text, size_t size)
{
    hypercall(XEN_CONSOLE_WRITE, (u32)text, size, 0, 0);
}

void stop(int status)
{
    for (;;)
#ifdef XEN_1_2
        hypercall(XEN_SCHED_OP, XEN_SCHED_EXIT, status, 0, 0);
#else
        hypercall(XEN_EXIT, status, 0, 0, 0);
#endif
}

void begin(const struct start_info *information)
{
    start_info = information;
    stop(main(information->command_line));
}
