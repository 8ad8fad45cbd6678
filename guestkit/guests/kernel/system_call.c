/* System calls: each checks what the process gives it, and lets the file it belongs to do the work. */

#include "kernel.h"

static int descriptor(struct file *file)
{
    for (int fd = 0; fd < FILES; fd++)
        if (!current->files[fd]) {
            current->files[fd] = file;
            return fd;
        }
    file_close(file);
    return -EMFILE;
}

static struct file *file_of(u32 fd)
{
    return fd < FILES ? current->files[fd] : NULL;
}

static int sys_exit(u32 status, u32 b, u32 c)
{
    (void)b, (void)c;
    process_exit(status & 0xff);
}

static int sys_fork(u32 a, u32 b, u32 c)
{
    (void)a, (void)b, (void)c;
    return process_fork();
}

#define ARGUMENTS 32            /* they and their strings must fit in one page */

static int sys_exec(u32 path, u32 argv, u32 c)
{
    char name[NAME_SIZE], *arguments[ARGUMENTS], *strings;
    u32 count = 0, used = 0;
    int length = user_string(name, path, sizeof name);

    (void)c;
    if (length < 0)
        return length;
    strings = page_take();
    if (!strings)
        return -ENOMEM;
    for (;; count++) {
        if (!user_range(argv + count * sizeof(u32), sizeof(u32), 0)) {
            length = -EFAULT;
            break;
        }
        if (((u32 *)argv)[count] == 0)
            break;
        if (count == ARGUMENTS) {
            length = -E2BIG;
            break;
        }
        arguments[count] = strings + used;
        length = user_string(strings + used, ((u32 *)argv)[count], PAGE - used);
        if (length < 0)
            break;
        used += length + 1;
    }
    if (length >= 0)
        length = exec(name, arguments, count);
    page_drop(strings);
    return length;
}

static int sys_wait(u32 status, u32 b, u32 c)
{
    int value = 0, pid;

    (void)b, (void)c;
    if (status && !user_range(status, sizeof(int), 1))
        return -EFAULT;
    pid = process_wait(&value);
    if (pid > 0 && status)
        *(int *)status = value;
    return pid;
}

static int sys_read(u32 fd, u32 buffer, u32 size)
{
    struct file *file = file_of(fd);

    if (!file)
        return -EBADF;
    if (!user_range(buffer, size, 1))
        return -EFAULT;
    return file_read(file, (u8 *)buffer, size);
}

static int sys_write(u32 fd, u32 buffer, u32 size)
{
    struct file *file = file_of(fd);

    if (!file)
        return -EBADF;
    if (!user_range(buffer, size, 0))
        return -EFAULT;
    return file_write(file, (const u8 *)buffer, size);
}

static int open_on_disk(const char *name, u32 flags)
{
    struct file *file = file_new(FILE_DISK);
    int error;

    if (!file)
        return -EMFILE;
    error = disk_open(name, flags, &file->inode, &file->size);
    if (error) {
        file_close(file);
        return error;
    }
    file->may_write = flags & OPEN_WRITE;
    file->offset = flags & OPEN_APPEND ? file->size : 0;
    return descriptor(file);
}

static int sys_open(u32 path, u32 flags, u32 c)
{
    char name[NAME_SIZE];
    const u8 *data;
    u32 size;
    struct file *file;
    int error = user_string(name, path, sizeof name);

    (void)c;
    if (error < 0)
        return error;
    if (disk_path(name))
        return open_on_disk(name, flags);
    error = flags ? -EROFS : archive_find(name, &data, &size);
    if (error)
        return error;
    file = file_new(FILE_ARCHIVE);
    if (!file)
        return -EMFILE;
    file->data = data;
    file->size = size;
    return descriptor(file);
}

static int sys_close(u32 fd, u32 b, u32 c)
{
    struct file *file = file_of(fd);

    (void)b, (void)c;
    if (!file)
        return -EBADF;
    current->files[fd] = NULL;
    file_close(file);
    return 0;
}

static int sys_dup(u32 fd, u32 b, u32 c)
{
    struct file *file = file_of(fd);

    (void)b, (void)c;
    if (!file)
        return -EBADF;
    file_share(file);
    return descriptor(file);
}

static int sys_pipe(u32 result, u32 b, u32 c)
{
    struct file *read_end, *write_end;
    int *fds = (int *)result, error;

    (void)b, (void)c;
    if (!user_range(result, 2 * sizeof(int), 1))
        return -EFAULT;
    error = pipe_create(&read_end, &write_end);
    if (error)
        return error;
    fds[0] = descriptor(read_end);
    fds[1] = descriptor(write_end);
    if (fds[1] >= 0)
        return 0;
    if (fds[0] >= 0)
        sys_close(fds[0], 0, 0);
    return -EMFILE;
}

static int sys_sbrk(u32 bytes, u32 b, u32 c)
{
    u32 before = current->space.heap_end;
    int error = bytes ? space_set_heap(&current->space, before + bytes) : 0;

    (void)b, (void)c;
    return error ? error : (int)before;
}

static int sys_mmap(u32 size, u32 protection, u32 c)
{
    (void)c;
    return protection & ~(PROT_READ | PROT_WRITE) ? -EINVAL : (int)space_map(&current->space, size, protection);
}

static int sys_munmap(u32 address, u32 size, u32 c)
{
    (void)c;
    return space_unmap(&current->space, address, size);
}

