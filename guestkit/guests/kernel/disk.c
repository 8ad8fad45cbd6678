/* Blocks of the disk in memory. A block is a page; changed ones are written when room is needed, and at the latest by disk_flush(). Blocks that follow
 * each other are read and written together. */

#include "kernel.h"

#define BUFFERS 96
#define SECTORS_OF_BLOCK (PAGE / DISK_SECTOR)
#define NO_BLOCK 0xffffffffu

static struct buffer buffers[BUFFERS];
static struct queue waiting;            /* for requests to be done */
static u32 clock_hand, blocks;

u32 disk_start(void)
{
    if (blocks == 0) {
        blocks = machine_disk_sectors() / SECTORS_OF_BLOCK;
        for (u32 i = 0; blocks && i < BUFFERS; i++) {
            buffers[i].block = NO_BLOCK;
            buffers[i].data = page_take();
            if (!buffers[i].data)
                panic("too little memory for the disk's buffers");
        }
    }
    return blocks;
}

/* Of the back end, perhaps within an interrupt. */
void disk_done(struct disk_request *request, int failed)
{
    request->failed = failed;
    request->done = 1;
    for (struct buffer *b = buffers; b < buffers + BUFFERS; b++)
        if (b->request == request) {
            b->request = NULL;
            if (failed)
                b->block = NO_BLOCK;
        }
    wake_all(&waiting);
}

static void wait_for(struct disk_request *request)
{
    while (!request->done)
        sleep_always(&waiting);
}

static struct buffer *find(u32 block)
{
    for (struct buffer *b = buffers; b < buffers + BUFFERS; b++)
        if (b->block == block)
            return b;
    return NULL;
}

/* A buffer that nobody uses and that needs not be written; NULL if there is none. */
static struct buffer *find_clean(void)
{
    for (u32 i = 0; i < 2 * BUFFERS; i++) {
        struct buffer *b = &buffers[clock_hand++ % BUFFERS];
        if (b->held || b->dirty || b->request)
            continue;
        if (!b->recent)
            return b;
        b->recent = 0;
    }
    return NULL;
}

/* Begins to read blocks that follow each other, none of which is there, as far as there are buffers; returns for how many. The request is that of
 * the first buffer. */
static u32 begin_read(u32 block, u32 count)
{
    struct disk_request *request = NULL;
    u32 n = 0;

    while (n < count) {
        struct buffer *b = find_clean();
        if (!b)
            break;
        if (n == 0) {
            request = &b->own_request;
            memset(request, 0, sizeof *request);
            request->sector = block * SECTORS_OF_BLOCK;
        }
        b->request = request;
        b->block = block + n;
        b->recent = 1;
        request->pages[n++] = b->data;
    }
    if (n == 0)
        return 0;
    request->count = n;
    machine_disk_begin(request);
    return n;
}

void buffer_prefetch(u32 block, u32 count)
{
    u32 n = 0;

    if (count > DISK_PAGES)
        count = DISK_PAGES;
    while (n < count && block + n < blocks && !find(block + n))
        n++;
    if (n > 0)
        begin_read(block, n);
}

/* The block, held until buffer_put(); NULL if it cannot be read. */
struct buffer *buffer_get(u32 block)
{
    struct buffer *b;

    if (block >= blocks)
        return NULL;
    while (!(b = find(block)))
        if (begin_read(block, 1) == 0)
            disk_flush();
    b->held++;
    b->recent = 1;
    while (b->request)
        sleep_always(&waiting);
    if (b->block == block)
        return b;
    b->held--;                                  /* could not be read */
    return NULL;
}

/* The same for a block whose contents do not matter: it becomes zeroes. */
struct buffer *buffer_get_new(u32 block)
{
    struct buffer *b;

    if (block >= blocks)
        return NULL;
    if (find(block)) {
        b = buffer_get(block);
    } else {
        while (!(b = find_clean()))
            disk_flush();
        b->block = block;
        b->request = NULL;
        b->held = 1;
    }
    if (b) {
        memset(b->data, 0, PAGE);
        b->dirty = 1;
        b->recent = 1;
    }
    return b;
}

void buffer_put(struct buffer *b)
{
    b->held--;
}

/* Writes what has changed; an error, if one could not be. */
int disk_flush(void)
{
    int error = 0;

    for (u32 i = 0; i < BUFFERS; i++) {
        struct disk_request request = { .write = 1 };
        struct buffer *b = &buffers[i], *next;
        if (!b->dirty)
            continue;
        while (b->block > 0 && (next = find(b->block - 1)) && next->dirty)
            b = next;                           /* to the first one of a row */
        request.sector = b->block * SECTORS_OF_BLOCK;
        for (u32 block = b->block; request.count < DISK_PAGES && (next = find(block)) && next->dirty; block++) {
            next->dirty = 0;
            next->held++;
            request.pages[request.count++] = next->data;
        }
        machine_disk_begin(&request);
        wait_for(&request);
        for (u32 k = 0; k < request.count; k++)
            find(b->block + k)->held--;
        if (request.failed)
            error = -EIO;
        i--;                                    /* the row may have been longer, or not have had this one in it */
    }
    return error;
}
