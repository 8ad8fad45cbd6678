/* What a program can ask of the kernel (lib/system_calls.h), and the little library around it. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include "string.h"
#include "system_calls.h"

static inline int system_call(int number, u32 a, u32 b, u32 c)
{
    int result;

    asm volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}

static inline void __attribute__((noreturn)) exit(int status) { system_call(SYS_EXIT, status, 0, 0); __builtin_unreachable(); }
static inline int fork(void) { return system_call(SYS_FORK, 0, 0, 0); }
static inline int exec(const char *path, char **argv) { return system_call(SYS_EXEC, (u32)path, (u32)argv, 0); }
static inline int wait(int *status) { return system_call(SYS_WAIT, (u32)status, 0, 0); }
static inline int read(int fd, void *buffer, u32 size) { return system_call(SYS_READ, fd, (u32)buffer, size); }
static inline int write(int fd, const void *buffer, u32 size) { return system_call(SYS_WRITE, fd, (u32)buffer, size); }
static inline int open(const char *path) { return system_call(SYS_OPEN, (u32)path, 0, 0); }
static inline int open_with(const char *path, u32 flags) { return system_call(SYS_OPEN, (u32)path, flags, 0); }
static inline int close(int fd) { return system_call(SYS_CLOSE, fd, 0, 0); }
static inline int dup(int fd) { return system_call(SYS_DUP, fd, 0, 0); }
static inline int pipe(int *fds) { return system_call(SYS_PIPE, (u32)fds, 0, 0); }
static inline void *sbrk(int bytes) { return (void *)system_call(SYS_SBRK, bytes, 0, 0); }
static inline void *mmap(u32 size, int protection) { return (void *)system_call(SYS_MMAP, size, protection, 0); }
static inline int munmap(void *address, u32 size) { return system_call(SYS_MUNMAP, (u32)address, size, 0); }
static inline int mprotect(void *address, u32 size, int protection) { return system_call(SYS_MPROTECT, (u32)address, size, protection); }
static inline int sigreturn(void) { return system_call(SYS_SIGRETURN, 0, 0, 0); }
static inline int kill(int pid, int number) { return system_call(SYS_KILL, pid, number, 0); }
static inline int getpid(void) { return system_call(SYS_GETPID, 0, 0, 0); }
static inline int sleep(int milliseconds) { return system_call(SYS_SLEEP, milliseconds, 0, 0); }
static inline int yield(void) { return system_call(SYS_YIELD, 0, 0, 0); }
static inline int list(int index, struct list_entry *entry) { return system_call(SYS_LIST, index, (u32)entry, 0); }
static inline int list_directory(const char *path, int index, struct list_entry *entry) { return system_call(SYS_LIST, index, (u32)entry, (u32)path); }
static inline int remove(const char *path) { return system_call(SYS_REMOVE, (u32)path, 0, 0); }
static inline int make_directory(const char *path) { return system_call(SYS_MAKE_DIRECTORY, (u32)path, 0, 0); }
static inline int listen(u32 port) { return system_call(SYS_LISTEN, port, 0, 0); }
static inline int accept(int fd) { return system_call(SYS_ACCEPT, fd, 0, 0); }
static inline int sync(void) { return system_call(SYS_SYNC, 0, 0, 0); }
static inline int halt(int status) { return system_call(SYS_HALT, status, 0, 0); }

/* Whether what mmap() or sbrk() returned is an error. */
static inline int failed(void *result) { return (u32)result > (u32)-4096; }

/* library.c */
typedef void (*handler)(int number, u32 address);
int signal(int number, handler handler);
u64 clock(void);                                        /* nanoseconds */
void print(const char *text, ...);                      /* as in lib/format.h */
void print_on(int fd, const char *text, ...);
void complain(const char *text, ...);                   /* to standard error */
void fail(const char *text, ...) __attribute__((noreturn));
int write_all(int fd, const void *data, u32 size);      /* 0, or an error */
const char *error_text(int error);
int run(char **argv);                                   /* the exit status of a program that it waits for */

#endif
