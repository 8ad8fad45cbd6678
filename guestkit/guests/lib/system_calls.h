/* The kernel's interface to programs: INT 0x80 with the number in EAX and up to three arguments in EBX, ECX, EDX; the result, or minus
 * an error number, comes back in EAX. Included by C and by assembly. */
#ifndef LIB_SYSTEM_CALLS_H
#define LIB_SYSTEM_CALLS_H

#define SYS_EXIT 0              /* (status) */
#define SYS_FORK 1              /* () -> pid of the child, 0 in the child */
#define SYS_EXEC 2              /* (path, argv) */
#define SYS_WAIT 3              /* (int *status) -> pid of a child that has ended */
#define SYS_READ 4              /* (fd, buffer, size) -> bytes, 0 at the end */
#define SYS_WRITE 5             /* (fd, buffer, size) -> bytes */
#define SYS_OPEN 6              /* (path, flags) -> fd; what is under /disk is on the disk, all else in the archive, which is read-only */
#define SYS_CLOSE 7             /* (fd) */
#define SYS_DUP 8               /* (fd) -> the lowest free fd */
#define SYS_PIPE 9              /* (int fd[2]): 0 to read, 1 to write */
#define SYS_SBRK 10             /* (bytes) -> the heap's end before */
#define SYS_MMAP 11             /* (size, protection) -> address of fresh zeroes */
#define SYS_MUNMAP 12           /* (address, size) */
#define SYS_MPROTECT 13         /* (address, size, protection) */
#define SYS_SIGNAL 14           /* (signal, handler, return point) -> the handler before */
#define SYS_SIGRETURN 15        /* (): from a handler's return point */
#define SYS_KILL 16             /* (pid, signal) */
#define SYS_GETPID 17           /* () */
#define SYS_CLOCK 18            /* (u64 *nanoseconds): since the start of the machine */
#define SYS_SLEEP 19            /* (milliseconds) */
#define SYS_YIELD 20            /* () */
#define SYS_LIST 21             /* (index, struct list_entry *, path): a file of the archive, or in a directory of the disk */
#define SYS_HALT 22             /* (status): switch the machine off */
#define SYS_REMOVE 23           /* (path): a file of the disk */
#define SYS_MAKE_DIRECTORY 24   /* (path) */
#define SYS_SYNC 25             /* (): what was written is on the disk */
#define SYS_LISTEN 26           /* (port) -> fd, for connections by TCP */
#define SYS_ACCEPT 27           /* (fd) -> fd of the next connection */
#define SYSTEM_CALLS 28

#define OPEN_WRITE 1            /* flags of SYS_OPEN */
#define OPEN_CREATE 2
#define OPEN_TRUNCATE 4
#define OPEN_APPEND 8

#define EPERM 1
#define ENOENT 2
#define ESRCH 3
#define EINTR 4
#define EIO 5
#define E2BIG 7
#define ENOEXEC 8
#define EBADF 9
#define ECHILD 10
#define ENOMEM 12
#define EFAULT 14
#define EBUSY 16
#define EEXIST 17
#define ENODEV 19
#define ENOTDIR 20
#define EISDIR 21
#define EINVAL 22
#define EMFILE 24
#define ENOSPC 28
#define EROFS 30
#define EPIPE 32
#define ENOSYS 38

#define PROT_NONE 0
#define PROT_READ 1
#define PROT_WRITE 2            /* implies PROT_READ, as the processor's page tables do */

/* A handler gets the signal's number and, for a fault, the address. The default action of each signal is to end the process. */
#define SIGINT 2
#define SIGILL 4
#define SIGFPE 8
#define SIGKILL 9
#define SIGUSR1 10
#define SIGSEGV 11
#define SIGPIPE 13
#define SIGTERM 15
#define SIGNALS 16
#define SIG_DFL 0
#define SIG_IGN 1

#define STATUS_SIGNAL 128       /* exit status of a process that signal n has ended: 128 + n */

#define NAME_SIZE 100

#ifndef __ASSEMBLER__
struct list_entry {
    char name[NAME_SIZE];
    unsigned size;
};
#endif

#endif
