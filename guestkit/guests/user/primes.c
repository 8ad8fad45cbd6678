/* primes [LIMIT]: a chain of processes joined by pipes. Each prints the first number it reads, a prime, and passes on what that does not
 * divide. */

#include "system.h"

static void __attribute__((noreturn)) sieve(int input)
{
    int prime, n, fds[2], next = 0;

    if (read(input, &prime, sizeof prime) != sizeof prime)
        exit(0);
    print("%d ", prime);
    while (read(input, &n, sizeof n) == sizeof n) {
        if (n % prime == 0)
            continue;
        if (!next) {
            if (pipe(fds) < 0 || (next = fork()) < 0)
                fail("primes: no process left\n");
            if (next == 0) {
                close(fds[1]);
                close(input);
                sieve(fds[0]);
            }
            close(fds[0]);
        }
        write(fds[1], &n, sizeof n);
    }
    if (next) {
        close(fds[1]);
        wait(NULL);
    }
    exit(0);
}

int main(int argc, char **argv)
{
    int limit = argc > 1 ? (int)parse_number(argv[1]) : 50, fds[2], pid;

    if (pipe(fds) < 0 || (pid = fork()) < 0)
        fail("primes: no process left\n");
    if (pid == 0) {
        close(fds[1]);
        sieve(fds[0]);
    }
    close(fds[0]);
    for (int n = 2; n <= limit; n++)
        write(fds[1], &n, sizeof n);
    close(fds[1]);
    wait(NULL);
    print("\n");
    return 0;
}
