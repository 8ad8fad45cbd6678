/* race [PROCESSES [MILLISECONDS]]: processes that never give up the processor by themselves; the timer shares it out. */

#include "system.h"

#define MOST 16

int main(int argc, char **argv)
{
    u32 processes = argc > 1 ? parse_number(argv[1]) : 3, limit = argc > 2 ? parse_number(argv[2]) : 120;
    u64 end = clock() + limit * 1000000ull;
    u32 turns[MOST];
    int fds[2];

    if (processes < 1 || processes > MOST || pipe(fds) < 0)
        fail("race: from 1 to %d processes\n", MOST);
    for (u32 i = 0; i < processes; i++) {
        int pid = fork();
        if (pid < 0)
            fail("race: no process left\n");
        if (pid == 0) {
            u32 report[2] = { i, 0 };
            u64 before = clock(), now;
            while ((now = clock()) < end) {     /* a gap in time is somebody else's turn */
                if (now - before > 5000000)
                    report[1]++;
                before = now;
            }
            write(fds[1], report, sizeof report);
            exit(0);
        }
    }
    for (u32 i = 0; i < processes; i++) {
        u32 report[2];
        read(fds[0], report, sizeof report);
        turns[report[0]] = report[1];
    }
    while (wait(NULL) > 0)
        ;
    for (u32 i = 0; i < processes; i++)
        print("  process %u was interrupted for another %s\n", i + 1, turns[i] ? "again and again" : "never");
    return 0;
}
