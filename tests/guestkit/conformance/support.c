/* Handlers for all vectors, and programs in ring 3. */
#include "conformance.h"

extern char trap_stubs[], event_callback[], failsafe_callback[];
void user_entry(u32 eip, u32 esp);

static u8 ring1_stack[PAGE] __attribute__((aligned(4096)));

void set_traps(void)
{
    static struct xen_trap_info table[36];
    u32 count = 0;

    for (u32 vector = 0; vector < 256; vector++)
        if (vector < 32 || vector == 0x30 || vector == 0x31 || vector == 0x80) {
            table[count].vector = vector;
            table[count].flags = vector == 0x30 || vector == 0x80 ? 3 : vector == 0x31 ? 1 : 0;
            table[count].cs = XEN_RING1_CS;
            table[count++].address = (u32)trap_stubs + 16 * vector;
        }
    table[count].address = 0;
    IS(call(XEN_SET_TRAP_TABLE, (u32)table, 0, 0), 0);
    IS(call(XEN_STACK_SWITCH, XEN_RING1_DS, (u32)ring1_stack + PAGE, 0), 0);
    IS(xen_hypercall(XEN_SET_CALLBACKS, XEN_RING1_CS, (u32)event_callback, XEN_RING1_CS, (u32)failsafe_callback), 0);
}

/* Code in a page that ring 3 may execute, with a stack in another. */
void user(const void *code, u32 size, u32 stack_words)
{
    u8 *text = arena[PAGES - 1], *stack = arena[PAGES - 2];

    memcpy(text, code, size);
    update(text, machine_of(text) | P | W | U, XEN_VA_INVALIDATE);
    update(stack, machine_of(stack) | P | W | U, XEN_VA_INVALIDATE);
    user_entry((u32)text, (u32)stack + PAGE - 4 * stack_words);
}
