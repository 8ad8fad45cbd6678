/* Processes: their table, their life, and which of them runs. */

#include "kernel.h"

static struct process processes[PROCESSES];
static struct process idle_process;     /* runs on the boot stack when nobody else can */
static struct queue ready, sleepers;
static int next_pid = 1;

struct process *current = &idle_process;
int reschedule;

/* -- queues: a process is in at most one, READY ones in `ready`, SLEEPING ones where they wait */

static void queue_add(struct queue *queue, struct process *process)
{
    process->next = NULL;
    process->queue = queue;
    if (queue->last)
        queue->last->next = process;
    else
        queue->first = process;
    queue->last = process;
}

static void queue_remove(struct process *process)
{
    struct queue *queue = process->queue;
    struct process *before = NULL, *p;

    for (p = queue->first; p != process; p = p->next)
        before = p;
    if (before)
        before->next = p->next;
    else
        queue->first = p->next;
    if (queue->last == p)
        queue->last = before;
    process->queue = NULL;
}

/* -- the scheduler: round robin */

void process_load(u32 *directory)
{
    static u32 *loaded;

    machine_switch(directory == loaded ? NULL : directory, current->stack + PAGE);
    loaded = directory;
}

void schedule(void)
{
    struct process *before = current, *next = ready.first;

    if (next)
        queue_remove(next);
    else
        next = &idle_process;
    reschedule = 0;
    if (next == before)
        return;
    current = next;
    if (next->stack)                            /* the idle process runs in anybody's space */
        process_load(next->space.directory);
    next->state = RUNNING;
    fpu_switch(before, next);
    switch_context(&before->esp, next->esp);
}

void yield(void)
{
    current->state = READY;
    queue_add(&ready, current);
    schedule();
}

int sleep_on(struct queue *queue)
{
    if (current->pending)
        return -EINTR;
    current->state = SLEEPING;
    queue_add(queue, current);
    schedule();
    return current->pending ? -EINTR : 0;
}

void wake(struct process *process)
{
    if (process->state != SLEEPING)
        return;
    queue_remove(process);
    process->state = READY;
    queue_add(&ready, process);
}

void wake_all(struct queue *queue)
{
    while (queue->first)
        wake(queue->first);
}

void sleep_always(struct queue *queue)
{
    current->state = SLEEPING;
    queue_add(queue, current);
    schedule();
}

int sleep_until(u64 time)
{
    current->wake_time = time;
    while (machine_clock() < current->wake_time)
        if (sleep_on(&sleepers))
            return -EINTR;
    return 0;
}

void timer_tick(void)
{
    u64 now = sleepers.first ? machine_clock() : 0;
    struct process *next;

    for (struct process *p = sleepers.first; p; p = next) {
        next = p->next;
        if (p->wake_time <= now)
            wake(p);
    }
    reschedule = 1;
    network_tick();
}

void idle(void)
{
    for (;;) {
        while (!ready.first)
            machine_idle();
        schedule();
    }
}

/* -- life and death */

struct trap_frame *process_frame(struct process *process)
{
    return (struct trap_frame *)(process->stack + PAGE) - 1;
}

struct process *process_find(int pid)
{
    for (struct process *p = processes; p < processes + PROCESSES; p++)
        if (p->state != UNUSED && p->pid == pid)
            return p;
    return NULL;
}

/* A process whose first act in the kernel is `entry`, at the end of its stack, under its trap frame. It has no memory yet. */
static struct process *new_process(void (*entry)(void))
{
    for (struct process *p = processes; p < processes + PROCESSES; p++) {
        if (p->state != UNUSED)
            continue;
        memset(p, 0, sizeof *p);
        p->stack = page_take();
        if (!p->stack)
            return NULL;
        p->esp = (u32 *)process_frame(p);
        *--p->esp = (u32)trap_return;           /* where `entry` returns to */
        if (entry != trap_return)
            *--p->esp = (u32)entry;
        p->esp -= 4;                            /* EBP, EBX, ESI, EDI: switch_context() takes them */
        fpu_clear(p);
        p->pid = next_pid++;
        p->parent = current;
        return p;
    }
    return NULL;
}

static void free_process(struct process *process)
{
    page_drop(process->stack);
    process->state = UNUSED;
}

static void start(struct process *process)
{
    process->state = READY;
    queue_add(&ready, process);
}

static char **first_arguments;
static int first_count;

static void first_process(void)
{
    int error = exec(first_arguments[0], first_arguments, first_count);

    if (error)
        panic("init=%s: cannot be run (error %d); give a program of the archive", first_arguments[0], -error);
}

void process_create_first(char **arguments, int count)
{
    struct process *p = new_process(first_process);
    struct file *console = file_new(FILE_CONSOLE);

    if (!p || !console)
        panic("too little memory for a process");
    first_arguments = arguments;
    first_count = count;
    for (int i = 0; i < 3; i++)                 /* standard input, output and error */
        p->files[i] = console;
    console->references = 3;
    start(p);
}

int process_fork(void)
{
    struct process *p = new_process(trap_return);

    if (!p)
        return -ENOMEM;
    if (space_copy(&p->space, &current->space)) {
        page_drop(p->stack);
        return -ENOMEM;
    }
    *process_frame(p) = *process_frame(current);
    process_frame(p)->eax = 0;
    fpu_copy(p, current);
    memcpy(p->handlers, current->handlers, sizeof p->handlers);
    p->return_point = current->return_point;
    for (int i = 0; i < FILES; i++)
        if (current->files[i])
            file_share(p->files[i] = current->files[i]);
    start(p);
    return p->pid;
}

void process_exit(int status)
{
    struct process *first = process_find(1);

    if (current == first) {
        disk_sync();
        machine_power_off(status);
    }
    for (int i = 0; i < FILES; i++)
        if (current->files[i])
            file_close(current->files[i]);
    process_load(machine_kernel_directory);
    space_destroy(&current->space);
    fpu_clear(current);
    for (struct process *p = processes; p < processes + PROCESSES; p++)
        if (p->state != UNUSED && p->parent == current) {
            p->parent = first;
            if (p->state == ENDED)
                wake_all(&first->waiting);
        }
    current->state = ENDED;
    current->status = status;
    wake_all(&current->parent->waiting);
    schedule();                                 /* the parent frees the rest */
    panic("a process that has ended runs");
}

int process_wait(int *status)
{
    for (;;) {
        int children = 0;
        for (struct process *p = processes; p < processes + PROCESSES; p++) {
            if (p->state == UNUSED || p->parent != current)
                continue;
            children++;
            if (p->state == ENDED) {
                *status = p->status;
                free_process(p);
                return p->pid;
            }
        }
        if (!children)
            return -ECHILD;
        if (sleep_on(&current->waiting))
            return -EINTR;
    }
}

void signal_interrupt(void)
{
    for (struct process *p = processes; p < processes + PROCESSES; p++)
        if (p->state != UNUSED && p->pid != 1)
            signal_send(p, SIGINT);
}

void process_print_all(void)
{
    static const char *const states[] = { "unused", "ready", "running", "sleeping", "ended" };

    for (struct process *p = processes; p < processes + PROCESSES; p++)
        if (p->state != UNUSED)
            print("process %d, child of %d: %s, at %x, signals %x\n", p->pid, p->parent->pid, states[p->state], process_frame(p)->eip, p->pending);
}
