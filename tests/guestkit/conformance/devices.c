/* The block ring, the network rings, and how they are asked for: with two disks, the second one read-only, without control a CD-ROM, too, and one network interface. Sector n of a disk begins
 * with the number n. The groups whose names end in _control are of a privileged domain. */
#include "conformance.h"

#define FOREIGN 0x2000u
#define SECTOR 512u
#define SECTORS 128u            /* of each disk */
#define BAD 1

struct ring {
    volatile u32 requests, responses;
    struct xen_block_request entries[XEN_BLOCK_ENTRIES];
};

static struct ring *ring;
static u32 *data;               /* the page that requests are about */

static void map_ring(void *window, u32 machine)
{
    IS(update(window, machine | P | W, XEN_VA_INVALIDATE), 0);
}

#ifdef XEN_1_2
static int block_op(u32 operation)
{
    u32 words[2] = { operation, 0 };
    int result = call(XEN_BLOCK_IO_OP, (u32)words, 0, 0);

    return operation == 2 && result == 0 ? (int)(words[1] << 12) : result;
}
#endif

static int push(void)
{
#ifdef XEN_1_2
    return block_op(0);
#else
    return call(XEN_BLOCK_IO_OP, 0, 0, 0);
#endif
}

static void find_ring(void)
{
#ifdef XEN_1_2
    map_ring(arena[0], block_op(2));
#else
    map_ring(arena[0], start_info->block_ring);
#endif
    ring = (struct ring *)arena[0];
    data = (u32 *)arena[1];
    shared()->events_mask = XEN_EVENT_BLOCK;
}

static void put(u32 operation, u32 device, u32 sector, u32 count, const u32 *segments)
{
    struct xen_block_request *request = &ring->entries[ring->requests];

    memset(request, 0, sizeof *request);
    request->id = 0x1000 + ring->requests;
    request->sector_number = sector;
    request->device = device;
    request->operation = operation;
    request->nr_segments = count;
    for (u32 i = 0; i < count && i < XEN_BLOCK_SEGMENTS; i++)
        request->buffer_and_sects[i] = segments[i];
    ring->requests = (ring->requests + 1) % XEN_BLOCK_ENTRIES;
}

/* Waits for the response of the only request that is under way; its status. */
static u32 answer(u32 operation)
{
    u32 at = (ring->requests - 1) % XEN_BLOCK_ENTRIES;
    const struct xen_block_response *response = (const void *)&ring->entries[at];
    struct xen_shared_info *info = shared();

    while (ring->responses != ring->requests) {
        info->events = 0;
        if (ring->responses != ring->requests)
            sleep();
    }
    IS(response->id, 0x1000 + at);
    IS(response->operation, operation);
    return response->status;
}

static u32 perform(u32 operation, u32 device, u32 sector, u32 count, const u32 *segments)
{
    put(operation, device, sector, count, segments);
    IS(push(), 0);
    return answer(operation);
}

static u32 one(u32 operation, u32 device, u32 sector, u32 segment)
{
    return perform(operation, device, sector, 1, &segment);
}

/* An operation whose structure is in `data`. */
static u32 control(u32 operation)
{
    return one(operation, 0, 0, machine_of(data) | 8);
}

