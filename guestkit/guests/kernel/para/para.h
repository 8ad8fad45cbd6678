/* What the files of this back end offer one another. */
#ifndef PARA_H
#define PARA_H

#include "kernel.h"
#include "xen.h"

extern struct start_info *start_info;
extern struct shared_info *shared_info;

void ask(u32 number, u32 a, u32 b, u32 c, u32 d);       /* a hypercall that must succeed */
void paging_start(void);                                /* paging.c */
void paging_stop(void);
void paging_load(u32 *directory, void *stack_top);
void keyboard_interrupt(void);                          /* keyboard.c */
void *paging_map_shared(u32 frame);                     /* a frame of the hypervisor's, for ever, by its machine address */
void *paging_exchange(void *page);                      /* the page's frame has been exchanged by the hypervisor */
u32 paging_entry_frame(void *page);                     /* the machine address of the entry that maps a page */
void network_map(void);                                 /* network.c */
void network_interrupt(void);
void block_start(void);                                 /* block.c */
void block_interrupt(void);
void traps_start(void);                                 /* traps.c */
void events_take(void);                                 /* events.c */

#endif
