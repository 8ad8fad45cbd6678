/* Pipes: a page with a ring buffer in it, and the processes that wait for bytes or for room. */

#include "kernel.h"

struct pipe {
    u32 start, used;            /* of the bytes in the buffer */
    int readers, writers;       /* ends that are open: 0 or 1 */
    struct queue wait_bytes, wait_room;
    u8 bytes[];
};
#define CAPACITY (PAGE - sizeof(struct pipe))

int pipe_create(struct file **read_end, struct file **write_end)
{
    struct pipe *pipe = page_take();

    *read_end = file_new(FILE_PIPE_READ);
    *write_end = file_new(FILE_PIPE_WRITE);
    if (!pipe || !*read_end || !*write_end) {
        if (pipe)
            page_drop(pipe);
        if (*read_end)
            (*read_end)->kind = FILE_UNUSED;
        if (*write_end)
            (*write_end)->kind = FILE_UNUSED;
        return -ENOMEM;
    }
    memset(pipe, 0, sizeof *pipe);
    pipe->readers = pipe->writers = 1;
    (*read_end)->pipe = (*write_end)->pipe = pipe;
    return 0;
}

void pipe_close(struct pipe *pipe, int write_end)
{
    if (write_end) {
        pipe->writers = 0;
        wake_all(&pipe->wait_bytes);            /* for whom it is the end of the file */
    } else {
        pipe->readers = 0;
        wake_all(&pipe->wait_room);
    }
    if (!pipe->readers && !pipe->writers)
        page_drop(pipe);
}

static u32 smallest(u32 a, u32 b, u32 c)
{
    u32 ab = a < b ? a : b;

    return ab < c ? ab : c;
}

int pipe_read(struct pipe *pipe, u8 *to, u32 size)
{
    u32 done = 0;

    while (pipe->used == 0 && size > 0) {
        if (!pipe->writers)
            return 0;
        if (sleep_on(&pipe->wait_bytes))
            return -EINTR;
    }
    while (done < size && pipe->used > 0) {     /* twice when it wraps */
        u32 part = smallest(size - done, pipe->used, CAPACITY - pipe->start);
        memcpy(to + done, pipe->bytes + pipe->start, part);
        pipe->start = (pipe->start + part) % CAPACITY;
        pipe->used -= part;
        done += part;
    }
    wake_all(&pipe->wait_room);
    return done;
}

int pipe_write(struct pipe *pipe, const u8 *from, u32 size)
{
    u32 done = 0;

    while (done < size) {
        u32 end, part;
        if (!pipe->readers) {
            signal_send(current, SIGPIPE);
            return -EPIPE;
        }
        if (pipe->used == CAPACITY) {
            if (sleep_on(&pipe->wait_room))
                return done ? (int)done : -EINTR;
            continue;
        }
        end = (pipe->start + pipe->used) % CAPACITY;
        part = smallest(size - done, CAPACITY - pipe->used, CAPACITY - end);
        memcpy(pipe->bytes + end, from + done, part);
        pipe->used += part;
        done += part;
        wake_all(&pipe->wait_bytes);
    }
    return done;
}