void block(void)
{
    u32 here, segments[13], other, disk = XEN_DEVICE_VIRTUAL;

    find_ring();
    here = machine_of(data);
    other = machine_of(arena[2]);

    /* probes */
    IS(control(XEN_BLOCK_PROBE_VIRTUAL), 0);
    IS(data[0], 3);
    IS(data[1], disk | XEN_DISK << 16);
    IS(data[2], SECTORS);
    IS(data[3], (disk + 1) | XEN_DISK << 16);
    IS(data[5], (disk + 2) | XEN_CDROM << 16);
    IS(control(XEN_BLOCK_PROBE_PHYSICAL), 0);
    IS(data[0], 0);                                             /* it was granted none */

    /* data: read, read ahead, written; segments; a barrier */
    IS(one(XEN_BLOCK_READ, disk, 3, here | 1), 0);
    IS(data[0], 3);
    IS(one(XEN_BLOCK_READ_AHEAD, disk, 9, here | 2), 0);
    IS(data[0], 9);
    IS(data[SECTOR / 4], 10);
    data[0] = 0x5eed;
    IS(one(XEN_BLOCK_WRITE, disk, 20, here | 1), 0);
    IS(perform(XEN_BLOCK_SPECIAL, disk, 0, 0, 0), 0);
    segments[0] = other | 1;
    segments[1] = (here + SECTOR) | 2;
    IS(perform(XEN_BLOCK_READ, disk, 20, 2, segments), 0);
    IS(*(u32 *)arena[2], 0x5eed);
    IS(data[SECTOR / 4], 21);
    IS(data[SECTOR / 2], 22);
    for (u32 i = 0; i < COUNT(segments); i++)
        segments[i] = here | 1;
    IS(perform(XEN_BLOCK_READ, disk, 0, 12, segments), 0);
    for (u32 i = 0; i < 2 * XEN_BLOCK_ENTRIES; i++)             /* the ring goes round */
        IS(one(XEN_BLOCK_READ, disk, i % SECTORS, here | 1) | (data[0] ^ (i == 20 ? 0x5eed : i % SECTORS)), 0);
    IS(one(XEN_BLOCK_READ, disk + 1, 7, here | 1), 0);

    /* what is refused */
    IS(one(XEN_BLOCK_WRITE, disk + 1, 7, here | 1), BAD);       /* read-only */
    IS(one(XEN_BLOCK_READ, disk + 3, 0, here | 1), BAD);
    IS(one(XEN_BLOCK_READ, XEN_DEVICE_IDE, 0, here | 1), BAD);  /* not granted */
    IS(one(XEN_BLOCK_WRITE, XEN_DEVICE_IDE, 0, here | 1), BAD);
    IS(one(XEN_BLOCK_READ, XEN_DEVICE_SCSI, 0, here | 1), BAD);
    IS(one(XEN_BLOCK_READ, disk, SECTORS, here | 1), BAD);
    IS(one(XEN_BLOCK_READ, disk, SECTORS - 1, here | 2), BAD);
    IS(one(XEN_BLOCK_READ, disk, 0xffffffff, here | 1), BAD);
    IS(one(XEN_BLOCK_READ, disk, 0, here), BAD);                /* an empty segment */
    IS(perform(XEN_BLOCK_READ, disk, 0, 0, segments), BAD);
    IS(perform(XEN_BLOCK_READ, disk, 0, 13, segments), BAD);
    IS(perform(XEN_BLOCK_READ, disk, 0, 255, segments), BAD);
    IS(one(XEN_BLOCK_READ, disk, 0, FOREIGN | 1), BAD);
    IS(one(XEN_BLOCK_WRITE, disk, 0, FOREIGN | 1), BAD);
    IS(one(XEN_BLOCK_READ, disk, 0, 0xfffffe01), BAD);
    IS(one(XEN_BLOCK_READ, disk, 0, machine_of(page_table()) | 1), BAD);
    IS(one(XEN_BLOCK_WRITE, disk, 30, machine_of(page_table()) | 1), 0);        /* what it may read, it may write to a disk */
    IS(one(XEN_BLOCK_PROBE_VIRTUAL, 0, 0, machine_of(page_table()) | 8), BAD);
    IS(one(XEN_BLOCK_PROBE_VIRTUAL, 0, 0, FOREIGN | 8), BAD);
    IS(perform(XEN_BLOCK_PROBE_VIRTUAL, 0, 0, 2, segments), BAD);
    IS(perform(XEN_BLOCK_PROBE_VIRTUAL, 0, 0, 0, segments), BAD);
    for (u32 operation = 3; operation < 256; operation += operation < 14 ? 1 : 23)
        if (operation != XEN_BLOCK_SPECIAL && operation != XEN_BLOCK_PROBE_PHYSICAL && operation != XEN_BLOCK_PROBE_VIRTUAL)
            IS(control(operation), BAD);                        /* there is none, or it is not privileged */
    IS(one(XEN_BLOCK_SPECIAL, disk, 0, here | 1), BAD);         /* a barrier has no segments */

    /* indices */
    u32 at = ring->requests;

    ring->requests = XEN_BLOCK_ENTRIES;
    FAILS(push(), XEN_EINVAL);
    ring->requests = 0xffffffff;
    FAILS(push(), XEN_EINVAL);
    ring->requests = at;
    IS(push(), 0);
    put(XEN_BLOCK_READ, disk, 0, 1, segments);
    IS(push(), 0);
#ifdef XEN_1_2
    FAILS(block_op(1), XEN_EINVAL);                             /* there is a request under way */
#endif
    ring->requests = at;                                        /* it cannot be taken back */
    FAILS(push(), XEN_EINVAL);
    ring->requests = (at + 1) % XEN_BLOCK_ENTRIES;
    IS(answer(XEN_BLOCK_READ), 0);
#ifdef XEN_1_2
    IS(block_op(1), 0);
    IS(ring->responses, 0);
    ring->requests = 0;
    IS(one(XEN_BLOCK_READ, disk, 5, here | 1), 0);
    FAILS(block_op(0xffffffff), XEN_ENOSYS);
    for (u32 operation = XEN_DISK_INFO + 1; operation < 64; operation++)
        FAILS(block_op(operation), XEN_ENOSYS);
    FAILS(call(XEN_BLOCK_IO_OP, 0x1000, 0, 0), XEN_EFAULT);
    struct xen_block_op op = { .operation = XEN_BLOCK_RING_ADDRESS };

    cut_short(XEN_BLOCK_IO_OP, &op, 2);
    not_written(XEN_BLOCK_IO_OP, &op, 2);

    /* virtual disks are a privileged domain's to change; it may ask about its own */
    struct xen_disk_entry *entries = (struct xen_disk_entry *)data;
    struct xen_extent *extents = (struct xen_extent *)data;
    u32 us = start_info->domain;

    for (u32 operation = XEN_DISK_CREATE; operation <= XEN_DISK_DELETE; operation++) {
        op = (struct xen_block_op){ .operation = operation, .u.create = { us, 7, XEN_CAN_READ } };
        FAILS(call(XEN_BLOCK_IO_OP, (u32)&op, 0, 0), XEN_EPERM);
    }
    op = (struct xen_block_op){ .operation = XEN_DISK_PROBE, .u.probe = { us, 9, (u32)entries, 0 } };
    IS(call(XEN_BLOCK_IO_OP, (u32)&op, 0, 0), 0);
    IS(op.u.probe.count, 3);
    IS(entries[0].device, disk);
    IS(entries[0].kind, XEN_DISK | XEN_DISK_VIRTUAL);
    IS(entries[0].sectors, SECTORS);
    IS(entries[0].domain, us);
    IS(entries[1].device, disk + 1);
    IS(entries[1].kind, XEN_DISK | XEN_DISK_VIRTUAL | XEN_DISK_READ_ONLY);
    IS(entries[2].kind, XEN_CDROM | XEN_DISK_VIRTUAL | XEN_DISK_READ_ONLY);
    op.u.probe.domain = us + 1;
    FAILS(call(XEN_BLOCK_IO_OP, (u32)&op, 0, 0), XEN_EPERM);
    op.u.probe.domain = XEN_EVERY_DOMAIN;
    FAILS(call(XEN_BLOCK_IO_OP, (u32)&op, 0, 0), XEN_EPERM);
    op = (struct xen_block_op){ .operation = XEN_DISK_INFO, .u.info = { us, disk, 9, (u32)extents, 0, 0 } };
    IS(call(XEN_BLOCK_IO_OP, (u32)&op, 0, 0), 0);
    IS(op.u.info.count, 1);
    IS(op.u.info.mode, XEN_CAN_READ | XEN_CAN_WRITE);
    IS(extents[0].sectors, SECTORS);
    op.u.info.domain = us + 1;
    FAILS(call(XEN_BLOCK_IO_OP, (u32)&op, 0, 0), XEN_EPERM);
#endif
}

