/* Segments, gates and the task-state segment (SDM vol. 3, chapters 3, 6, 7): flat segments for two rings, a gate for each vector, and the
 * stack for entries from ring 3. */

#include "bare.h"

#define FLAT_CODE 0x00cf9a000000ffffull         /* base 0, limit 4 GB, 32 bit, present, readable */
#define FLAT_DATA 0x00cf92000000ffffull
#define RING_3 (3ull << 45)
#define TSS_AVAILABLE 0x0000890000000000ull
#define INTERRUPT_GATE 0x8e00                   /* turns interrupts off */
#define GATE_FROM_RING_3 0x6000
#define GATES 48
#define GATE_SIZE 16                            /* bytes of code a gate, in entry.S */

struct task_state {
    u32 link, esp0, ss0;
    u32 others[22];
    u16 trap, io_map;
};

struct __attribute__((packed)) table_register {
    u16 limit;
    u32 base;
};

static struct task_state task_state = { .ss0 = KERNEL_DS, .io_map = sizeof task_state };    /* no ports for ring 3 */
static u64 gdt[6] = { 0, FLAT_CODE, FLAT_DATA, FLAT_CODE | RING_3, FLAT_DATA | RING_3 };
static u64 idt[VECTOR_SYSTEM_CALL + 1];

extern char gates[], gate_system_call[];

static u64 gate(void *handler, u32 kind)
{
    u32 address = (u32)handler;

    return (u64)((address & 0xffff0000) | kind) << 32 | KERNEL_CS << 16 | (address & 0xffff);
}

void descriptors_start(void)
{
    u64 base = (u32)&task_state;
    struct table_register gdtr = { sizeof gdt - 1, (u32)gdt }, idtr = { sizeof idt - 1, (u32)idt };

    gdt[TSS_SELECTOR / 8] = TSS_AVAILABLE | (sizeof task_state - 1) | (base & 0xffffff) << 16 | (base >> 24) << 56;
    for (u32 i = 0; i < GATES; i++)
        idt[i] = gate(gates + i * GATE_SIZE, INTERRUPT_GATE);
    idt[VECTOR_SYSTEM_CALL] = gate(gate_system_call, INTERRUPT_GATE | GATE_FROM_RING_3);
    asm volatile("lgdt %0; ljmp %1, $1f; 1: movl %2, %%ds; movl %2, %%es; movl %2, %%fs; movl %2, %%gs; movl %2, %%ss"
                 : : "m"(gdtr), "i"(KERNEL_CS), "r"(KERNEL_DS) : "memory");
    asm volatile("lidt %0; ltr %w1" : : "m"(idtr), "r"(TSS_SELECTOR));
}

void descriptors_set_stack(void *top)
{
    task_state.esp0 = (u32)top;
}
