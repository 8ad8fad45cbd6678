/* Signals: the kernel makes a process call one of its own functions. What the process was doing is kept on its stack; the function returns
 * into a system call that takes it back from there. */

#include "kernel.h"

#define EFLAGS_ALWAYS 0x202u    /* IF, and bit 1, which is always set */
#define EFLAGS_USER 0x240cd5u   /* what a process may choose: the arithmetic flags, DF, AC, ID */

struct signal_frame {
    u32 return_point;           /* of the handler */
    u32 number, address;        /* its arguments */
    struct trap_frame saved;
};

int signal_send(struct process *process, int number)
{
    if (number <= 0 || number >= SIGNALS)
        return -EINVAL;
    if (process->state == ENDED || (process->handlers[number] == SIG_IGN && number != SIGKILL))
        return 0;
    process->pending |= 1u << number;
    wake(process);
    return 0;
}

static void call_handler(struct trap_frame *frame, int number, u32 address)
{
    struct signal_frame *to = (struct signal_frame *)((frame->esp & ~3u) - sizeof *to);

    if (current->handlers[number] == SIG_DFL || number == SIGKILL || !user_range((u32)to, sizeof *to, 1)) {
        if (number == SIGSEGV || number == SIGILL || number == SIGFPE)
            print("kernel: process %d ended by signal %d at %x, address %x\n", current->pid, number, frame->eip, address);
        process_exit(STATUS_SIGNAL + number);
    }
    to->return_point = current->return_point;
    to->number = number;
    to->address = address;
    to->saved = *frame;
    frame->esp = (u32)to;
    frame->eip = current->handlers[number];
}

void signal_deliver(struct trap_frame *frame)
{
    for (int number = 1; number < SIGNALS; number++) {
        if (!(current->pending & 1u << number))
            continue;
        current->pending &= ~(1u << number);
        if (current->handlers[number] == SIG_IGN && number != SIGKILL)
            continue;
        call_handler(frame, number, 0);
        return;
    }
}

void signal_fault(struct trap_frame *frame, int number, u32 address)
{
    if (current->handlers[number] == SIG_IGN)
        current->handlers[number] = SIG_DFL;    /* it cannot go on */
    call_handler(frame, number, address);
}

/* The handler's RET has taken the return point off the stack. Nothing in the frame is believed: with other selectors or flags the
 * process could leave the kernel in another ring, or with interrupts off. */
int signal_return(struct trap_frame *frame)
{
    u32 at = frame->esp - sizeof(u32);
    struct trap_frame *saved = &((struct signal_frame *)at)->saved;

    if (!user_range((u32)saved, sizeof *saved, 0))
        process_exit(STATUS_SIGNAL + SIGSEGV);
    *frame = *saved;
    frame->cs = USER_CS;
    frame->ds = frame->es = frame->ss = USER_DS;
    frame->eflags = (frame->eflags & EFLAGS_USER) | EFLAGS_ALWAYS;
    return frame->eax;
}
