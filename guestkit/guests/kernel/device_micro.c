/* What moving bytes costs: to and from the disk, to the console, and through the network to another domain and back. */

#include "network.h"

#define REQUESTS 8                      /* under way at a time */
#define ECHOES 24
#define ECHO_SIZE 1472                  /* bytes in a datagram: the most that fit */

static struct disk_request requests[REQUESTS];

static void wait_for(struct disk_request *request)
{
    while (request->count && !request->done)
        machine_idle();
    if (request->failed)
        panic("the disk cannot be read or written");
    request->count = 0;
}

/* COUNT pages that follow each other, from the beginning of the disk again where it ends. */
static void transfer(u32 count, int write)
{
    u32 pages = machine_disk_sectors() / (PAGE / DISK_SECTOR), at = 0;

    if (pages < DISK_PAGES)
        panic("no disk, or a small one: give --disk");
    for (u32 i = 0; count > 0; i = (i + 1) % REQUESTS) {
        struct disk_request *request = &requests[i];
        u32 n = count < DISK_PAGES ? count : DISK_PAGES;
        wait_for(request);
        for (u32 k = 0; k < n; k++)
            if (!request->pages[k])
                request->pages[k] = page_take_zeroed();
        if (at + n > pages)
            at = 0;
        request->sector = at * (PAGE / DISK_SECTOR);
        request->count = n;
        request->write = write;
        machine_disk_begin(request);
        at += n;
        count -= n;
    }
    for (u32 i = 0; i < REQUESTS; i++)
        wait_for(&requests[i]);
}

static void read_pages(u32 count)
{
    transfer(count, 0);
}

static void write_pages(u32 count)
{
    transfer(count, 1);
}

/* COUNT bytes, in lines. */
static void console(u32 count)
{
    static const char line[] = "...............................................................\n";

    for (u32 size = sizeof line - 1; count > 0; count -= size) {
        if (size > count)
            size = count;
        machine_write(line + sizeof line - 1 - size, size);
    }
}

/* Waits until the other domain answers: it may begin later. */
static void reach(const struct peer *other)
{
    u32 before = network_probes_returned;

    for (int k = 0; k < 100 && network_probes_returned == before; k++) {
        u64 sent = machine_clock();
        network_probe(other, ECHO_SIZE);
        while (network_probes_returned == before && machine_clock() - sent < 10000000)
            machine_idle();
    }
}

/* COUNT datagrams to the echo service of the domain before this one, or after it if this is the first. */
static void network(u32 count)
{
    struct peer other = { network_address + (boot.number > 0 ? -1 : 1), { 2, 0, 0, 0, 0, 1 } };
    u32 begun = 0, done = 0, before;
    u64 last;

    if (!network_is_there())
        panic("no network: give --net domains to two domains");
    reach(&other);
    before = network_probes_returned;
    last = machine_clock();
    while (done < count) {
        u32 returned = network_probes_returned - before;
        if (returned != done) {
            done = returned;
            last = machine_clock();
        } else if (machine_clock() - last > 1000000000) {
            panic("%u of %u datagrams did not come back", begun - done, begun);
        }
        while (begun < count && begun - done < ECHOES) {
            network_probe(&other, ECHO_SIZE);
            begun++;
        }
        if (done < count)
            machine_idle();
    }
}

const struct micro device_micros[] = {
    { "disk_read", read_pages }, { "disk_write", write_pages }, { "console", console }, { "network", network }, { NULL, NULL }
};
