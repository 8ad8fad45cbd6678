/* put [-a] FILE: copies its input to a file of the disk, which is made; -a puts it behind what is in it. */

#include "system.h"

static char buffer[65536];

int main(int argc, char **argv)
{
    int append = argc > 1 && strcmp(argv[1], "-a") == 0, n, error = 0, fd;

    if (argc != 2 + append)
        fail("put: put [-a] FILE\n");
    fd = open_with(argv[1 + append], OPEN_WRITE | OPEN_CREATE | (append ? OPEN_APPEND : OPEN_TRUNCATE));
    if (fd < 0)
        fail("put: %s: %s\n", argv[1 + append], error_text(fd));
    while (!error && (n = read(0, buffer, sizeof buffer)) > 0)
        error = write_all(fd, buffer, n);
    if (error)
        fail("put: %s: %s\n", argv[1 + append], error_text(error));
    return 0;
}
