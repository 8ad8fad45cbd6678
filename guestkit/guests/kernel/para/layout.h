/* Selectors that the hypervisor has in every GDT, and where it maps a domain's memory. Included by C and by assembly. */
#ifndef LAYOUT_H
#define LAYOUT_H

#define KERNEL_CS 0x0819        /* ring 1 */
#define KERNEL_DS 0x0821
#define USER_CS 0x082b          /* ring 3 */
#define USER_DS 0x0833

#define KERNEL_BASE 0xc0000000  /* the load address of the image */
#define KERNEL_END 0xfc000000   /* the hypervisor's area */

#endif
