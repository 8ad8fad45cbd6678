/* Selectors in our own GDT (descriptors.c), and where memory is mapped. Included by C and by assembly. */
#ifndef LAYOUT_H
#define LAYOUT_H

#define KERNEL_CS 0x08
#define KERNEL_DS 0x10
#define USER_CS 0x1b            /* 0x18 in ring 3 */
#define USER_DS 0x23
#define TSS_SELECTOR 0x28

#define KERNEL_BASE 0xc0000000
#define KERNEL_END 0xfc000000   /* as under the hypervisor */
#define BOOT_TABLES 4           /* 16 MB are mapped before the C code runs */

#endif
