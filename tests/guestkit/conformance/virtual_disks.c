/* Operations 3 to 9 of block_io_op in 1.2: by a privileged domain with two disks of 128 sectors, the second one read-only; and what another domain sees of
 * that. */
#include "conformance.h"

#ifdef XEN_1_2
#define SECTORS 128u
#define NUMBER 0x0301u
#define MOST_EXTENTS 100u
#define MOST_DISKS 64u
#define RW (XEN_CAN_READ | XEN_CAN_WRITE)

static struct xen_block_op op;
static struct xen_disk_entry *entries;
static struct xen_extent *extents;

static int block_op(u32 operation)
{
    op.operation = operation;
    return call(XEN_BLOCK_IO_OP, (u32)&op, 0, 0);
}

static int create(u32 domain, u32 number, u32 mode)
{
    op.u.create.domain = domain, op.u.create.number = number, op.u.create.mode = mode;
    return block_op(XEN_DISK_CREATE);
}

static int grow(u32 domain, u32 number, u32 disk, u32 first, u32 sectors)
{
    op.u.grow.domain = domain, op.u.grow.number = number;
    op.u.grow.extent = (struct xen_extent){ disk, 0, first, sectors };
    return block_op(XEN_DISK_GROW);
}

static int on(u32 operation, u32 domain, u32 number)
{
    op.u.shrink.domain = domain, op.u.shrink.number = number;
    return block_op(operation);
}

static int set(u32 domain, u32 number, u32 count, const void *list)
{
    op.u.set.domain = domain, op.u.set.number = number, op.u.set.count = count, op.u.set.extents = (u32)list;
    return block_op(XEN_DISK_SET_EXTENTS);
}

static int probe(u32 domain, u32 most, const void *list)
{
    op.u.probe.domain = domain, op.u.probe.most = most, op.u.probe.entries = (u32)list;
    return block_op(XEN_DISK_PROBE);
}

static int info(u32 domain, u32 number, u32 most, const void *list)
{
    op.u.info.domain = domain, op.u.info.number = number, op.u.info.most = most, op.u.info.extents = (u32)list;
    return block_op(XEN_DISK_INFO);
}

static void is_entry(u32 k, u32 device, u32 kind, u32 sectors, u32 domain)
{
    IS(entries[k].device, device);
    IS(entries[k].kind, kind);
    IS(entries[k].sectors, sectors);
    IS(entries[k].domain, domain);
}

static void is_extent(u32 k, u32 disk, u32 first, u32 sectors)
{
    IS(extents[k].disk, disk);
    IS(extents[k].first, first);
    IS(extents[k].sectors, sectors);
}

/* Whether the event has come since the last time. */
static int told(void)
{
    u32 events = shared()->events;

    shared()->events = events & ~XEN_EVENT_BLOCK_UPDATE;
    return (events & XEN_EVENT_BLOCK_UPDATE) != 0;
}

static struct {
    volatile u32 requests, responses;
    struct xen_block_request entries[XEN_BLOCK_ENTRIES];
} *ring;

static void find_ring(void)
{
    IS(block_op(XEN_BLOCK_RING_ADDRESS), 0);
    IS(update(arena[2], op.u.ring_frame << 12 | P | W, XEN_VA_INVALIDATE), 0);
    ring = (void *)arena[2];
}

/* The first word of a sector, or -1 if the request fails. */
static u32 sector(u32 operation, u32 device, u32 number)
{
    struct xen_block_request *request = &ring->entries[ring->requests];
    const struct xen_block_response *response = (void *)request;

    memset(request, 0, sizeof *request);
    request->sector_number = number;
    request->device = device;
    request->operation = operation;
    request->nr_segments = 1;
    request->buffer_and_sects[0] = machine_of(arena[3]) | 1;
    ring->requests = (ring->requests + 1) % XEN_BLOCK_ENTRIES;
    IS(block_op(XEN_BLOCK_SIGNAL), 0);
    shared()->events_mask = XEN_EVENT_BLOCK;
    while (ring->responses != ring->requests) {
        shared()->events &= ~XEN_EVENT_BLOCK;
        if (ring->responses != ring->requests)
            sleep();
    }
    return response->status ? -1 : *(volatile u32 *)arena[3];
}

