/* guard: a program that handles its own page faults. It reserves memory that it may not touch, and opens it a page at a time when it has
 * touched it: the handler returns and the instruction is tried again. Then a process without a handler shows what happens to it. */

#include "system.h"

#define PAGES 8
#define PAGE 4096

static int faults;

static void opens(int number, u32 address)
{
    (void)number;
    faults++;
    if (mprotect((void *)(address & ~(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE))
        fail("guard: a fault at %x, which was not expected\n", address);
}

int main(void)
{
    volatile u32 *memory = mmap(PAGES * PAGE, PROT_NONE);
    u32 sum = 0;
    int status;

    if (failed((void *)memory))
        fail("guard: no memory\n");
    signal(SIGSEGV, opens);
    for (u32 i = 0; i < PAGES * PAGE / 4; i++)
        memory[i] = i;
    for (u32 i = 0; i < PAGES * PAGE / 4; i++)
        sum += memory[i];
    print("  %d faults for %d pages, and every word is there: %s\n", faults, PAGES, sum == 8191u * 8192 / 2 ? "yes" : "NO");
    if (fork() == 0) {
        signal(SIGSEGV, (handler)SIG_DFL);
        *(volatile u32 *)0xc0000000 = 1;        /* the kernel's */
        exit(0);
    }
    wait(&status);
    print("  a process that writes to the kernel ends with status %d (128 + signal %d)\n", status, status - STATUS_SIGNAL);
    return status != STATUS_SIGNAL + SIGSEGV || faults != PAGES;
}
