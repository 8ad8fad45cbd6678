#include "system.h"
#include "format.h"

void signal_return_point(void);

int signal(int number, handler handler)
{
    return system_call(SYS_SIGNAL, number, (u32)handler, (u32)signal_return_point);
}

u64 clock(void)
{
    u64 now = 0;

    system_call(SYS_CLOCK, (u32)&now, 0, 0);
    return now;
}

int write_all(int fd, const void *data, u32 size)
{
    u32 done = 0;

    while (done < size) {
        int n = write(fd, (const char *)data + done, size - done);
        if (n < 0)
            return n;
        done += n;
    }
    return 0;
}

static void print_to(int fd, const char *text, va_list arguments)
{
    char line[512];

    write_all(fd, line, format(line, sizeof line, text, arguments));
}

void print(const char *text, ...)
{
    va_list arguments;

    va_start(arguments, text);
    print_to(1, text, arguments);
    va_end(arguments);
}

void print_on(int fd, const char *text, ...)
{
    va_list arguments;

    va_start(arguments, text);
    print_to(fd, text, arguments);
    va_end(arguments);
}

void complain(const char *text, ...)
{
    va_list arguments;

    va_start(arguments, text);
    print_to(2, text, arguments);
    va_end(arguments);
}

void fail(const char *text, ...)
{
    va_list arguments;

    va_start(arguments, text);
    print_to(2, text, arguments);
    va_end(arguments);
    exit(1);
}

const char *error_text(int error)
{
    switch (-error) {
    case ENOENT: return "not found";
    case ENOEXEC: return "not a program";
    case ENOMEM: return "not enough memory";
    case E2BIG: return "too many arguments";
    case EMFILE: return "too many open files";
    case EINTR: return "interrupted";
    case EIO: return "the disk cannot be read or written";
    case EBUSY: return "in use";
    case EEXIST: return "exists";
    case ENODEV: return "there is no network; run with --net user";
    case ENOTDIR: return "no directory";
    case EISDIR: return "a directory";
    case ENOSPC: return "the disk is full";
    case EROFS: return "read-only: only /disk can be written to";
    default: return "error";
    }
}

int run(char **argv)
{
    int pid = fork(), status = 0, ended;

    if (pid < 0)
        return 126;
    if (pid == 0) {
        complain("%s: %s\n", argv[0], error_text(exec(argv[0], argv)));
        exit(127);
    }
    while ((ended = wait(&status)) != pid)
        if (ended < 0 && ended != -EINTR)
            return 126;
    return status;
}
