/* The disk: the first one on the first IDE channel (ATA-6, with 28-bit addresses). Where the controller is on PCI and masters the bus (SFF-8038i), it moves
 * the data itself and interrupts when that is done; else the processor moves each word, and waits. */

#include "bare.h"

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
#define READ_DMA 0xc8
#define WRITE_DMA 0xca
#define IDENTIFY 0xec
#define SECTORS_OF_PAGE (PAGE / DISK_SECTOR)

#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc
#define PCI_COMMAND 0x04
#define PCI_CLASS 0x08
#define PCI_BAR4 0x20
#define CLASS_IDE 0x0101                /* its upper 16 bits */
#define IO_AND_MASTER 5
#define MASTER_COMMAND 0                /* ports of the bus master, from its base on */
#define MASTER_STATUS 2
#define MASTER_TABLE 4
#define START 1
#define TO_MEMORY 8
#define MASTER_ERROR 2
#define MASTER_INTERRUPT 4
#define LAST 0x80000000u

struct region {
    u32 address, size;                  /* bytes; LAST in the last one */
};

static u32 master;                      /* its base, 0 if there is none */
static struct region *regions;
static struct disk_request *first, *last;       /* the first one is under way */

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

static u32 pci_read(u32 function, u32 offset)
{
    out32(PCI_ADDRESS, 0x80000000 | function << 8 | offset);
    return in32(PCI_DATA);
}

/* Looks for the controller among the functions of bus 0. */
static void find_master(void)
{
    for (u32 function = 0; function < 256; function++) {
        u32 base;
        if (pci_read(function, PCI_CLASS) >> 16 != CLASS_IDE)
            continue;
        base = pci_read(function, PCI_BAR4);
        if (!(base & 1) || !(base & ~3u))
            continue;
        out32(PCI_ADDRESS, 0x80000000 | function << 8 | PCI_COMMAND);
        out32(PCI_DATA, (in32(PCI_DATA) & 0xffff) | IO_AND_MASTER);
        master = base & 0xfffc;
        regions = page_take();
        interrupts_enable(LINE_DISK);
        return;
    }
}

u32 machine_disk_sectors(void)
{
    static u16 identity[DISK_SECTOR / 2];
    static int known;

    if (known)
        return identity[60] | (u32)identity[61] << 16;
    out8(DRIVE, FIRST_DRIVE);
    if (in8(COMMAND) == 0xff || !(in8(COMMAND) & READY))
        return 0;                       /* nothing there */
    out8(CONTROL, NO_INTERRUPTS);
    out8(COMMAND, IDENTIFY);
    if ((wait_while_busy() & (FAILED | REQUEST)) != REQUEST)
        return 0;
    read_sector(identity);
    known = 1;
    find_master();
    if (master)
        out8(CONTROL, 0);
    return identity[60] | (u32)identity[61] << 16;
}

static void command(const struct disk_request *request, u8 code)
{
    wait_while_busy();
    out8(DRIVE, FIRST_DRIVE | (request->sector >> 24 & 0xf));
    out8(COUNT_PORT, request->count * SECTORS_OF_PAGE);
    out8(LOW, request->sector);
    out8(MID, request->sector >> 8);
    out8(HIGH, request->sector >> 16);
    out8(COMMAND, code);
}

static void begin_by_master(void)
{
    for (u32 i = 0; i < first->count; i++)
        regions[i] = (struct region){ machine_frame(first->pages[i]), PAGE | (i == first->count - 1 ? LAST : 0) };
    out32(master + MASTER_TABLE, machine_frame(regions));
    out8(master + MASTER_COMMAND, first->write ? 0 : TO_MEMORY);
    out8(master + MASTER_STATUS, MASTER_INTERRUPT | MASTER_ERROR);
    command(first, first->write ? WRITE_DMA : READ_DMA);
    out8(master + MASTER_COMMAND, START | (first->write ? 0 : TO_MEMORY));
}

void disk_interrupt(void)
{
    struct disk_request *request = first;
    u8 status = in8(master + MASTER_STATUS);

    if (!request || !(status & MASTER_INTERRUPT))
        return;
    out8(master + MASTER_COMMAND, 0);
    out8(master + MASTER_STATUS, MASTER_INTERRUPT | MASTER_ERROR);
    status = (status & MASTER_ERROR) | (in8(COMMAND) & FAILED);
    first = request->next;
    if (first)
        begin_by_master();
    disk_done(request, status);
}

/* The processor does it all. */
static void move(struct disk_request *request)
{
    u32 count = request->count * SECTORS_OF_PAGE;
    int failed = 0;

    command(request, request->write ? WRITE_SECTORS : READ_SECTORS);
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

void machine_disk_begin(struct disk_request *request)
{
    if (!master) {
        move(request);
        return;
    }
    request->done = 0;
    request->next = NULL;
    if (first)
        last->next = request;
    else
        first = request;
    last = request;
    if (first == request)
        begin_by_master();
}