static void extent_of(u32 mode, u32 domain, u32 number, u32 disk, u32 first, u32 size)
{
    memset(data, 0, PAGE);
    data[0] = mode, data[1] = domain, data[2] = number;
    data[6] = 1, data[7] = disk, data[8] = first, data[9] = size;
}

static u32 create(u32 mode, u32 domain, u32 number, u32 disk, u32 first, u32 size)
{
    extent_of(mode, domain, number, disk, first, size);
    return control(XEN_BLOCK_CREATE_VIRTUAL);
}

static u32 grant(u32 mode, u32 domain, u32 disk, u32 first, u32 size)
{
    data[0] = mode, data[1] = domain, data[2] = disk | 5 << 16, data[3] = first, data[4] = size;
    return control(XEN_BLOCK_GRANT);
}

static u32 remove(u32 domain, u32 number)
{
    data[1] = domain, data[2] = number;
    return control(XEN_BLOCK_DELETE_VIRTUAL);
}

void block_control(void)
{
    u32 here, us = start_info->domain, disk = XEN_DEVICE_IDE;

    find_ring();
    here = machine_of(data);
    IS(control(XEN_BLOCK_PROBE_PHYSICAL), 0);
    IS(data[0], 2);
    IS(data[1], disk | XEN_DISK << 16);
    IS(data[2], SECTORS);
    IS(one(XEN_BLOCK_READ, disk, 11, here | 1), 0);             /* it may use all of them as they are */
    IS(data[0], 11);
    IS(one(XEN_BLOCK_WRITE, disk + 1, 11, here | 1), BAD);      /* but no file that is read-only */
    IS(one(XEN_BLOCK_READ, disk + 2, 0, here | 1), BAD);
    IS(one(XEN_BLOCK_READ, disk, SECTORS, here | 1), BAD);

    /* virtual disks */
    IS(create(1, us, 7, disk, 40, 8), 0);
    IS(one(XEN_BLOCK_READ, XEN_DEVICE_VIRTUAL | 7, 3, here | 1), 0);
    IS(data[0], 43);
    IS(one(XEN_BLOCK_READ, XEN_DEVICE_VIRTUAL | 7, 8, here | 1), BAD);
    IS(create(1, us, 7, disk, 40, 8), BAD);                     /* there is one already */
    IS(create(0, us, 8, disk, 40, 8), BAD);
    IS(create(3, us, 8, disk, 40, 8), BAD);
    IS(create(1, 999, 8, disk, 40, 8), BAD);
    IS(create(1, us, 0x1000, disk, 40, 8), BAD);
    IS(create(1, us, 8, disk + 2, 40, 8), BAD);
    IS(create(1, us, 8, XEN_DEVICE_VIRTUAL, 40, 8), BAD);
    IS(create(1, us, 8, disk, 40, 0), BAD);
    IS(create(1, us, 8, disk, SECTORS - 7, 8), BAD);
    IS(create(1, us, 8, disk, 0xffffffff, 8), BAD);
    IS(create(1, us, 8, disk + 1, 0, 8), BAD);                  /* to be written to, of a disk that is read-only */
    extent_of(2, us, 8, disk + 1, 0, 8);
    data[6] = 0;
    IS(control(XEN_BLOCK_CREATE_VIRTUAL), BAD);
    data[6] = 101;
    IS(control(XEN_BLOCK_CREATE_VIRTUAL), BAD);
    data[6] = 50;                                               /* more than there is room for in one sector */
    IS(one(XEN_BLOCK_CREATE_VIRTUAL, 0, 0, here | 1), BAD);
    IS(create(2, us, 8, disk + 1, 0, 8), 0);
    IS(one(XEN_BLOCK_WRITE, XEN_DEVICE_VIRTUAL | 8, 0, here | 1), BAD);
    IS(control(XEN_BLOCK_PROBE_ALL), 0);
    IS(data[0], 4);
    IS(remove(us, 8), 0);
    IS(remove(us, 8), BAD);
    IS(remove(999, 7), BAD);
    IS(remove(us, 7), 0);
    for (u32 operation = 3; operation < 256; operation += operation < 20 ? 1 : 47)
        if (operation == 3 || operation == 6 || operation > XEN_BLOCK_PROBE_ALL)
            IS(control(operation), BAD);                        /* there is none */
    for (u32 number = 2; number < 64; number++)
        IS(create(2, us, number, disk, 0, 1), 0);
    IS(create(2, us, 64, disk, 0, 1), BAD);                     /* a domain has 64 at most */
    IS(remove(us, 63), 0);

    /* grants */
    IS(grant(3, us, disk, 8, 16), 0);
    IS(grant(1, us, disk, 64, 1), 0);
    data[1] = us, data[2] = 0;
    IS(control(XEN_BLOCK_PROBE_GRANTS), 0);
    IS(data[0], 2);
    IS(data[3], disk | 5 << 16);
    IS(data[4], 8);
    IS(data[5], 16);
    IS(data[6], 3);
    data[1] = us, data[2] = 1;                                  /* from the second one on */
    IS(control(XEN_BLOCK_PROBE_GRANTS), 0);
    IS(data[0], 1);
    IS(data[4], 64);
    data[1] = 999;
    IS(control(XEN_BLOCK_PROBE_GRANTS), BAD);
    IS(grant(4, us, disk, 8, 16), BAD);
    IS(grant(3, 999, disk, 8, 16), BAD);
    IS(grant(3, us, disk + 2, 8, 16), BAD);
    IS(grant(3, us, disk, 8, 0), BAD);
    IS(grant(3, us, disk, SECTORS - 1, 2), BAD);
    IS(grant(0, us, disk, 8, 16), 0);                           /* taken back */
    IS(grant(0, us, disk, 8, 16), BAD);
    for (u32 i = 0; i < 253; i++)
        IS(grant(1, us, disk, i % 64, 2 + i / 64), 0);
    IS(grant(1, us, disk, 0, 100), BAD);                        /* a domain has 254 at most */
}

