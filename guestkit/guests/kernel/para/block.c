/* The disk: the first virtual disk of the block ring. */

#include "para.h"

static struct block_ring *ring;
static struct disk_request *under_way[BLOCK_ENTRIES - 1], *waiting_first, *waiting_last;       /* by the id that a request has in the ring */
static u32 responses, device, sectors;

static struct block_request *next_entry(u32 operation)
{
    struct block_request *entry = &ring->entries[ring->request_producer].request;

    memset(entry, 0, sizeof *entry);
    entry->device = device;
    entry->operation = operation;
    return entry;
}

static void push(void)
{
    asm volatile("" : : : "memory");
    ring->request_producer = (ring->request_producer + 1) % BLOCK_ENTRIES;
}

/* Asks for the disks, before anything else is asked for, and waits for the answer. */
void block_start(void)
{
    struct block_devices *devices = early_pages(1);
    struct block_request *entry;

    if (!start_info->blk_ring)
        return;
    ring = paging_map_shared(start_info->blk_ring);
    entry = next_entry(BLOCK_PROBE_VIRTUAL);
    entry->segment_count = 1;
    entry->segments[0] = machine_frame(devices) | PAGE / DISK_SECTOR;
    push();
    ask(XEN_BLOCK_IO_OP, 0, 0, 0, 0);
    responses = ring->response_producer;        /* a probe is answered at once */
    if (devices->count > 0) {
        device = devices->devices[0].device;
        sectors = devices->devices[0].sectors;
    }
}

u32 machine_disk_sectors(void)
{
    return sectors;
}

/* Whether there was room for it. */
static int put(struct disk_request *request)
{
    for (u32 id = 0; id < COUNT(under_way); id++) {
        struct block_request *entry;
        if (under_way[id])
            continue;
        under_way[id] = request;
        entry = next_entry(request->write ? BLOCK_WRITE : BLOCK_READ);
        entry->id = id;
        entry->sector = request->sector;
        entry->segment_count = request->count;
        for (u32 i = 0; i < request->count; i++)
            entry->segments[i] = machine_frame(request->pages[i]) | PAGE / DISK_SECTOR;
        push();
        return 1;
    }
    return 0;
}

void machine_disk_begin(struct disk_request *request)
{
    request->done = 0;
    request->next = NULL;
    if (waiting_first || !put(request)) {
        if (waiting_first)
            waiting_last->next = request;
        else
            waiting_first = request;
        waiting_last = request;
        return;
    }
    ask(XEN_BLOCK_IO_OP, 0, 0, 0, 0);
}

void block_interrupt(void)
{
    int more = 0;

    while (responses != ring->response_producer) {
        struct block_response *entry = &ring->entries[responses].response;
        struct disk_request *request = under_way[entry->id];
        responses = (responses + 1) % BLOCK_ENTRIES;
        under_way[entry->id] = NULL;
        disk_done(request, entry->status != 0);
    }
    while (waiting_first && put(waiting_first)) {
        waiting_first = waiting_first->next;
        more = 1;
    }
    if (more)
        ask(XEN_BLOCK_IO_OP, 0, 0, 0, 0);
}
