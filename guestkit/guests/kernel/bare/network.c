/* There is no driver for a network on a bare machine. */

#include "bare.h"

int machine_network_start(u8 address[6])
{
    (void)address;
    return 0;
}

void machine_network_send(const void *frame, u32 size)
{
    (void)frame, (void)size;
}