/* -- network */

struct net_rings {
    struct {
        u16 id, size;
        u32 address;
    } transmit[XEN_NET_ENTRIES];
    struct {
        u16 id, size;
        u32 entry;              /* a response has its status in the low byte, and the offset in the next */
    } receive[XEN_NET_ENTRIES];
};

static struct net_rings *net;
static volatile u32 *indices;   /* tx_req_prod, tx_resp_prod, tx_event, rx_req_prod, rx_resp_prod, rx_event */

#ifdef XEN_1_2
static u32 net_words[5];

static int net_op(u32 operation, u32 index)
{
    net_words[0] = operation, net_words[1] = index;
    return call(XEN_NET_UPDATE, (u32)net_words, 0, 0);
}
#endif

static int push_net(void)
{
#ifdef XEN_1_2
    return net_op(0, 0);
#else
    return call(XEN_NET_UPDATE, 0, 0, 0);
#endif
}

static void find_net(void)
{
#ifdef XEN_1_2
    IS(net_op(3, 0), 0);
    map_ring(arena[0], net_words[2] << 12);
    IS(net_words[3] & 0xff, 0xaa);                              /* its address */
#else
    map_ring(arena[0], start_info->net_rings[0]);
    IS(start_info->net_addresses[0][0], 0xaa);
#endif
    net = (struct net_rings *)arena[0];
    indices = (volatile u32 *)&shared()->net_idx[0];
    shared()->events_mask = XEN_EVENT_NETWORK;
}

