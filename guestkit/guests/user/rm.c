/* rm FILE...: removes files of the disk. */

#include "system.h"

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int error = remove(argv[i]);
        if (error)
            fail("rm: %s: %s\n", argv[i], error_text(error));
    }
    return 0;
}
