/* sync: ends when all that was written is on the disk. */

#include "system.h"

int main(void)
{
    int error = sync();

    if (error)
        fail("sync: %s\n", error_text(error));
    return 0;
}
