/* mkdir DIRECTORY...: makes directories on the disk. */

#include "system.h"

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int error = make_directory(argv[i]);
        if (error)
            fail("mkdir: %s: %s\n", argv[i], error_text(error));
    }
    return 0;
}
