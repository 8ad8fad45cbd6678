/* bench: what an operating system's own work costs. The operations are those of lmbench (McVoy and Staelin, 1996) that the paper about Xen
 * has in its tables. */

#include "measure.h"

#define PAGE 4096
#define MAPPING (64 * PAGE)
#define STRIDE (4 * PAGE)
#define FAULT_PAGES 256
#define BLOCK 65536             /* an iteration of pipe_bandwidth */

/* What waking takes beside others: each time is longer than asked for by as much. */
static u32 sleep_and_wake(u32 iterations)
{
    while (iterations-- > 0)
        sleep(10);
    return 0;
}

static u32 null_call(u32 iterations)
{
    u32 sum = 0;

    while (iterations-- > 0)
        sum += getpid();
    return sum;
}

/* -- signals and faults */

static u32 caught;
static volatile u32 *guarded;

static void catch(int number, u32 address)
{
    (void)number, (void)address;
    caught++;
}

static u32 install_and_catch(u32 iterations)
{
    int pid = getpid();

    while (iterations-- > 0) {
        signal(SIGUSR1, catch);
        kill(pid, SIGUSR1);
    }
    return caught;
}

static u32 faults_left;

/* Returning tries again, so it faults until the handler opens the page. */
static void fault_again(int number, u32 address)
{
    (void)number, (void)address;
    if (--faults_left == 0)
        mprotect((void *)guarded, PAGE, PROT_READ | PROT_WRITE);
}

static void prepare_guarded(u32 processes, u32 size)
{
    (void)processes, (void)size;
    guarded = mmap(PAGE, PROT_READ | PROT_WRITE);
    if (failed((void *)guarded))
        fail("bench: no memory\n");
    *guarded = 0;
    mprotect((void *)guarded, PAGE, PROT_READ);
    signal(SIGSEGV, fault_again);
}

static u32 prot_fault(u32 iterations)
{
    faults_left = iterations;
    *guarded = 1;
    return *guarded;
}

static void finish_guarded(void)
{
    signal(SIGSEGV, (handler)SIG_DFL);
    munmap((void *)guarded, PAGE);
}

/* -- processes */

static void wait_for(int pid)
{
    int status;

    if (pid < 0 || wait(&status) != pid || status != 0)
        fail("bench: a process failed\n");
}

static u32 fork_exit(u32 iterations)
{
    while (iterations-- > 0) {
        int pid = fork();
        if (pid == 0)
            exit(0);
        wait_for(pid);
    }
    return 0;
}

static u32 fork_exec(u32 iterations)
{
    char *argv[] = { "/bin/true", NULL };

    while (iterations-- > 0) {
        int pid = fork();
        if (pid == 0)
            exit(exec(argv[0], argv) != 0);
        wait_for(pid);
    }
    return 0;
}

static u32 fork_shell(u32 iterations)
{
    char *argv[] = { "/bin/sh", "-c", "true", NULL };

    while (iterations-- > 0) {
        int pid = fork();
        if (pid == 0)
            exit(exec(argv[0], argv) != 0);
        wait_for(pid);
    }
    return 0;
}

/* -- memory */

static volatile u8 *map(u32 size)
{
    void *memory = mmap(size, PROT_READ | PROT_WRITE);

    if (failed(memory))
        fail("bench: no memory\n");
    return memory;
}

static u32 map_unmap(u32 iterations)
{
    while (iterations-- > 0) {
        volatile u8 *memory = map(MAPPING);
        for (u32 at = 0; at < MAPPING; at += STRIDE)
            memory[at] = 1;
        munmap((void *)memory, MAPPING);
    }
    return 0;
}

/* A page that was never used, with its share of mapping and unmapping. */
static u32 page_fault(u32 iterations)
{
    while (iterations > 0) {
        u32 pages = iterations < FAULT_PAGES ? iterations : FAULT_PAGES;
        volatile u8 *memory = map(pages * PAGE);
        for (u32 i = 0; i < pages; i++)
            memory[i * PAGE] = 1;
        munmap((void *)memory, pages * PAGE);
        iterations -= pages;
    }
    return 0;
}

/* -- processes in a ring of pipes that hand on a token; each goes through its own memory when it has it */

#define MOST_PROCESSES 8

