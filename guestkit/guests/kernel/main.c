/* The start, once the back end has found out where it is: `boot` is filled in, paging is on, interrupts are off. */

#include "kernel.h"

struct boot boot;

#define WORDS 32

/* Words are separated by spaces; '...' and "..." keep theirs. */
static u32 split(char *line, char **words)
{
    u32 count = 0;

    for (;;) {
        char *to, quote = 0;
        while (*line == ' ')
            line++;
        if (*line == 0 || count == WORDS)
            return count;
        words[count++] = to = line;
        for (; *line && (quote || *line != ' '); line++) {
            if (*line == quote)
                quote = 0;
            else if (!quote && (*line == '\'' || *line == '"'))
                quote = *line;
            else
                *to++ = *line;
        }
        if (*line)
            line++;
        *to = 0;
    }
}

/* `init=PATH` makes PATH the first process, with the words after it as its arguments; `micro=NAME:COUNT` measures the machine instead; `ip=ADDRESS` is
 * for the network.
 * Without either /bin/init runs, and gets all words. */
void kernel_main(void)
{
    static char *words[WORDS + 1] = { "/bin/init" };
    u32 first = 0, count;
    const char *address = NULL, *micro = NULL;

    memory_start();
    machine_start();
    fpu_start();
    count = split(boot.command_line, words + 1) + 1;
    for (u32 i = 1; i < count; i++) {
        if (strncmp(words[i], "micro=", 6) == 0)
            micro = words[i] + 6;
        if (strncmp(words[i], "ip=", 3) == 0)
            address = words[i] + 3;
        if (strncmp(words[i], "init=", 5) == 0) {
            words[i] += 5;
            first = i;
            break;
        }
    }
    network_start(address);
    if (micro)
        micro_run(micro);
    print("kernel: %s, %u KB of memory, %u KB free\n", machine_name, boot.pages * (PAGE / 1024), pages_free() * (PAGE / 1024));
    if (boot.archive_size == 0)
        panic("no archive: give it as a module");
    process_create_first(words + first, count - first);
    idle();
}
