/* set_trap_table, stack_switch, set_callbacks, set_fast_trap, and what the handlers find; and the ways in which a domain ends. */
#include "conformance.h"

extern char trap_stubs[], event_callback[];

static void undefined(void) { asm volatile("ud2"); }
static void breakpoint(void) { asm volatile("int3"); }
static void divide(void) { asm volatile("div %%ecx" : : "a"(1), "d"(0), "c"(0)); }
static void read_nothing(void) { *(volatile u32 *)0x1230; }
static void write_read_only(void) { *(volatile u32 *)page_table() = 0; }
static void halt(void) { asm volatile("hlt"); }
static void mask_interrupts(void) { asm volatile("cli"); }
static void port(void) { asm volatile("outb %%al, $0x80" : : "a"(0)); }
static void read_cr3(void) { u32 value; asm volatile("mov %%cr3, %0" : "=r"(value)); }
static void write_cr0(void) { asm volatile("mov %0, %%cr0" : : "r"(0)); }
static void load_idt(void) { asm volatile("lidt (%0)" : : "r"(arena[0])); }
static void write_msr(void) { asm volatile("wrmsr" : : "a"(0), "d"(0), "c"(0x174)); }
static void into_hypervisor(void) { *(volatile u32 *)0xfc400000 = 0; }
static void hypervisor_code(void) { ((void (*)(void))0xfc400000)(); }
static void int_30(void) { asm volatile("int $0x30"); }
static void int_31(void) { asm volatile("int $0x31"); }
static void int_21(void) { asm volatile("int $0x21"); }
static void load_flat_0(void) { asm volatile("mov %0, %%fs" : : "r"(0x10)); }

static const u8 user_30[] = { 0xcd, 0x30 }, user_31[] = { 0xcd, 0x31 }, user_80[] = { 0xcd, 0x80 }, user_82[] = { 0xcd, 0x82 }, user_vmcall[] = { 0x0f, 0x01, 0xc1 },
    user_undefined[] = { 0x0f, 0x0b }, user_halt[] = { 0xf4 }, user_read[] = { 0xa1, 0, 0, 0, 0xc0 } /* mov 0xc0000000, %eax */,
    user_hypervisor[] = { 0xa1, 0, 0, 0, 0xfc } /* mov 0xfc000000, %eax */;
static const u8 *user_code;

static void enter_user(void)
{
    user(user_code, 16, 4);
}

static int in_user(const u8 *code)
{
    user_code = code;
    return try(enter_user);
}

static int set_one(u32 vector, u32 flags, u32 cs, u32 address)
{
    struct xen_trap_info table[2] = { { vector, flags, cs, address }, { 0 } };

    return call(XEN_SET_TRAP_TABLE, (u32)table, 0, 0);
}