/* Status of a packet that is sent. */
static u32 transmit(u32 size, u32 address)
{
    struct xen_shared_info *info = shared();
    u32 at = indices[0];

    net->transmit[at].id = 0x100 + at, net->transmit[at].size = size, net->transmit[at].address = address;
    indices[0] = (at + 1) % XEN_NET_ENTRIES;
    indices[2] = indices[0];                                    /* an event when it is answered */
    IS(push_net(), 0);
    while (indices[1] != indices[0]) {
        info->events = 0;
        if (indices[1] != indices[0])
            sleep();
    }
    IS(net->transmit[at].id, 0x100 + at);
    return net->transmit[at].size & 0xff;
}

static void offer(u32 entry)
{
    u32 at = indices[3];

    net->receive[at].id = 0x200 + at, net->receive[at].entry = entry;
    indices[3] = (at + 1) % XEN_NET_ENTRIES;
    IS(push_net(), 0);
}

/* Whether a page for a packet is refused. */
static int is_bad_page(u32 entry)
{
    u32 at = indices[4];

    offer(entry);
    return indices[4] == (at + 1) % XEN_NET_ENTRIES && (net->receive[at].entry & 0xff) == XEN_NET_BAD_PAGE && net->receive[at].id == 0x200 + at;
}

void network(void)
{
    u32 here, entry, before;

    find_net();
    here = machine_of(arena[1]);
    memset(arena[1], 0, PAGE);
    IS(transmit(64, here), XEN_NET_DROPPED);                    /* no IP */
    IS(transmit(1514, here), XEN_NET_DROPPED);
    IS(transmit(13, here), XEN_NET_BAD_PAGE);
    IS(transmit(1515, here), XEN_NET_BAD_PAGE);
    IS(transmit(64, here + PAGE - 63), XEN_NET_BAD_PAGE);       /* over the end of its page */
    IS(transmit(64, FOREIGN), XEN_NET_BAD_PAGE);
    IS(transmit(64, 0xfffff000), XEN_NET_BAD_PAGE);
    for (u32 i = 0; i < XEN_NET_ENTRIES; i++)                   /* the ring goes round */
        IS(transmit(60, here), XEN_NET_DROPPED);

    /* pages for packets */
    entry = machine_of(entry_of(arena[2]));
    IS(is_bad_page(entry | 1), 1);
    IS(is_bad_page(FOREIGN), 1);
    IS(is_bad_page(0xfffffffc), 1);
    IS(is_bad_page(here), 1);                                   /* no page table */
    IS(is_bad_page(machine_of(page_directory())), 1);
    IS(is_bad_page(machine_of(entry_of(page_table()))), 1);     /* not mapped writable */
    IS(is_bad_page(machine_of(entry_of((void *)(BASE + 0x3ff000)))), 1);        /* nothing mapped */
    before = *entry_of(arena[3]);
    IS(update(arena[3], machine_of(arena[2]) | P, XEN_VA_INVALIDATE), 0);
    IS(is_bad_page(entry), 1);                                  /* something else refers to it */
    IS(update(arena[3], before, XEN_VA_INVALIDATE), 0);
    before = *entry_of(arena[2]);
    offer(entry);
    IS(*entry_of(arena[2]), 0);                                 /* it is the hypervisor's now */
    FAILS(update(arena[3], before, 0), XEN_EINVAL);

    /* indices */
    static const u32 wrong[] = { XEN_NET_ENTRIES, 0x80000000, 0xffffffff };
    u32 sent = indices[0], offered = indices[3];

    for (u32 i = 0; i < COUNT(wrong); i++) {
        indices[0] = wrong[i];
        FAILS(push_net(), XEN_EINVAL);
        indices[0] = sent;
        indices[3] = wrong[i];
        FAILS(push_net(), XEN_EINVAL);
        indices[3] = offered;
    }
    indices[3] = (offered - 1) % XEN_NET_ENTRIES;               /* it cannot be taken back */
    FAILS(push_net(), XEN_EINVAL);
    indices[3] = offered;
    IS(push_net(), 0);
#ifdef XEN_1_2
    FAILS(net_op(2, 0), XEN_EINVAL);                            /* there is a page under way */
    net->transmit[sent].id = 7, net->transmit[sent].size = 64, net->transmit[sent].address = here;
    indices[0] = (sent + 1) % XEN_NET_ENTRIES;
    IS(push_net(), 0);
    IS(net_op(XEN_NET_FLUSH, 0), 0);                            /* it comes back, empty, and what was to be sent is not */
    IS(indices[1], indices[0]);
    IS(net->transmit[sent].size & 0xff, XEN_NET_DROPPED);
    IS(*entry_of(arena[2]) & (P | W), P | W);
    IS(*(volatile u32 *)arena[2], 0);
    IS(indices[4], indices[3]);
    IS(net_op(2, 0), 0);
    IS(indices[1] | indices[4], 0);
    indices[0] = indices[3] = 0;
    IS(transmit(64, here), XEN_NET_DROPPED);
    FAILS(net_op(4, 0), XEN_ENOSYS);
    FAILS(net_op(0xffffffff, 0), XEN_ENOSYS);
    FAILS(net_op(0, 1), XEN_EINVAL);
    FAILS(net_op(3, 0xffffffff), XEN_EINVAL);
    FAILS(call(XEN_NET_UPDATE, 0x1000, 0, 0), XEN_EFAULT);
    net_words[0] = XEN_NET_INFORMATION, net_words[1] = 0;
    cut_short(XEN_NET_UPDATE, net_words, 5);
    not_written(XEN_NET_UPDATE, net_words, 5);
#endif
    FAILS(call(XEN_NETWORK_OP, (u32)arena[1], 0, 0), XEN_EPERM);
}

