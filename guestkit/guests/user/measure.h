/* What benchmark programs have in common: PROGRAM [-r ROUNDS] NAME[:ITERATIONS]... Each round of each name prints, as it starts and ends,
 *
 *   begin NAME
 *   bench NAME ITERATIONS NANOSECONDS [CHECKSUM]
 *
 * with the nanoseconds of all iterations by the kernel's clock. Whoever reads the lines may time them with another. */
#ifndef MEASURE_H
#define MEASURE_H

#include "system.h"

struct measured {
    const char *name;
    u32 iterations;                             /* when none are given */
    u32 (*run)(u32 iterations);                 /* its checksum */
    void (*prepare)(u32 processes, u32 size);   /* before and after a round, not timed; may be NULL */
    void (*finish)(void);
    u32 processes, size;
};

/* Runs what the arguments ask for, everything without arguments; the exit status. */
int measure(int argc, char **argv, const struct measured *all, u32 count, int has_checksum);

#endif
