/* The disk: the first one on the first IDE channel, by programmed input and output (ATA-6: READ and WRITE SECTORS, with 28-bit addresses). */

#include "bare.h"
#include "ports.h"

#define DATA 0x1f0
#define COUNT_PORT 0x1f2
#define LOW 0x1f3
#define MID 0x1f4
#define HIGH 0x1f5
#define DRIVE 0x1f6
#define COMMAND 0x1f7                   /* read: status */
#define CONTROL 0x3f6
#define NO_INTERRUPTS 2
#define BUSY 0x80
#define READY 0x40
#define REQUEST 0x08
#define FAILED 0x21                     /* error, or fault of the drive */
#define FIRST_DRIVE 0xe0                /* with addresses of sectors */
#define READ_SECTORS 0x20
#define WRITE_SECTORS 0x30
#define IDENTIFY 0xec
#define SECTORS_OF_PAGE (PAGE / DISK_SECTOR)

static u8 wait_while_busy(void)
{
    u8 status;

    while ((status = in8(COMMAND)) & BUSY)
        ;
    return status;
}

static void read_sector(void *to)
{
    u32 count = DISK_SECTOR / 4;

    asm volatile("rep insl" : "+D"(to), "+c"(count) : "d"(DATA) : "memory");
}

static void write_sector(const void *from)
{
    u32 count = DISK_SECTOR / 4;

    asm volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(DATA) : "memory");
}

u32 machine_disk_sectors(void)
{
    static u16 identity[DISK_SECTOR / 2];

    out8(DRIVE, FIRST_DRIVE);
    if (in8(COMMAND) == 0xff || !(in8(COMMAND) & READY))
        return 0;                       /* nothing there */
    out8(CONTROL, NO_INTERRUPTS);
    out8(COMMAND, IDENTIFY);
    if ((wait_while_busy() & (FAILED | REQUEST)) != REQUEST)
        return 0;
    read_sector(identity);
    return identity[60] | (u32)identity[61] << 16;
}

void machine_disk_begin(struct disk_request *request)
{
    u32 count = request->count * SECTORS_OF_PAGE, sector = request->sector;
    int failed = 0;

    wait_while_busy();
    out8(DRIVE, FIRST_DRIVE | (sector >> 24 & 0xf));
    out8(COUNT_PORT, count);
    out8(LOW, sector);
    out8(MID, sector >> 8);
    out8(HIGH, sector >> 16);
    out8(COMMAND, request->write ? WRITE_SECTORS : READ_SECTORS);
    for (u32 i = 0; i < count && !failed; i++) {
        u8 *data = (u8 *)request->pages[i / SECTORS_OF_PAGE] + i % SECTORS_OF_PAGE * DISK_SECTOR;
        failed = (wait_while_busy() & (FAILED | REQUEST)) != REQUEST;
        if (failed)
            break;
        if (request->write)
            write_sector(data);
        else
            read_sector(data);
    }
    if (request->write && wait_while_busy() & FAILED)
        failed = 1;
    disk_done(request, failed);
}