static u32 rule[12];            /* the operation, and its rule */

static int rule_op(u32 operation, u32 protocol, u32 from, u32 to, u32 action)
{
    memset(rule, 0, sizeof rule);
    rule[0] = operation, rule[1] = 0x0a000001, rule[7] = protocol, rule[8] = from, rule[9] = to, rule[10] = action;
    return call(XEN_NETWORK_OP, (u32)rule, 0, 0);
}

static int net_control(u32 operation, u32 a, u32 b, u32 c, u32 d)
{
    memset(arena[5], 0, PAGE);
    ((u32 *)arena[5])[0] = operation, ((u32 *)arena[5])[1] = a, ((u32 *)arena[5])[2] = b, ((u32 *)arena[5])[3] = c, ((u32 *)arena[5])[4] = d;
    return call(XEN_NETWORK_OP, (u32)arena[5], 0, 0);
}

/* By the rules that were added, a packet that it sends comes back to it: into a page that it has offered, or nowhere. */
static void packet_to_itself(void)
{
    u8 *packet = arena[7], *came = arena[8];
    u32 at;

    memset(packet, 0, PAGE);
    packet[12] = 8, packet[14] = 0x45, packet[17] = 50, packet[23] = 17;        /* IP of 50 bytes, UDP */
    find_net();
    IS(transmit(64, machine_of(packet)), XEN_NET_OK);           /* nobody has offered a page: it is lost on the way */
    at = indices[4];
    offer(machine_of(entry_of(came)));
    indices[5] = (at + 1) % XEN_NET_ENTRIES;                    /* an event when there is a packet */
    IS(transmit(64, machine_of(packet)), XEN_NET_OK);
    while (indices[4] == at) {
        shared()->events = 0;
        if (indices[4] == at)
            sleep();
    }
    IS(net->receive[at].entry & 0xff, XEN_NET_OK);
    IS(net->receive[at].size, 64);
    came += net->receive[at].entry >> 8 & 0xff;
    IS(memcmp(came + 6, packet + 6, 58), 0);

    at = indices[4];                                            /* an entry that is taken by something else meanwhile: the page is lost */
    offer(machine_of(entry_of(arena[9])));
    IS(update(arena[9], machine_of(arena[10]) | P | W, XEN_VA_INVALIDATE), 0);
    indices[5] = (at + 1) % XEN_NET_ENTRIES;
    IS(transmit(64, machine_of(packet)), XEN_NET_OK);
    while (indices[4] == at)
        sleep();
    IS(net->receive[at].entry & 0xff, XEN_NET_BAD_PAGE);
    IS(machine_of(arena[9]), machine_of(arena[10]));
}

