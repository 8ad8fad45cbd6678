/* Every entry into the kernel but its start: exceptions, interrupts and system calls, with all registers of the process in a frame. */

#include "kernel.h"

static int from_user(const struct trap_frame *frame)
{
    return (frame->cs & 3) == 3;
}

static int signal_of(u32 vector)
{
    switch (vector) {
    case VECTOR_DIVIDE:
    case VECTOR_FPU:
        return SIGFPE;
    case VECTOR_INVALID_OPCODE:
        return SIGILL;
    default:
        return SIGSEGV;
    }
}

static void exception(struct trap_frame *frame)
{
    u32 address;

    if (frame->vector == VECTOR_NO_FPU) {
        fpu_use();
        return;
    }
    address = frame->vector == VECTOR_PAGE_FAULT ? machine_fault_address() : frame->eip;

    if (!from_user(frame) && frame->eip == (u32)trap_return_end)
        process_exit(STATUS_SIGNAL + SIGSEGV);      /* it wants to go where its code segment does not reach */
    if (!from_user(frame))
        panic("exception %u (error %x) at %x, address %x", frame->vector, frame->error, frame->eip, address);
    if (frame->vector == VECTOR_PAGE_FAULT) {
        int error = space_fault(&current->space, address, frame->error & FAULT_WRITE);
        if (error == 0)
            return;
        if (error == -ENOMEM) {
            print("kernel: out of memory, process %d ended\n", current->pid);
            process_exit(STATUS_SIGNAL + SIGKILL);
        }
    }
    signal_fault(frame, signal_of(frame->vector), address);
}

void trap(struct trap_frame *frame)
{
    if (frame->vector == VECTOR_SYSTEM_CALL)
        system_call(frame);
    else if (frame->vector < EXCEPTIONS)
        exception(frame);
    else
        machine_interrupt(frame->vector);
    if (!from_user(frame))
        return;
    if (reschedule)
        yield();
    if (current->pending)
        signal_deliver(frame);
}