static int ring[MOST_PROCESSES][2], members;
static u32 words;
static u32 memory[64 * 1024 / sizeof(u32)];
static volatile u32 sum;

static void use_memory(void)
{
    u32 total = 0;

    for (u32 i = 0; i < words; i++)
        total += memory[i];
    sum = total;
}

/* From pipe i to pipe i + 1. */
static int hand_on(int member)
{
    char token;

    if (read(ring[member][0], &token, 1) != 1)
        return 0;
    use_memory();
    return write(ring[(member + 1) % members][1], &token, 1) == 1;
}

static void close_others(int member)
{
    for (int i = 0; i < members; i++) {
        if (i != member)
            close(ring[i][0]);
        if (i != (member + 1) % members)
            close(ring[i][1]);
    }
}

static void prepare_ring(u32 processes, u32 size)
{
    members = processes;
    words = size / sizeof(u32);
    for (int i = 0; i < members; i++)
        if (pipe(ring[i]) < 0)
            fail("bench: no pipe left\n");
    for (int i = 1; i < members; i++) {
        int pid = fork();
        if (pid < 0)
            fail("bench: no process left\n");
        if (pid == 0) {
            close_others(i);
            memset(memory, 1, size);            /* of its own */
            while (hand_on(i))
                ;
            exit(0);
        }
    }
    close_others(0);
    memset(memory, 1, size);
    write(ring[members > 1 ? 1 : 0][1], "", 1); /* once around, so that all are ready */
    hand_on(0);
}

/* An iteration is a hand-over: with more than one process, a context switch. The token ends where it began. */
static u32 hand_over(u32 iterations)
{
    for (u32 done = 0; done < iterations; done += members)
        hand_on(0);
    return 0;
}

static void finish_ring(void)
{
    close(ring[0][0]);
    close(ring[members > 1 ? 1 : 0][1]);
    while (wait(NULL) > 0)
        ;
}

/* -- bytes through a pipe */

static u8 block[BLOCK];
static int bytes[2];

static u32 pipe_bandwidth(u32 iterations)
{
    u32 left = iterations * BLOCK;
    int pid;

    if (pipe(bytes) < 0 || (pid = fork()) < 0)
        fail("bench: no pipe left\n");
    if (pid == 0) {
        close(bytes[0]);
        while (iterations-- > 0)
            write(bytes[1], block, BLOCK);
        exit(0);
    }
    close(bytes[1]);
    while (left > 0) {
        int n = read(bytes[0], block, BLOCK);
        if (n <= 0)
            fail("bench: the pipe ended early\n");
        left -= n;
    }
    close(bytes[0]);
    wait_for(pid);
    return 0;
}

#define RING(processes, kilobytes) { "context_switch_" #processes "p_" #kilobytes "k", 4000, hand_over, prepare_ring, finish_ring, \
                                     processes, kilobytes * 1024 }
/* One process that hands the token to itself: what to take off, to see the switch alone. */
#define BASE(kilobytes) { "context_switch_base_" #kilobytes "k", 4000, hand_over, prepare_ring, finish_ring, 1, kilobytes * 1024 }

static const struct measured operations[] = {
    { .name = "null_call", .iterations = 100000, .run = null_call },
    { .name = "signal", .iterations = 10000, .run = install_and_catch },
    { .name = "fork", .iterations = 300, .run = fork_exit },
    { .name = "exec", .iterations = 200, .run = fork_exec },
    { .name = "sh", .iterations = 100, .run = fork_shell },
    BASE(0), BASE(16), BASE(64),
    RING(2, 0), RING(2, 16), RING(2, 64),
    RING(4, 0), RING(4, 16), RING(4, 64),
    RING(8, 0), RING(8, 16), RING(8, 64),
    { .name = "mmap", .iterations = 1000, .run = map_unmap },
    { .name = "prot_fault", .iterations = 10000, .run = prot_fault, .prepare = prepare_guarded, .finish = finish_guarded },
    { .name = "page_fault", .iterations = 10000, .run = page_fault },
    { .name = "sleep", .iterations = 20, .run = sleep_and_wake },
    { .name = "pipe_bandwidth", .iterations = 100, .run = pipe_bandwidth },
};

int main(int argc, char **argv)
{
    return measure(argc, argv, operations, COUNT(operations), 0);
}