void virtual_disks(void)
{
    u32 us = start_info->domain, disk = XEN_DEVICE_IDE;

    entries = (struct xen_disk_entry *)arena[0];
    extents = (struct xen_extent *)arena[1];
    find_ring();

    /* what it has to begin with: physical disks and its own */
    IS(probe(us, 20, entries), 0);
    IS(op.u.probe.count, 4);
    is_entry(0, disk, XEN_DISK, SECTORS, us);
    is_entry(1, disk + 1, XEN_DISK | XEN_DISK_READ_ONLY, SECTORS, us);
    is_entry(2, XEN_DEVICE_VIRTUAL, XEN_DISK | XEN_DISK_VIRTUAL, SECTORS, us);
    is_entry(3, XEN_DEVICE_VIRTUAL + 1, XEN_DISK | XEN_DISK_VIRTUAL | XEN_DISK_READ_ONLY, SECTORS, us);
    IS(probe(XEN_EVERY_DOMAIN, 20, entries), 0);
    IS(op.u.probe.count, 4);
    IS(probe(us, 3, entries), 0);                               /* as many as there is room for */
    IS(op.u.probe.count, 3);
    IS(probe(us, 0, 0), 0);
    IS(op.u.probe.count, 0);
    FAILS(probe(us, 0x80000000, entries), XEN_EINVAL);
    FAILS(probe(999, 20, entries), XEN_ESRCH);
    FAILS(probe(us, 20, (void *)0x1000), XEN_EFAULT);
    FAILS(probe(us, 20, page_table()), XEN_EFAULT);
    FAILS(probe(us, 20, before_nothing(4)), XEN_EFAULT);
    probe(us, 20, entries);
    cut_short(XEN_BLOCK_IO_OP, &op, 5);
    not_written(XEN_BLOCK_IO_OP, &op, 5);

    /* one is made, and has no sectors yet */
    IS(told(), 0);
    IS(create(us, NUMBER, RW), 0);
    IS(told(), 1);
    IS(info(us, NUMBER, 20, extents), 0);
    IS(op.u.info.count, 0);
    IS(op.u.info.mode, RW);
    IS(sector(XEN_BLOCK_READ, NUMBER, 0), -1);
    FAILS(create(us, NUMBER, RW), XEN_EINVAL);                  /* there is one already */
    FAILS(create(us, XEN_DEVICE_VIRTUAL, RW), XEN_EINVAL);
    FAILS(create(us, 7, 0), XEN_EINVAL);
    FAILS(create(us, 7, 4), XEN_EINVAL);
    FAILS(create(us, 7, 0xffff), XEN_EINVAL);
    FAILS(create(999, 7, RW), XEN_ESRCH);
    create(us, 7, 0);
    cut_short(XEN_BLOCK_IO_OP, &op, 3);
    IS(told(), 0);

    /* it grows and shrinks at its end */
    IS(grow(us, NUMBER, disk, 40, 8), 0);
    IS(told(), 1);
    IS(sector(XEN_BLOCK_READ, NUMBER, 7), 47);
    IS(sector(XEN_BLOCK_READ, NUMBER, 8), -1);
    IS(grow(us, NUMBER, disk, 10, 2), 0);
    IS(sector(XEN_BLOCK_READ, NUMBER, 9), 11);
    IS(probe(us, 20, entries), 0);
    is_entry(4, NUMBER, XEN_DISK | XEN_DISK_VIRTUAL, 10, us);
    IS(info(us, NUMBER, 20, extents), 0);
    IS(op.u.info.count, 2);
    is_extent(0, disk, 40, 8);
    is_extent(1, disk, 10, 2);
    IS(info(us, NUMBER, 1, extents), 0);
    IS(op.u.info.count, 1);
    told();
    FAILS(grow(us, 7, disk, 0, 1), XEN_EINVAL);                 /* there is no such one */
    FAILS(grow(999, NUMBER, disk, 0, 1), XEN_ESRCH);
    FAILS(grow(us, NUMBER, disk + 2, 0, 1), XEN_EINVAL);
    FAILS(grow(us, NUMBER, XEN_DEVICE_VIRTUAL, 0, 1), XEN_EINVAL);
    FAILS(grow(us, NUMBER, disk, 0, 0), XEN_EINVAL);
    FAILS(grow(us, NUMBER, disk, SECTORS - 1, 2), XEN_EINVAL);
    FAILS(grow(us, NUMBER, disk, 0xffffffff, 0xffffffff), XEN_EINVAL);
    FAILS(grow(us, NUMBER, disk + 1, 0, 1), XEN_EINVAL);        /* which cannot be written to */
    grow(us, NUMBER, disk + 2, 0, 1);
    cut_short(XEN_BLOCK_IO_OP, &op, 6);
    IS(on(XEN_DISK_SHRINK, us, NUMBER), 0);
    IS(told(), 1);
    IS(sector(XEN_BLOCK_READ, NUMBER, 8), -1);
    IS(on(XEN_DISK_SHRINK, us, NUMBER), 0);
    FAILS(on(XEN_DISK_SHRINK, us, NUMBER), XEN_EINVAL);         /* it has none left */
    FAILS(on(XEN_DISK_SHRINK, us, 7), XEN_EINVAL);
    FAILS(on(XEN_DISK_SHRINK, 999, NUMBER), XEN_ESRCH);
    cut_short(XEN_BLOCK_IO_OP, &op, 3);

    /* a fresh list: all or none */
    extents[0] = (struct xen_extent){ disk, 0, 5, 1 };
    extents[1] = (struct xen_extent){ disk, 0, 3, 1 };
    told();
    IS(set(us, NUMBER, 2, extents), 0);
    IS(told(), 1);
    IS(sector(XEN_BLOCK_READ, NUMBER, 0), 5);
    IS(sector(XEN_BLOCK_READ, NUMBER, 1), 3);
    extents[1].sectors = 0;
    FAILS(set(us, NUMBER, 2, extents), XEN_EINVAL);
    FAILS(set(us, NUMBER, MOST_EXTENTS + 1, extents), XEN_ENOSPC);
    FAILS(set(us, NUMBER, 0xffff, extents), XEN_ENOSPC);
    FAILS(set(us, NUMBER, 1, (void *)0x1000), XEN_EFAULT);
    FAILS(set(us, NUMBER, 1, (void *)(XEN_HYPERVISOR_START - 8)), XEN_EFAULT);
    FAILS(set(us, NUMBER, 1, before_nothing(2)), XEN_EFAULT);
    FAILS(set(us, 7, 0, extents), XEN_EINVAL);
    FAILS(set(999, NUMBER, 0, extents), XEN_ESRCH);
    IS(told(), 0);
    IS(sector(XEN_BLOCK_READ, NUMBER, 0), 5);
    set(us, NUMBER, 0xffff, extents);
    cut_short(XEN_BLOCK_IO_OP, &op, 4);
    IS(set(us, NUMBER, 0, 0), 0);
    IS(info(us, NUMBER, 20, extents), 0);
    IS(op.u.info.count, 0);

    /* limits */
    for (u32 i = 0; i < MOST_EXTENTS; i++)
        IS(grow(us, NUMBER, disk, i, 1), 0);
    FAILS(grow(us, NUMBER, disk, 0, 1), XEN_ENOSPC);
    for (u32 number = 3; number < MOST_DISKS; number++)
        IS(create(us, number, RW), 0);
    FAILS(create(us, MOST_DISKS, RW), XEN_ENOSPC);

    /* info */
    FAILS(info(us, 0x7777, 20, extents), XEN_EINVAL);
    FAILS(info(999, NUMBER, 20, extents), XEN_ESRCH);
    FAILS(info(us, NUMBER, 20, (void *)0x1000), XEN_EFAULT);
    FAILS(info(us, NUMBER, 20, page_table()), XEN_EFAULT);
    FAILS(info(us, NUMBER, 20, before_nothing(5)), XEN_EFAULT);
    info(us, NUMBER, 20, extents);
    cut_short(XEN_BLOCK_IO_OP, &op, 5);
    not_written(XEN_BLOCK_IO_OP, &op, 5);

    /* modes */
    IS(on(XEN_DISK_DELETE, us, 3), 0);
    IS(create(us, 3, XEN_CAN_READ), 0);
    IS(grow(us, 3, disk + 1, 20, 4), 0);                        /* of the disk that is read-only */
    IS(sector(XEN_BLOCK_READ, 3, 1), 21);
    IS(sector(XEN_BLOCK_WRITE, 3, 1), -1);
    IS(on(XEN_DISK_DELETE, us, 4), 0);
    IS(create(us, 4, XEN_CAN_WRITE), 0);
    IS(grow(us, 4, disk, 60, 1), 0);
    IS(sector(XEN_BLOCK_READ, 4, 0), -1);
    IS(sector(XEN_BLOCK_WRITE, 4, 0), 21);
    IS(sector(XEN_BLOCK_READ, disk, 60), 21);

    /* a number that a physical disk has, too */
    IS(on(XEN_DISK_DELETE, us, 5), 0);
    IS(create(us, disk, XEN_CAN_READ), 0);
    IS(grow(us, disk, disk, 33, 1), 0);
    IS(sector(XEN_BLOCK_READ, disk, 0), 33);
    IS(on(XEN_DISK_DELETE, us, disk), 0);
    IS(sector(XEN_BLOCK_READ, disk, 0), 0);

    told();
    IS(on(XEN_DISK_DELETE, us, NUMBER), 0);
    IS(told(), 1);
    IS(sector(XEN_BLOCK_READ, NUMBER, 0), -1);
    FAILS(on(XEN_DISK_DELETE, us, NUMBER), XEN_EINVAL);
    FAILS(on(XEN_DISK_DELETE, 999, NUMBER), XEN_ESRCH);
    cut_short(XEN_BLOCK_IO_OP, &op, 3);
}

