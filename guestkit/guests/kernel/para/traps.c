/* What the hypervisor does with exceptions and events: it calls us. System calls do not concern it: they come by the fast trap. */

#include "para.h"

#define GATES 20
#define GATE_SIZE 16            /* bytes of code a gate, in entry.S */

extern char gates[], gate_page_fault[], gate_failsafe[], gate_event[], gate_system_call[];
extern u32 fault_address;

void traps_start(void)
{
    static struct trap_info table[GATES + 2];

    for (u32 i = 0; i < GATES; i++)
        table[i] = (struct trap_info){ i, TRAP_MASKS_EVENTS, KERNEL_CS, (u32)(gates + i * GATE_SIZE) };
    table[VECTOR_PAGE_FAULT].address = (u32)gate_page_fault;
    table[GATES] = (struct trap_info){ VECTOR_SYSTEM_CALL, TRAP_RING_3, KERNEL_CS, (u32)gate_system_call };
    ask(XEN_SET_TRAP_TABLE, (u32)table, 0, 0, 0);
    ask(XEN_SET_CALLBACKS, KERNEL_CS, (u32)gate_event, KERNEL_CS, (u32)gate_failsafe);
    ask(XEN_SET_FAST_TRAP, VECTOR_SYSTEM_CALL, 0, 0, 0);
    machine_refuse_fpu();
}

void machine_refuse_fpu(void)
{
    ask(XEN_FPU_TASKSWITCH, 0, 0, 0, 0);
}

/* The hypervisor lets the instruction that has trapped through; a use before that traps once more, which fpu_use() takes calmly. */
void machine_allow_fpu(void)
{
}

u32 machine_fault_address(void)
{
    return fault_address;
}
