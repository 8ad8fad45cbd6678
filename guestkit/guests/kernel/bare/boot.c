/* From the multiboot loader to kernel_main(), and the machine's end. */

#include "bare.h"

#define CR0_TS (1u << 3)
#define CPUID_FXSR (1u << 24)
#define CPUID_SSE (1u << 25)
#define CR4_OSFXSR (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)

/* Multiboot information (Multiboot Specification 0.6.96, 3.3); addresses are physical. */
struct multiboot {
    u32 flags, memory_low, memory_high, device, command_line, module_count, modules;
};
#define HAS_MEMORY 0x01
#define HAS_COMMAND_LINE 0x04
#define HAS_MODULES 0x08

struct module {
    u32 start, end, name, reserved;
};

#define HIGH_MEMORY 0x100000u
#define MOST_PAGES ((KERNEL_END - KERNEL_BASE) / PAGE)
#define PORT_POWER 0x604        /* of QEMU's chip set: 0x2000 switches off */
#define POWER_OFF 0x2000
#define PORT_EXIT 0xf4          /* of QEMU's isa-debug-exit and of our machine: ends it with a status */

const char machine_name[] = "bare machine";

extern char kernel_end[];
void kernel_main(void) __attribute__((noreturn));

/* Once paging is on, the loader's data is where all memory will be mapped; it lies in the low megabyte, so it can be read already. */
static void *at(u32 physical)
{
    return (void *)(physical + KERNEL_BASE);
}

void bare_main(struct multiboot *physical)
{
    struct multiboot *info = at((u32)physical);

    serial_start();
    boot.pages = (HIGH_MEMORY + (info->flags & HAS_MEMORY ? info->memory_high * 1024 : 0)) / PAGE;
    if (boot.pages > MOST_PAGES)
        boot.pages = MOST_PAGES;
    boot.reserved[0] = (struct page_range){ 0, PAGE_NUMBER(PAGE_UP(kernel_end)) };
    if (info->flags & HAS_COMMAND_LINE)
        copy_string(boot.command_line, at(info->command_line), sizeof boot.command_line);
    if (info->flags & HAS_MODULES && info->module_count > 0) {
        struct module *module = at(info->modules);
        boot.archive = at(module->start);
        boot.archive_size = module->end - module->start;
        boot.reserved[1] = (struct page_range){ module->start / PAGE, PAGE_UP(module->end) / PAGE };
    }
    kernel_main();
}

/* Lets FXSAVE keep the SSE registers, and their exceptions be told from #UD. */
static void allow_sse(void)
{
    u32 features = processor_features(), cr4;

    if (!(features & CPUID_FXSR))
        return;
    asm volatile("movl %%cr4, %0" : "=r"(cr4));
    cr4 |= features & CPUID_SSE ? CR4_OSFXSR | CR4_OSXMMEXCPT : CR4_OSFXSR;
    asm volatile("movl %0, %%cr4" : : "r"(cr4));
}

void machine_start(void)
{
    allow_sse();
    paging_start();
    descriptors_start();
    interrupts_start();
    timer_start();
    serial_start_input();
}

void machine_switch(u32 *directory, void *stack_top)
{
    descriptors_set_stack(stack_top);
    if (directory)
        asm volatile("movl %0, %%cr3" : : "r"(machine_frame(directory)) : "memory");
}

void machine_idle(void)
{
    wait_for_interrupt();
}

void machine_refuse_fpu(void)
{
    u32 cr0;

    asm volatile("movl %%cr0, %0; orl %1, %0; movl %0, %%cr0" : "=&r"(cr0) : "i"(CR0_TS));
}

void machine_allow_fpu(void)
{
    asm volatile("clts");
}

u32 machine_fault_address(void)
{
    u32 address;

    asm volatile("movl %%cr2, %0" : "=r"(address));
    return address;
}

void machine_power_off(int status)
{
    if (status != 0)
        out8(PORT_EXIT, status);
    out16(PORT_POWER, POWER_OFF);               /* which may take a moment */
    for (;;)
        asm volatile("cli; hlt");
}
