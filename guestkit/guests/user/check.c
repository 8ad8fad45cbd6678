/* check: whether the kernel keeps its promises, and keeps programs from each other and from itself. Each check runs in a process of its own
 * and ends with the status that it must. Prints the checks that fail and how many there were; `check NAME` runs one. */

#include "system.h"

#define PAGE 4096
#define KERNEL 0xc0000000u
#define NOWHERE 0x30000000u

/* The rest of a check is right only if this is. */
#define EXPECT(condition) do { if (!(condition)) { complain("check: %s:%d: %s\n", __FILE__, __LINE__, #condition); exit(99); } } while (0)

static volatile u32 *new_page(void)
{
    u32 *page = mmap(PAGE, PROT_READ | PROT_WRITE);

    EXPECT(!failed(page));
    return page;
}

static int ended(int pid)
{
    int status = -1;

    EXPECT(wait(&status) == pid);
    return status;
}

/* -- memory */

static u32 shared_value = 1;

static void fork_copies_memory(void)
{
    volatile u32 *page = new_page();
    int pid;

    *page = 7;
    pid = fork();
    if (pid == 0) {
        *page = 8;
        shared_value = 2;
        exit(*page);
    }
    EXPECT(ended(pid) == 8);
    EXPECT(*page == 7 && shared_value == 1);
}

static void fork_of_a_fork_copies_memory(void)
{
    volatile u32 *page = new_page();

    for (u32 depth = 1; depth <= 4; depth++) {
        int pid = fork();
        if (pid) {
            EXPECT(ended(pid) == (int)(4 - depth));
            EXPECT(*page == depth - 1);
            exit(depth == 1 ? 0 : 5 - (int)depth);
        }
        *page = depth;
    }
}

static void the_heap_grows_and_shrinks(void)
{
    char *start = sbrk(0);

    EXPECT(sbrk(3 * PAGE) == start);
    start[0] = start[3 * PAGE - 1] = 1;
    EXPECT(start[PAGE] == 0);
    EXPECT(sbrk(-2 * PAGE) == start + 3 * PAGE);
    EXPECT(start[0] == 1);
    EXPECT(sbrk(2 * PAGE) == start + PAGE && start[3 * PAGE - 1] == 0);
    EXPECT(failed(sbrk(0x7f000000)) && sbrk(0) == start + 3 * PAGE);
    sbrk(-2 * PAGE);
    start[PAGE] = 1;
}

static void unmapped_memory_is_gone(void)
{
    char *memory = mmap(4 * PAGE, PROT_READ | PROT_WRITE);

    memset(memory, 5, 4 * PAGE);
    EXPECT(munmap(memory + PAGE, 2 * PAGE) == 0);
    EXPECT(memory[0] == 5 && memory[3 * PAGE] == 5);
    EXPECT(mprotect(memory, 4 * PAGE, PROT_READ) == -ENOMEM);
    memory[PAGE]++;
}