void trap_table(void)
{
    static const u32 wrong[] = { 0, 1, 8, 0x818, 0x81a, XEN_RING3_CS, 0x10 };
    static struct xen_trap_info many[258];
    u32 instruction = (u32)undefined;

    set_traps();
    IS(try(undefined), 6);
    while (*(const u8 *)instruction != 0x0f)
        instruction++;
    IS(trap_frame[0], instruction);                             /* EIP, CS, EFLAGS */
    IS(trap_frame[1] & 0xffff, XEN_RING1_CS);
    IS(trap_frame[2] & 0x10000, 0x10000);                       /* RF, as the processor has it for a fault */
    IS(try(breakpoint), 3);
    IS(try(divide), 0);
    IS(try(read_nothing), 14);
    IS(trap_frame[0], 0x1230);                                  /* CR2, error code */
    IS(trap_frame[1], 0);
    IS(try(write_read_only), 14);
    IS(trap_frame[0], (u32)page_table());
    IS(trap_frame[1], 3);
    IS(try(halt), 13);
    IS(trap_frame[0], 0);
    IS(try(mask_interrupts), 13);
    IS(try(port), 13);
    IS(try(read_cr3), 13);
    IS(try(write_cr0), 13);
    IS(try(load_idt), 13);
    IS(try(write_msr), 13);
    IS(try(into_hypervisor), 13);
    IS(try(hypervisor_code), 13);
    IS(try(load_flat_0), 13);
    IS(try(int_30), 0x30);
    IS(try(int_31), 0x31);
    IS(try(int_21), 13);                                        /* it has no handler */
    IS(trap_frame[0], 0x21 << 3 | 2);

    /* from ring 3 */
    IS(in_user(user_30), 0x30);
    IS(trap_frame[0], (u32)arena[PAGES - 1] + 2);               /* EIP, CS, EFLAGS, ESP, SS */
    IS(trap_frame[1] & 0xffff, XEN_RING3_CS);
    IS(trap_frame[3], (u32)arena[PAGES - 2] + PAGE - 16);
    IS(trap_frame[4] & 0xffff, XEN_RING3_DS);
    IS(in_user(user_31), 13);                                   /* ring 1 only */
    IS(trap_frame[0], 0x31 << 3 | 2);
    IS(in_user(user_undefined), 6);
    IS(in_user(user_halt), 13);
    IS(in_user(user_vmcall), 13);                               /* programs make no hypercalls */
    IS(in_user(user_82), 13);
    IS(in_user(user_read), 14);
    IS(trap_frame[0], BASE);
    IS(trap_frame[1], 5);
    IS(in_user(user_hypervisor), 14);
    IS(trap_frame[0], XEN_HYPERVISOR_START);

    /* what is refused, and leaves the table as it was */
    for (u32 i = 0; i < COUNT(wrong); i++) {
        FAILS(set_one(6, 0, wrong[i], (u32)trap_stubs), XEN_EPERM);
        FAILS(call(XEN_STACK_SWITCH, wrong[i], (u32)arena[0], 0), XEN_EPERM);
    }
    FAILS(call(XEN_SET_TRAP_TABLE, 0x1000, 0, 0), XEN_EFAULT);
    FAILS(call(XEN_SET_TRAP_TABLE, XEN_HYPERVISOR_START, 0, 0), XEN_EFAULT);
    for (u32 i = 0; i < COUNT(many); i++)
        many[i] = (struct xen_trap_info){ 6, 0, XEN_RING1_CS, (u32)trap_stubs };
    FAILS(call(XEN_SET_TRAP_TABLE, (u32)many, 0, 0), XEN_EINVAL);       /* it does not end */
    IS(try(undefined), 6);
}

static void call_back(void)
{
    struct xen_shared_info *info = shared();

    info->events = XEN_EVENT_TIMER;
    info->events_mask = XEN_EVENTS_MASTER | XEN_EVENT_TIMER;
    call(XEN_FPU_TASKSWITCH, 0, 0, 0);
}

void callbacks(void)
{
    static const u32 wrong[] = { 0, 1, 0x818, XEN_RING3_CS };
    struct xen_shared_info *info = shared();

    set_traps();
    for (u32 i = 0; i < COUNT(wrong); i++) {
        FAILS(xen_hypercall(XEN_SET_CALLBACKS, wrong[i], (u32)event_callback, XEN_RING1_CS, (u32)event_callback), XEN_EPERM);
        FAILS(xen_hypercall(XEN_SET_CALLBACKS, XEN_RING1_CS, (u32)event_callback, wrong[i], (u32)event_callback), XEN_EPERM);
    }
    event_calls = 0;
    info->events_mask = 0;
    info->events = XEN_EVENT_TIMER;
    call(XEN_FPU_TASKSWITCH, 0, 0, 0);
    IS(event_calls, 0);                                         /* masked */
    info->events_mask = XEN_EVENT_TIMER;
    call(XEN_FPU_TASKSWITCH, 0, 0, 0);
    IS(event_calls, 0);                                         /* without the master bit */
    info->events_mask = XEN_EVENTS_MASTER | XEN_EVENT_BLOCK;
    call(XEN_FPU_TASKSWITCH, 0, 0, 0);
    IS(event_calls, 0);                                         /* another event */
    info->events_mask = XEN_EVENTS_MASTER | XEN_EVENT_TIMER;
    call(XEN_FPU_TASKSWITCH, 0, 0, 0);
    IS(event_calls, 1);
    IS(info->events_mask, XEN_EVENT_TIMER);                     /* the master bit is clear in the callback, and stays so */
    IS(info->events, XEN_EVENT_TIMER);                          /* events are the guest's to clear */
    info->events = 0;
    IS(set_one(3, XEN_TRAP_MASKS_EVENTS, XEN_RING1_CS, (u32)trap_stubs + 16 * 3), 0);
    info->events_mask = XEN_EVENTS_MASTER | XEN_EVENT_TIMER;
    IS(try(breakpoint), 3);
    IS(info->events_mask & XEN_EVENTS_MASTER, 0);               /* the trap has masked events */
    /* one that points into the hypervisor faults as soon as it is called */
    set_traps();
    IS(xen_hypercall(XEN_SET_CALLBACKS, XEN_RING1_CS, XEN_SEGMENT_END, XEN_RING1_CS, XEN_SEGMENT_END), 0);
    IS(try(call_back), 13);
    IS(trap_frame[1], XEN_SEGMENT_END);
    info->events_mask = 0;
}

