/* From the domain builder to kernel_main(), and the domain's end. */

#include "para.h"

const char machine_name[] = "paravirtual domain";

struct start_info *start_info;
extern char kernel_end[];
void kernel_main(void) __attribute__((noreturn));

void ask(u32 number, u32 a, u32 b, u32 c, u32 d)
{
    int result = hypercall(number, a, b, c, d);

    if (result < 0)
        panic("hypercall %u (%x, %x, %x) failed: %d", number, a, b, c, result);
}

/* All pages are mapped in a row: kernel, module, free ones, then the initial stack, start_info and the page tables, the directory last. */
void para_main(struct start_info *info)
{
    start_info = info;
    shared_info = info->shared_info;
    boot.pages = info->nr_pages;
    boot.number = info->dom_id;
    boot.reserved[0] = (struct page_range){ 0, PAGE_NUMBER(PAGE_UP(kernel_end)) };
    boot.reserved[1] = (struct page_range){ PAGE_NUMBER(info), boot.pages };
    if (info->mod_len > 0) {
        boot.archive = (const u8 *)info->mod_start;
        boot.archive_size = info->mod_len;
        boot.reserved[2] = (struct page_range){ PAGE_NUMBER(info->mod_start), PAGE_NUMBER(PAGE_UP(info->mod_start + info->mod_len)) };
    }
    copy_string(boot.command_line, info->cmd_line, sizeof boot.command_line);
    kernel_main();
}

void machine_start(void)
{
    paging_start();
    traps_start();
    block_start();
    network_map();
    shared_info->events_mask = EVENT_TIMER | EVENT_DIE | EVENT_STOP | EVENT_KEYBOARD | EVENT_BLOCK | EVENT_NETWORK;
}

void machine_switch(u32 *directory, void *stack_top)
{
    if (directory)
        paging_load(directory, stack_top);
    else
        ask(XEN_STACK_SWITCH, KERNEL_DS, (u32)stack_top, 0, 0);
}

void machine_write(const char *text, u32 size)
{
    hypercall(XEN_CONSOLE_WRITE, (u32)text, size, 0, 0);
}

int machine_has_input(void)
{
    return 1;
}

/* The interface knows no status: a domain that ends badly leaves by a trap that it has no handler for, so the hypervisor tells. */
void machine_power_off(int status)
{
    static const struct trap_info none[1];

    if (status != 0)
        hypercall(XEN_SET_TRAP_TABLE, (u32)none, 0, 0, 0);
    else
        hypercall(XEN_EXIT, 0, 0, 0, 0);
    for (;;)
        asm volatile("ud2");
}