static int sys_mprotect(u32 address, u32 size, u32 protection)
{
    return protection & ~(PROT_READ | PROT_WRITE) ? -EINVAL : space_protect(&current->space, address, size, protection);
}

static int sys_signal(u32 number, u32 handler, u32 return_point)
{
    u32 before;

    if (number == 0 || number >= SIGNALS || number == SIGKILL)
        return -EINVAL;
    before = current->handlers[number];
    current->handlers[number] = handler;
    current->return_point = return_point;
    return before;
}

static int sys_sigreturn(u32 a, u32 b, u32 c)
{
    (void)a, (void)b, (void)c;
    return signal_return(process_frame(current));
}

static int sys_kill(u32 pid, u32 number, u32 c)
{
    struct process *process = process_find(pid);

    (void)c;
    return process ? signal_send(process, number) : -ESRCH;
}

static int sys_getpid(u32 a, u32 b, u32 c)
{
    (void)a, (void)b, (void)c;
    return current->pid;
}

static int sys_clock(u32 result, u32 b, u32 c)
{
    (void)b, (void)c;
    if (!user_range(result, sizeof(u64), 1))
        return -EFAULT;
    *(u64 *)result = machine_clock();
    return 0;
}

static int sys_sleep(u32 milliseconds, u32 b, u32 c)
{
    (void)b, (void)c;
    return sleep_until(machine_clock() + milliseconds * 1000000ull);
}

static int sys_yield(u32 a, u32 b, u32 c)
{
    (void)a, (void)b, (void)c;
    yield();
    return 0;
}

static int sys_list(u32 index, u32 result, u32 path)
{
    char name[NAME_SIZE];
    int error = path ? user_string(name, path, sizeof name) : 0;

    if (error < 0)
        return error;
    if (!user_range(result, sizeof(struct list_entry), 1))
        return -EFAULT;
    if (path && disk_path(name))
        return disk_list(name, index, (struct list_entry *)result);
    return path ? -ENOENT : archive_list(index, (struct list_entry *)result);
}

/* With the path of a file or directory of the disk. */
static int with_path(u32 path, int (*what)(const char *))
{
    char name[NAME_SIZE];
    int error = user_string(name, path, sizeof name);

    if (error < 0)
        return error;
    return disk_path(name) ? what(name) : -EROFS;
}

static int sys_remove(u32 path, u32 b, u32 c)
{
    (void)b, (void)c;
    return with_path(path, disk_remove);
}

static int sys_make_directory(u32 path, u32 b, u32 c)
{
    (void)b, (void)c;
    return with_path(path, disk_make_directory);
}

static int sys_sync(u32 a, u32 b, u32 c)
{
    (void)a, (void)b, (void)c;
    return disk_sync();
}

static int sys_halt(u32 status, u32 b, u32 c)
{
    (void)b, (void)c;
    disk_sync();
    machine_power_off(status & 0xff);
}

static int sys_listen(u32 port, u32 b, u32 c)
{
    struct file *file = file_new(FILE_UNUSED);
    int error;

    (void)b, (void)c;
    if (!file)
        return -EMFILE;
    error = tcp_listen(port, &file->listener);
    if (error)
        return error;
    file->kind = FILE_LISTENER;
    return descriptor(file);
}

static int sys_accept(u32 fd, u32 b, u32 c)
{
    struct file *listener = file_of(fd), *file;
    struct connection *connection;
    int error;

    (void)b, (void)c;
    if (!listener || listener->kind != FILE_LISTENER)
        return -EBADF;
    error = tcp_accept(listener->listener, &connection);
    if (error)
        return error;
    file = file_new(FILE_CONNECTION);
    if (!file) {
        tcp_close(connection);
        return -EMFILE;
    }
    file->connection = connection;
    return descriptor(file);
}

static int (*const calls[SYSTEM_CALLS])(u32, u32, u32) = {
    [SYS_EXIT] = sys_exit, [SYS_FORK] = sys_fork, [SYS_EXEC] = sys_exec, [SYS_WAIT] = sys_wait, [SYS_READ] = sys_read,
    [SYS_WRITE] = sys_write, [SYS_OPEN] = sys_open, [SYS_CLOSE] = sys_close, [SYS_DUP] = sys_dup, [SYS_PIPE] = sys_pipe,
    [SYS_SBRK] = sys_sbrk, [SYS_MMAP] = sys_mmap, [SYS_MUNMAP] = sys_munmap, [SYS_MPROTECT] = sys_mprotect,
    [SYS_SIGNAL] = sys_signal, [SYS_SIGRETURN] = sys_sigreturn, [SYS_KILL] = sys_kill, [SYS_GETPID] = sys_getpid,
    [SYS_CLOCK] = sys_clock, [SYS_SLEEP] = sys_sleep, [SYS_YIELD] = sys_yield, [SYS_LIST] = sys_list, [SYS_HALT] = sys_halt,
    [SYS_REMOVE] = sys_remove, [SYS_MAKE_DIRECTORY] = sys_make_directory, [SYS_SYNC] = sys_sync,
    [SYS_LISTEN] = sys_listen, [SYS_ACCEPT] = sys_accept,
};

void system_call(struct trap_frame *frame)
{
    frame->eax = frame->eax < SYSTEM_CALLS ? calls[frame->eax](frame->ebx, frame->ecx, frame->edx) : -ENOSYS;
}
