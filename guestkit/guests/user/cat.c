/* cat [FILE]...: copies files, or its input, to its output. */

#include "system.h"

static char buffer[4096];

static void copy(int fd)
{
    int n;

    while ((n = read(fd, buffer, sizeof buffer)) > 0)
        if (write_all(1, buffer, n))
            exit(1);
}

int main(int argc, char **argv)
{
    if (argc == 1)
        copy(0);
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i]);
        if (fd < 0)
            fail("cat: %s: %s\n", argv[i], error_text(fd));
        copy(fd);
        close(fd);
    }
    return 0;
}