static void wait_to_be_told(void)
{
    shared()->events_mask = XEN_EVENT_BLOCK_UPDATE;
    while (!told())
        sleep();
}

static int has(u32 domain, u32 number)
{
    IS(probe(domain, 20, entries), 0);
    for (u32 k = 0; k < op.u.probe.count; k++)
        if (entries[k].device == number)
            return 1;
    return 0;
}

/* Domain 0, which is privileged, gives domain 1 a disk and takes it away when that has one no more to ask for; 1 is told each time. */
void disk_pair(void)
{
    u32 us = start_info->domain;

    entries = (struct xen_disk_entry *)arena[0];
    extents = (struct xen_extent *)arena[1];
    find_ring();
    if (us == 0) {
        IS(create(1, NUMBER, RW), 0);
        IS(grow(1, NUMBER, XEN_DEVICE_IDE, 70, 2), 0);
        IS(told(), 0);                                          /* it is not domain 0 whose disks change */
        IS(has(1, NUMBER), 1);
        IS(has(XEN_EVERY_DOMAIN, NUMBER), 1);
        IS(has(us, NUMBER), 0);
        while (sector(XEN_BLOCK_READ, XEN_DEVICE_IDE, 71) == 71)
            ;
        IS(on(XEN_DISK_DELETE, 1, NUMBER), 0);
        return;
    }
    while (!has(us, NUMBER) || sector(XEN_BLOCK_READ, NUMBER, 1) == -1u)
        wait_to_be_told();
    IS(sector(XEN_BLOCK_READ, NUMBER, 0), 70);
    IS(sector(XEN_BLOCK_READ, NUMBER, 2), -1);
    IS(sector(XEN_BLOCK_READ, XEN_DEVICE_IDE, 70), -1);         /* the rest of the disk is not its own */
    IS(info(us, NUMBER, 20, extents), 0);
    is_extent(0, XEN_DEVICE_IDE, 70, 2);
    *(u32 *)arena[3] = 0xd15c;
    told();
    IS(sector(XEN_BLOCK_WRITE, NUMBER, 1), 0xd15c);             /* which domain 0 waits for */
    while (has(us, NUMBER))
        wait_to_be_told();
    IS(sector(XEN_BLOCK_READ, NUMBER, 0), -1);
}
#endif
