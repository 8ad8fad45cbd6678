/* What the files of this back end offer one another. */
#ifndef BARE_H
#define BARE_H

#include "kernel.h"
#include "ports.h"

void descriptors_start(void);                   /* descriptors.c: GDT, IDT, TSS */
void descriptors_set_stack(void *top);
void paging_start(void);                        /* paging.c */
void interrupts_start(void);                    /* interrupts.c: PICs */
void interrupts_enable(u32 line);
void timer_start(void);                         /* timer.c: PIT and time stamp counter */
void timer_interrupt(void);
void serial_start(void);                        /* serial.c: UART */
void serial_start_input(void);
void serial_interrupt(void);
void disk_interrupt(void);                      /* disk.c */

#define LINE_TIMER 0
#define LINE_SERIAL 4
#define LINE_DISK 14

/* HLT with interrupts on, until one has been handled. STI lets the first one in after the next instruction, so none is missed. */
static inline void wait_for_interrupt(void)
{
    asm volatile("sti; hlt; cli" : : : "memory");
}

#endif
