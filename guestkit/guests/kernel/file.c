/* Open files: what descriptors of one or more processes refer to. */

#include "kernel.h"

static struct file files[128];

struct file *file_new(enum file_kind kind)
{
    for (struct file *file = files; file < files + COUNT(files); file++)
        if (file->kind == FILE_UNUSED) {
            memset(file, 0, sizeof *file);
            file->kind = kind;
            file->references = 1;
            return file;
        }
    return NULL;
}

void file_share(struct file *file)
{
    file->references++;
}

void file_close(struct file *file)
{
    if (--file->references > 0)
        return;
    if (file->kind == FILE_PIPE_READ || file->kind == FILE_PIPE_WRITE)
        pipe_close(file->pipe, file->kind == FILE_PIPE_WRITE);
    else if (file->kind == FILE_LISTENER)
        tcp_stop_listening(file->listener);
    else if (file->kind == FILE_CONNECTION)
        tcp_close(file->connection);
    file->kind = FILE_UNUSED;
}

int file_is_open(u32 inode)
{
    for (struct file *file = files; file < files + COUNT(files); file++)
        if (file->kind == FILE_DISK && file->inode == inode)
            return 1;
    return 0;
}

int file_read(struct file *file, u8 *to, u32 size)
{
    int done;

    switch (file->kind) {
    case FILE_CONSOLE:
        return console_read(to, size);
    case FILE_PIPE_READ:
        return pipe_read(file->pipe, to, size);
    case FILE_ARCHIVE:
        if (size > file->size - file->offset)
            size = file->size - file->offset;
        memcpy(to, file->data + file->offset, size);
        file->offset += size;
        return size;
    case FILE_CONNECTION:
        return tcp_read(file->connection, to, size);
    case FILE_DISK:
        done = disk_read(file->inode, file->offset, to, size);
        file->offset += done > 0 ? done : 0;
        return done;
    default:
        return -EBADF;
    }
}

int file_write(struct file *file, const u8 *from, u32 size)
{
    int done;

    switch (file->kind) {
    case FILE_CONSOLE:
        machine_write((const char *)from, size);
        return size;
    case FILE_PIPE_WRITE:
        return pipe_write(file->pipe, from, size);
    case FILE_CONNECTION:
        return tcp_write(file->connection, from, size);
    case FILE_DISK:
        if (!file->may_write)
            return -EBADF;
        done = disk_write(file->inode, file->offset, from, size);
        file->offset += done > 0 ? done : 0;
        return done;
    default:
        return -EBADF;
    }
}
