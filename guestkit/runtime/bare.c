#include "guest.h"

#define MULTIBOOT_LOADER 0x2badb002
#define HAS_COMMAND_LINE 4

#define COM1 0x3f8
#define LINE_STATUS 5
#define TRANSMITTER_EMPTY 0x20
#define EXIT_PORT 0xf4                  /* ends the run with a status */
#define ACPI_CONTROL 0x604
#define ACPI_POWER_OFF 0x2000

void write_console(const char *text, size_t size)
{
    for (; size > 0; size--) {
        while (!(inb(COM1 + LINE_STATUS) & TRANSMITTER_EMPTY))
            ;
        outb(COM1, *text++);
    }
}

void stop(int status)
{
    if (status == 0)
        outw(ACPI_CONTROL, ACPI_POWER_OFF);
    outb(EXIT_PORT, status);
    for (;;)
        asm volatile("cli; hlt");
}

void begin(u32 magic, const u32 *information)
{
    const char *command_line = "";

    if (magic == MULTIBOOT_LOADER && information[0] & HAS_COMMAND_LINE)
        command_line = (const char *)information[4];
    stop(main(command_line));
}
