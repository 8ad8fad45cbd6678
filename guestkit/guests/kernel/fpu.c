/* The floating-point state of processes. It stays in the processor until another process uses floating point: the first instruction that
 * does so traps (CR0.TS). FXSAVE and FXRSTOR keep the SSE registers, too; a processor without them has no such registers. */

#include "kernel.h"

#define CPUID_FXSR (1u << 24)
#define CONTROL 0x37f           /* as FNINIT has it: all exceptions are masked */
#define MXCSR 0x1f80

static struct process *owner;   /* whose state the processor holds */
static int has_fxsave;

static void save(struct process *process)
{
    if (has_fxsave)
        asm volatile("fxsave %0" : "=m"(process->fpu));
    else
        asm volatile("fnsave %0" : "=m"(process->fpu));
}

static void load(const struct process *process)
{
    if (has_fxsave)
        asm volatile("fxrstor %0" : : "m"(process->fpu));
    else
        asm volatile("frstor %0" : : "m"(process->fpu));
}

void fpu_start(void)
{
    has_fxsave = (processor_features() & CPUID_FXSR) != 0;
}

void fpu_clear(struct process *process)
{
    u32 *words = (u32 *)process->fpu;

    memset(process->fpu, 0, sizeof process->fpu);
    words[0] = CONTROL;
    if (has_fxsave)
        words[6] = MXCSR;
    else
        words[2] = 0xffff;      /* the tag word: all registers are empty */
    if (owner == process) {
        owner = NULL;
        machine_refuse_fpu();
    }
}

void fpu_copy(struct process *to, struct process *from)
{
    if (owner == from) {
        machine_allow_fpu();
        save(from);
        load(from);             /* FNSAVE has cleared it */
    }
    memcpy(to->fpu, from->fpu, sizeof to->fpu);
}

void fpu_use(void)
{
    machine_allow_fpu();
    if (owner == current)
        return;
    if (owner)
        save(owner);
    owner = current;
    load(current);
}

void fpu_switch(const struct process *before, const struct process *next)
{
    if (owner == before && owner)
        machine_refuse_fpu();
    else if (owner == next && owner)
        machine_allow_fpu();
}
