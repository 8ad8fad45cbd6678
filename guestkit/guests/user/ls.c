/* ls [PATH]...: the files of the archive whose names begin with PATH. */

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

    for (int i = 0; list(i, &entry) == 0; i++) {
        int wanted = argc == 1;
        for (int j = 1; j < argc; j++)
            wanted |= matches(entry.name, argv[j]);
        if (wanted)
            print("%7u /%s\n", entry.size, entry.name);
    }
    return 0;
}