static void protected_memory_keeps_its_contents(void)
{
    char *memory = mmap(3 * PAGE, PROT_READ | PROT_WRITE);
    int pid;

    memset(memory, 5, 3 * PAGE);
    EXPECT(mprotect(memory + PAGE, PAGE, PROT_NONE) == 0);
    pid = fork();                               /* what is hidden is shared, too */
    EXPECT(mprotect(memory + PAGE, PAGE, PROT_READ) == 0);
    EXPECT(memory[PAGE] == 5);
    EXPECT(mprotect(memory + PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
    memory[PAGE] += 1;
    EXPECT(memory[0] == 5 && memory[PAGE] == 6 && memory[2 * PAGE] == 5);
    exit(pid ? ended(pid) : 0);
}

static void hidden_memory_cannot_be_read(void)
{
    volatile u32 *page = new_page();

    *page = 1;
    EXPECT(mprotect((void *)page, PAGE, PROT_NONE) == 0);
    exit(*page);
}

static void read_only_memory_cannot_be_written(void)
{
    volatile u32 *page = new_page();

    *page = 1;
    EXPECT(mprotect((void *)page, PAGE, PROT_READ) == 0 && *page == 1);
    *page = 2;
}

static void many_pages_can_be_protected_singly(void)
{
    char *memory = mmap(64 * PAGE, PROT_NONE);

    for (int i = 0; i < 64; i++) {
        EXPECT(mprotect(memory + i * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
        memory[i * PAGE] = i;
    }
    for (int i = 0; i < 64; i++)
        EXPECT(memory[i * PAGE] == i);
}

static void code_cannot_be_written(void)
{
    *(volatile u8 *)code_cannot_be_written = 0;
}

static void the_kernel_cannot_be_read(void)
{
    exit(*(volatile u8 *)KERNEL);
}

static void nothing_is_mapped_at_zero(void)
{
    u32 address = 0;

    asm volatile("movl (%0), %0" : "+r"(address));
}

static void memory_that_is_used_up_ends_only_the_user(void)
{
    for (;;) {
        volatile u8 *memory = mmap(1 << 20, PROT_READ | PROT_WRITE);
        EXPECT(!failed((void *)memory));
        for (u32 at = 0; at < 1 << 20; at += PAGE)
            memory[at] = 1;
    }
}

static void memory_comes_back(void)
{
    for (int i = 0; i < 3; i++) {
        int pid = fork();
        if (pid == 0)
            memory_that_is_used_up_ends_only_the_user();
        EXPECT(ended(pid) == STATUS_SIGNAL + SIGKILL);
    }
}

/* -- what a program gives the kernel is not believed */

static void bad_addresses_are_refused(void)
{
    int fds[2];

    EXPECT(pipe(fds) == 0);
    EXPECT(write(1, (void *)KERNEL, 1) == -EFAULT);
    EXPECT(write(1, (void *)NOWHERE, 1) == -EFAULT);
    EXPECT(write(1, (void *)(KERNEL - 8), 16) == -EFAULT);
    EXPECT(write(1, (void *)0xfffffff0, 0x20) == -EFAULT);
    EXPECT(write(fds[1], "ab", 2) == 2);
    EXPECT(read(fds[0], (void *)KERNEL, 2) == -EFAULT);
    EXPECT(read(fds[0], (void *)bad_addresses_are_refused, 2) == -EFAULT);
    EXPECT(pipe((int *)(KERNEL - 4)) == -EFAULT);
    EXPECT(open((char *)NOWHERE) == -EFAULT);
    EXPECT(exec("/bin/true", (char **)KERNEL) == -EFAULT);
    EXPECT(system_call(SYS_CLOCK, KERNEL, 0, 0) == -EFAULT);
    EXPECT(system_call(SYS_LIST, 0, (u32)code_cannot_be_written, 0) == -EFAULT);
    EXPECT(system_call(SYS_WAIT, KERNEL, 0, 0) == -EFAULT);
}

static void bad_arguments_are_refused(void)
{
    char *many[100], *none[] = { NULL };
    char name[300];

    for (int i = 0; i < 99; i++)
        many[i] = "word";
    many[99] = NULL;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    EXPECT(system_call(SYSTEM_CALLS, 0, 0, 0) == -ENOSYS && system_call(-1, 0, 0, 0) == -ENOSYS);
    EXPECT(read(77, name, 1) == -EBADF && write(-1, name, 1) == -EBADF && close(3) == -EBADF && dup(1000) == -EBADF);
    EXPECT(open("/nowhere") == -ENOENT && open(name) == -E2BIG);
    EXPECT(exec("/nowhere", none) == -ENOENT && exec("/etc/motd", none) == -ENOEXEC && exec("/bin/true", many) == -E2BIG);
    EXPECT(failed(mmap(0, PROT_READ)) && failed(mmap(0xffffffff, PROT_READ)) && failed(mmap(PAGE, 8)));
    EXPECT(munmap((void *)5, PAGE) == -EINVAL && munmap((void *)KERNEL, PAGE) == -EINVAL && munmap((void *)0x80000000, 0x80000000) == -EINVAL);
    EXPECT(mprotect((void *)KERNEL, PAGE, PROT_READ | PROT_WRITE) == -EINVAL && mprotect((void *)NOWHERE, PAGE, PROT_READ) == -ENOMEM);
    EXPECT(signal(SIGKILL, NULL) == -EINVAL && signal(99, NULL) == -EINVAL && kill(getpid(), 99) == -EINVAL && kill(9999, SIGTERM) == -ESRCH);
    EXPECT(wait(NULL) == -ECHILD);
}

static void descriptors_run_out(void)
{
    int fds[2], count = 0;

    while (dup(1) >= 0)
        count++;
    EXPECT(count >= 16 && pipe(fds) == -EMFILE && open("/etc/motd") == -EMFILE);
    close(5);
    EXPECT(pipe(fds) == -EMFILE && dup(1) == 5);
}

static void handler_nobody_calls(int number, u32 address)
{
    (void)number, (void)address;
}

static void processes_run_out(void)
{
    for (int round = 0; round < 2; round++) {
        int pids[100], count = 0;
        while (count < 100 && (pids[count] = fork()) > 0)
            count++;
        if (count < 100 && pids[count] == 0)
            for (;;)
                sleep(1000);
        EXPECT(count > 30 && count < 100);
        for (int i = 0; i < count; i++)
            EXPECT(kill(pids[i], SIGKILL) == 0);
        for (int i = 0; i < count; i++)
            EXPECT(wait(NULL) > 0);
    }
}

/* -- a process cannot do what is the kernel's */

static void cli_is_refused(void) { asm volatile("cli"); }
static void hlt_is_refused(void) { asm volatile("hlt"); }
static void ports_are_refused(void) { asm volatile("outb %%al, $0x80" : : "a"(0)); }
static void control_registers_are_refused(void) { asm volatile("movl %%cr3, %%eax; movl %%eax, %%cr3" : : : "eax"); }
static void kernel_gates_are_refused(void) { asm volatile("int $32"); }
static void kernel_segments_are_refused(void) { asm volatile("movl %0, %%ds" : : "r"(0x10)); }
static void kernel_code_is_refused(void) { ((void (*)(void))KERNEL)(); }
static void undefined_instructions_are_refused(void) { asm volatile("ud2"); }
static void old_hypercalls_are_refused(void) { asm volatile("int $0x82" : : "a"(9) : "memory"); }

/* The top of the floating-point stack, as an integer. */
static u32 floating_top(void)
{
    u32 value;

    asm volatile("fistl %0" : "=m"(value));
    return value;
}

static void floating_push(u32 value)
{
    asm volatile("fildl %0" : : "m"(value));
}

static void floating_point_is_kept_for_each_process(void)
{
    int pid, status;

    floating_push(1);
    for (u32 child = 2; child < 5; child++) {
        pid = fork();
        if (pid == 0) {
            u16 control = 0x27f;
            EXPECT(floating_top() == 1);        /* a child starts with its parent's */
            floating_push(child);
            asm volatile("fldcw %0" : : "m"(control));
            sleep(child);
            asm volatile("fnstcw %0" : "=m"(control));
            EXPECT(floating_top() == child && control == 0x27f);
            exit(child);
        }
    }
    for (int i = 0; i < 3; i++) {
        EXPECT(floating_top() == 1);
        EXPECT(wait(&status) > 0 && status >= 2 && status < 5);
    }
    EXPECT(floating_top() == 1);
}

static void floating_point_errors_are_signals(void)
{
    u16 control = 0x37b;                        /* division by zero is not masked */

    asm volatile("fninit; fldcw %0; fld1; fldz; fdivrp; fwait" : : "m"(control));
}

/* Undefined on a bare machine; a hypervisor may call it a breach of protection. */
static void hypercalls_are_refused(void)
{
    int pid = fork(), status;

    if (pid == 0)
        asm volatile(".byte 0x0f, 0x01, 0xc1" : : "a"(9) : "memory");
    status = ended(pid);
    EXPECT(status == STATUS_SIGNAL + SIGILL || status == STATUS_SIGNAL + SIGSEGV);
}

static void division_by_zero_is_refused(void)
{
    asm volatile("divl %0" : : "r"(0), "a"(1), "d"(0));
}

static void a_stack_nowhere_ends_the_process(void)
{
    signal(SIGSEGV, handler_nobody_calls);
    asm volatile("movl %0, %%esp; pushl %%eax" : : "r"(NOWHERE));
}

/* A return from a signal with a frame that asks for the kernel's segments and for interrupts off. */
static void a_forged_signal_frame_gains_nothing(void)
{
    asm volatile("subl $80, %%esp; movl %%esp, %%edi; xorl %%eax, %%eax; movl $20, %%ecx; rep stosl;"
                 "movl $1f, 60(%%esp);"         /* EIP, behind the return point, number, address, registers, vector and error */
                 "movl $0x08, 64(%%esp); movl $0x3102, 68(%%esp); movl %%esp, 72(%%esp); movl $0x10, 76(%%esp);"
                 "addl $4, %%esp; movl %0, %%eax; int $0x80; 1: movl %%cs, %%ebx; andl $3, %%ebx; addl $40, %%ebx; movl %1, %%eax; int $0x80"
                 : : "i"(SYS_SIGRETURN), "i"(SYS_EXIT) : "eax", "ecx", "edi", "memory");
}

/* Beyond the segments that a hypervisor allows, so that it is the kernel's return that faults. */
static void a_handler_beyond_everything_ends_the_process(void)
{
    signal(SIGUSR1, (handler)0xfffffff0);
    kill(getpid(), SIGUSR1);
}

static void system_calls_work_with_odd_registers(void)
{
    int pid = getpid(), result, flags;

    asm volatile("pushl %%ds; pushl %%es; xorl %%ecx, %%ecx; movl %%ecx, %%ds; movl %%ecx, %%es; std; int $0x80;"
                 "pushfl; popl %1; cld; popl %%es; popl %%ds" : "=a"(result), "=r"(flags) : "0"(SYS_GETPID) : "ecx", "memory");
    EXPECT(result == pid && flags & 0x400);
}

/* -- signals */

static volatile u32 signals;

static void count_signal(int number, u32 address)
{
    (void)address;
    signals += number;
}

static void handlers_are_called_and_return(void)
{
    signal(SIGUSR1, count_signal);
    for (int i = 0; i < 10; i++)
        kill(getpid(), SIGUSR1);
    EXPECT(signals == 10 * SIGUSR1);
    signal(SIGUSR1, (handler)SIG_IGN);
    kill(getpid(), SIGUSR1);
    EXPECT(signals == 10 * SIGUSR1);
}

static void signals_interrupt_what_waits(void)
{
    int fds[2], parent = getpid();
    char c;

    signal(SIGUSR1, count_signal);
    EXPECT(pipe(fds) == 0);
    if (fork() == 0) {
        sleep(20);
        kill(parent, SIGUSR1);
        exit(0);
    }
    EXPECT(read(fds[0], &c, 1) == -EINTR && signals == SIGUSR1);
}

static void a_signal_ends_a_loop(void)
{
    int pid = fork();

    if (pid == 0)
        for (;;)
            ;
    yield();
    kill(pid, SIGTERM);
    EXPECT(ended(pid) == STATUS_SIGNAL + SIGTERM);
}

static void handlers_are_inherited_and_not_kept_by_exec(void)
{
    char *argv[] = { "/bin/check", "the_argument_is_the_name", NULL };

    signal(SIGTERM, count_signal);
    int pid = fork();
    if (pid == 0) {
        kill(getpid(), SIGTERM);
        EXPECT(signals == SIGTERM);
        exit(exec(argv[0], argv));
    }
    EXPECT(ended(pid) == 0);
}

static void the_argument_is_the_name(void)
{
    kill(getpid(), SIGUSR1);
}

/* -- pipes */

static void pipes_carry_every_byte(void)
{
    static u8 buffer[5000];
    int fds[2], pid, n;
    u32 count = 0;

    EXPECT(pipe(fds) == 0);
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        for (u32 size = 1; size < sizeof buffer; size += 97) {
            for (u32 i = 0; i < size; i++)
                buffer[i] = (count + i) % 251;
            EXPECT(write(fds[1], buffer, size) == (int)size);
            count += size;
        }
        exit(0);
    }
    close(fds[1]);
    while ((n = read(fds[0], buffer, 701)) > 0)
        for (int i = 0; i < n; i++)
            EXPECT(buffer[i] == count++ % 251);
    EXPECT(n == 0 && count == 128674);
    EXPECT(ended(pid) == 0);
}

static void a_pipe_without_readers_is_broken(void)
{
    int fds[2];

    EXPECT(pipe(fds) == 0);
    close(fds[0]);
    signal(SIGPIPE, count_signal);
    EXPECT(write(fds[1], "x", 1) == -EPIPE && signals == SIGPIPE);
    signal(SIGPIPE, (handler)SIG_DFL);
    write(fds[1], "x", 1);
}

/* -- the processor is shared */

/* Every register keeps its value while others run. */
static void registers_survive_others(void)
{
    u64 end = clock() + 60000000;
    int pids[4];

    for (u32 i = 0; i < COUNT(pids); i++) {
        pids[i] = fork();
        if (pids[i])
            continue;
        while (clock() < end) {
            u32 pattern = (i + 1) * 0x01010101, difference;
            asm volatile("pushl %%ebp; movl %1, %%ebx; movl %1, %%ecx; movl %1, %%edx; movl %1, %%esi; movl %1, %%edi; movl %1, %%ebp;"
                         "pushl $100000; 1: decl (%%esp); jnz 1b; addl $4, %%esp;"
                         "xorl %1, %%ebx; xorl %1, %%ecx; orl %%ecx, %%ebx; xorl %1, %%edx; orl %%edx, %%ebx; xorl %1, %%esi; orl %%esi, %%ebx;"
                         "xorl %1, %%edi; orl %%edi, %%ebx; xorl %1, %%ebp; orl %%ebp, %%ebx; popl %%ebp"
                         : "=&b"(difference) : "a"(pattern) : "ecx", "edx", "esi", "edi", "memory");
            EXPECT(difference == 0);
        }
        exit(0);
    }
    for (u32 i = 0; i < COUNT(pids); i++) {
        int status = -1;
        EXPECT(wait(&status) > 0 && status == 0);
    }
}

static void time_passes_and_never_goes_back(void)
{
    u64 before = clock(), now;

    for (int i = 0; i < 1000; i++) {
        now = clock();
        EXPECT(now >= before);
        before = now;
    }
    sleep(35);
    now = clock();
    EXPECT(now - before >= 35000000 && now - before < 500000000);
}

static void orphans_are_adopted(void)
{
    int fds[2], pid;
    char c;

    EXPECT(pipe(fds) == 0);
    pid = fork();
    if (pid == 0) {
        if (fork() == 0) {
            sleep(10);
            write(fds[1], "x", 1);
        }
        exit(0);
    }
    EXPECT(ended(pid) == 0);
    EXPECT(read(fds[0], &c, 1) == 1);
}

#define ENDS_WELL(name) { #name, name, 0 }
#define ENDS_BY(signal, name) { #name, name, STATUS_SIGNAL + signal }

static const struct check {
    const char *name;
    void (*run)(void);
    int status;
} checks[] = {
    ENDS_WELL(fork_copies_memory), ENDS_WELL(fork_of_a_fork_copies_memory), ENDS_BY(SIGSEGV, the_heap_grows_and_shrinks),
    ENDS_BY(SIGSEGV, unmapped_memory_is_gone), ENDS_WELL(protected_memory_keeps_its_contents), ENDS_BY(SIGSEGV, hidden_memory_cannot_be_read),
    ENDS_BY(SIGSEGV, read_only_memory_cannot_be_written), ENDS_BY(SIGSEGV, code_cannot_be_written), ENDS_BY(SIGSEGV, the_kernel_cannot_be_read),
    ENDS_BY(SIGSEGV, nothing_is_mapped_at_zero), ENDS_WELL(many_pages_can_be_protected_singly),
    ENDS_WELL(bad_addresses_are_refused), ENDS_WELL(bad_arguments_are_refused),
    ENDS_WELL(descriptors_run_out), ENDS_BY(SIGSEGV, cli_is_refused), ENDS_BY(SIGSEGV, hlt_is_refused), ENDS_BY(SIGSEGV, ports_are_refused),
    ENDS_BY(SIGSEGV, control_registers_are_refused), ENDS_BY(SIGSEGV, kernel_gates_are_refused), ENDS_BY(SIGSEGV, kernel_segments_are_refused),
    ENDS_BY(SIGSEGV, kernel_code_is_refused), ENDS_BY(SIGILL, undefined_instructions_are_refused), ENDS_WELL(floating_point_is_kept_for_each_process),
    ENDS_BY(SIGFPE, floating_point_errors_are_signals),
    ENDS_WELL(hypercalls_are_refused),
    ENDS_BY(SIGSEGV, old_hypercalls_are_refused), ENDS_BY(SIGFPE, division_by_zero_is_refused), ENDS_BY(SIGSEGV, a_stack_nowhere_ends_the_process),
    { "a_forged_signal_frame_gains_nothing", a_forged_signal_frame_gains_nothing, 43 }, ENDS_BY(SIGSEGV, a_handler_beyond_everything_ends_the_process),
    ENDS_WELL(system_calls_work_with_odd_registers),
    ENDS_WELL(handlers_are_called_and_return), ENDS_WELL(signals_interrupt_what_waits), ENDS_WELL(a_signal_ends_a_loop),
    ENDS_WELL(handlers_are_inherited_and_not_kept_by_exec), ENDS_BY(SIGUSR1, the_argument_is_the_name), ENDS_WELL(pipes_carry_every_byte),
    ENDS_BY(SIGPIPE, a_pipe_without_readers_is_broken), ENDS_WELL(registers_survive_others), ENDS_WELL(time_passes_and_never_goes_back),
    ENDS_WELL(orphans_are_adopted), ENDS_WELL(processes_run_out),
    ENDS_BY(SIGKILL, memory_that_is_used_up_ends_only_the_user), ENDS_WELL(memory_comes_back),
};

int main(int argc, char **argv)
{
    u32 failures = 0, count = 0;

    for (const struct check *check = checks; check < checks + COUNT(checks); check++) {
        int pid, status;
        if (argc > 1 && strcmp(argv[1], check->name) != 0)
            continue;
        count++;
        pid = fork();
        if (pid < 0)
            fail("check: no process left\n");
        if (pid == 0) {
            check->run();
            exit(0);
        }
        while (wait(&status) != pid)            /* orphans of earlier checks, if we are the first process */
            ;
        if (status != check->status) {
            print("check: %s: ended with status %d, not %d\n", check->name, status, check->status);
            failures++;
        }
    }
    print("check: %u of %u passed\n", count - failures, count);
    return failures > 0 || count == 0;
}
