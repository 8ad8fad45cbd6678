/* ls [PATH]...: the files of the archive whose names begin with PATH; for /disk, or a directory in it, what is in that. */

#include "system.h"

static int matches(const char *name, const char *path)
{
    while (*path == '/' || *path == '.')
        path++;
    return strncmp(name, path, strlen(path)) == 0;
}

int main(int argc, char **argv)
{
    struct list_entry entry;
    int only_disk = argc > 1;

    for (int j = 1; j < argc; j++) {
        int error, n = 0;
        if (strncmp(argv[j], "/disk", 5)) {
            only_disk = 0;
            continue;
        }
        while ((error = list_directory(argv[j], n, &entry)) == 0) {
            print("%7u %s/%s\n", entry.size, argv[j], entry.name);
            n++;
        }
        if (n == 0)
            fail("ls: %s: %s\n", argv[j], error_text(error));
    }
    if (only_disk)
        return 0;
    for (int i = 0; list(i, &entry) == 0; i++) {
        int wanted = argc == 1;
        for (int j = 1; j < argc; j++)
            wanted |= matches(entry.name, argv[j]);
        if (wanted)
            print("%7u /%s\n", entry.size, entry.name);
    }
    return 0;
}
