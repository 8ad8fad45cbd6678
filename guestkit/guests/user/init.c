/* The first process: runs the script that the kernel's command line names with script=PATH, or else a shell on the console. When it ends,
 * the kernel switches the machine off. */

#include "system.h"

int main(int argc, char **argv)
{
    char *shell[3] = { "/bin/sh", NULL, NULL };

    signal(SIGINT, (handler)SIG_IGN);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "script=", 7) == 0)
            shell[1] = argv[i] + 7;
    return run(shell);
}