void fast_trap(void)
{
    set_traps();
    for (u32 vector = 1; vector < 32; vector++)
        FAILS(call(XEN_SET_FAST_TRAP, vector, 0, 0), XEN_EINVAL);
    FAILS(call(XEN_SET_FAST_TRAP, 0x82, 0, 0), XEN_EINVAL);
    FAILS(call(XEN_SET_FAST_TRAP, 0x81, 0, 0), XEN_EINVAL);     /* no handler */
    FAILS(call(XEN_SET_FAST_TRAP, 256, 0, 0), XEN_EINVAL);
    FAILS(call(XEN_SET_FAST_TRAP, 0xffffffff, 0, 0), XEN_EINVAL);
    IS(call(XEN_SET_FAST_TRAP, 0, 0, 0), 0);
    IS(in_user(user_80), 0x80);
    IS(call(XEN_SET_FAST_TRAP, 0x80, 0, 0), 0);
    IS(in_user(user_80), 0x80);
    IS(trap_frame[1] & 0xffff, XEN_RING3_CS);
    IS(in_user(user_30), 0x30);
    IS(call(XEN_SET_FAST_TRAP, 0, 0, 0), 0);
    IS(in_user(user_80), 0x80);
    IS(set_one(0x80, 3 | XEN_TRAP_MASKS_EVENTS, XEN_RING1_CS, (u32)trap_stubs), 0);
    FAILS(call(XEN_SET_FAST_TRAP, 0x80, 0, 0), XEN_EINVAL);     /* the processor could not mask them */
    IS(set_one(0x80, 3, XEN_RING1_CS, (u32)trap_stubs + 16 * 0x80), 0);
    IS(call(XEN_SET_FAST_TRAP, 0x80, 0, 0), 0);
    IS(in_user(user_80), 0x80);
    set_traps();
    IS(set_one(13, 0, XEN_RING1_CS, (u32)trap_stubs + 16 * 13), 0);     /* without a handler for 0x80, it is no fast trap either */
    IS(in_user(user_80), 13);
}

/* -- ends: each of these is its domain's last */

static void no_failsafe(void)
{
    u32 *table = (u32 *)arena[0], frame;

    memset(table, 0, PAGE);
    table[10] = 0xffff, table[11] = 0x0040b200;
    frame = frame_of(table);
    make_read_only(table);
    call(XEN_SET_GDT, (u32)&frame, 300, 0);
    asm volatile("mov %0, %%fs" : : "r"(5 << 3 | 1));
    call(XEN_UPDATE_DESCRIPTOR, machine_of(table) + 40, 0, 0);
}

static void bad_stack(void)
{
    set_traps();
    asm volatile("mov $0x1000, %esp; ud2");
}

static void bad_ring_1_stack(void)
{
    set_traps();
    call(XEN_STACK_SWITCH, XEN_RING1_DS, 0xfc001000, 0);
    in_user(user_30);
}

static void no_handler(void)
{
    undefined();
}

static void all_masked(void)
{
    shared()->events_mask = 0;
#ifdef XEN_1_2
    call(XEN_SCHED_OP, XEN_SCHED_YIELD, 0, 0);
#else
    call(XEN_YIELD, 0, 0, 0);
#endif
}

static void leave(void)
{
#ifdef XEN_1_2
    call(XEN_SCHED_OP, XEN_SCHED_EXIT, 0, 0);
#else
    call(XEN_EXIT, 0, 0, 0);
#endif
}

#ifdef XEN_1_2
static void stop_itself(void)
{
    call(XEN_SCHED_OP, XEN_SCHED_STOP, 0, 0);
}
#endif

int end(const char *name)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } ends[] = {
        { "no_failsafe", no_failsafe }, { "bad_stack", bad_stack }, { "bad_ring_1_stack", bad_ring_1_stack }, { "no_handler", no_handler },
        { "all_masked", all_masked }, { "leave", leave },
#ifdef XEN_1_2
        { "stop_itself", stop_itself },
#endif
    };

    for (u32 i = 0; i < COUNT(ends); i++)
        if (!strcmp(ends[i].name, name)) {
            ends[i].run();
            print("lives on\n");
            return 1;
        }
    return 0;
}