void network_control(void)
{
    u32 us = start_info->domain, ours = us << 12, result, *list = (u32 *)arena[6], rules = 0;

    for (u32 protocol = 0; protocol <= 4; protocol++)
        IS(rule_op(XEN_RULE_ADD, protocol, XEN_INTERFACE_ANY, ours, 0), 0);
    IS(rule_op(XEN_RULE_ADD, 0, ours, XEN_INTERFACE_PHYSICAL, 1), 0);
    IS(rule_op(XEN_RULE_LIST, 0, 0, 0, 0), 0);
    IS(rule_op(XEN_RULE_DELETE, 2, XEN_INTERFACE_ANY, ours, 0), 0);
    FAILS(rule_op(XEN_RULE_DELETE, 2, XEN_INTERFACE_ANY, ours, 0), 3 /* ESRCH */);
    FAILS(rule_op(XEN_RULE_ADD, 5, XEN_INTERFACE_ANY, ours, 0), XEN_EINVAL);
    FAILS(rule_op(XEN_RULE_ADD, 0, XEN_INTERFACE_ANY, ours, 2), XEN_EINVAL);
    FAILS(rule_op(XEN_RULE_ADD, 0, XEN_INTERFACE_ANY, ours + 1, 0), XEN_EINVAL);       /* there is no such interface */
    FAILS(rule_op(XEN_RULE_ADD, 0, ours + 1, XEN_INTERFACE_PHYSICAL, 0), XEN_EINVAL);
    FAILS(rule_op(XEN_RULE_ADD, 0, ours, XEN_INTERFACE_ANY, 0), XEN_EINVAL);           /* to where? */
    do
        result = rule_op(XEN_RULE_ADD, 1, ours, XEN_INTERFACE_PHYSICAL, 0);
    while (result == 0 && ++rules < 100000);
    FAILS(result, XEN_ENOSPC);
    FAILS(rule_op(6, 0, 0, 0, 0), XEN_ENOSYS);
    FAILS(rule_op(0xffffffff, 0, 0, 0, 0), XEN_ENOSYS);
    FAILS(call(XEN_NETWORK_OP, 0x1000, 0, 0), XEN_EFAULT);
    FAILS(call(XEN_NETWORK_OP, XEN_HYPERVISOR_START - 4, 0, 0), XEN_EFAULT);

    IS(net_control(XEN_INTERFACES, us, (u32)list, 0, 0), 0);
    IS(list[0], 1);
    IS(list[1], 0);
    IS(net_control(XEN_INTERFACES, 999, (u32)list, 0, 0), 0);
    IS(list[0], 0);
    FAILS(net_control(XEN_INTERFACES, us, 0x1000, 0, 0), XEN_EFAULT);
    FAILS(net_control(XEN_INTERFACES, 999, 0x1000, 0, 0), XEN_EFAULT);
    FAILS(net_control(XEN_INTERFACES, us, (u32)before_nothing(1), 0, 0), XEN_EFAULT);
    list = (u32 *)before_nothing(2);                            /* room for the count and one */
    IS(net_control(XEN_INTERFACES, us, (u32)list, 0, 0), 0);
    IS(list[0], 1);
    IS(net_control(XEN_INTERFACE_COUNTERS, us, 0, 0, 0), 0);
    FAILS(net_control(XEN_INTERFACE_COUNTERS, us, 1, 0, 0), XEN_EINVAL);
    FAILS(net_control(XEN_INTERFACE_COUNTERS, 999, 0, 0, 0), XEN_EINVAL);
    FAILS(net_control(XEN_INTERFACE_COUNTERS, us, 0xffffffff, 0, 0), XEN_EINVAL);
    cut_short(XEN_NETWORK_OP, arena[5], 3);                     /* of an interface that there is not, in counters */
    net_control(XEN_INTERFACE_COUNTERS, us, 0, 0, 0);
    cut_short(XEN_NETWORK_OP, arena[5], 13);
    not_written(XEN_NETWORK_OP, arena[5], 13);
    net_control(XEN_INTERFACES, us, (u32)arena[6], 0, 0);
    cut_short(XEN_NETWORK_OP, arena[5], 3);
    rule_op(XEN_RULE_ADD, 9, 0, 0, 0);
    cut_short(XEN_NETWORK_OP, rule, 11);
    rule_op(XEN_RULE_DELETE, 9, 0, 0, 0);
    cut_short(XEN_NETWORK_OP, rule, 11);
    IS(net_control(5, us, 0, 100000, 1000), 0);                                         /* bytes in microseconds */
    cut_short(XEN_NETWORK_OP, arena[5], 5);
    IS(net_control(XEN_INTERFACE_COUNTERS, us, 0, 0, 0), 0);
    IS(((u32 *)arena[5])[11], 100000);
    IS(((u32 *)arena[5])[12], 1000);
    FAILS(net_control(5, us, 0, 0, 1000), XEN_EINVAL);
    FAILS(net_control(5, us, 0, 100000, 0), XEN_EINVAL);
    FAILS(net_control(5, us, 0, 100000, 1000001), XEN_EINVAL);
    FAILS(net_control(5, us, 1, 0, 0), XEN_EINVAL);
    IS(net_control(5, us, 0, 0, 0), 0);
    packet_to_itself();
}
