/* What the files of the kernel offer one another. The kernel runs with interrupts off, except in machine_idle(): so nothing in it needs
 * a lock, and a process loses the processor only where it calls schedule() or sleep_on(), or on its way back to ring 3. */
#ifndef KERNEL_H
#define KERNEL_H

#include "machine.h"
#include "string.h"
#include "system_calls.h"

#define USER_END KERNEL_BASE
#define USER_STACK_SIZE (32 * PAGE)
#define MAPPINGS_START 0x40000000u
#define TICK_NS 10000000u       /* of the timer; also the time slice */

struct process;

/* print.c */
void print(const char *text, ...);
void panic(const char *text, ...) __attribute__((noreturn));

/* memory.c: page frames. A page has as many references as there are page-table entries and owners of it. */
void memory_start(void);
void *early_pages(u32 count);                   /* zeroed, contiguous, for ever; before any other use */
void *page_take(void);                          /* one reference, contents unknown; NULL if there is none */
void *page_take_zeroed(void);
void page_share(void *page);                    /* one reference more */
void page_drop(void *page);
u32 page_references(void *page);
u32 pages_free(void);

/* space.c: address spaces */
struct area {
    u32 start, end;                             /* page aligned */
    u32 protection;
};
#define AREAS 16
#define TABLES 32               /* so 128 MB, in few clusters */
struct space {
    u32 *directory;
    u32 *tables[TABLES];                        /* in the directory */
    u32 table_count;
    int published;
    int count;
    struct area areas[AREAS];                   /* by rising address */
    u32 heap_start, heap_end;                   /* heap_end in bytes; the area ends at its page */
};
int space_create(struct space *space);
int space_copy(struct space *to, struct space *from);       /* `from` is loaded; pages are shared until one side writes */
void space_destroy(struct space *space);                    /* not loaded */
void space_publish(struct space *space);
int space_add(struct space *space, u32 start, u32 end, u32 protection);
void *space_new_page(struct space *space, u32 address);     /* before it is published */
int space_fault(struct space *space, u32 address, int write);   /* of the loaded space: 0 if it has been mended */
int space_set_heap(struct space *space, u32 end);
u32 space_map(struct space *space, u32 size, u32 protection);
int space_unmap(struct space *space, u32 address, u32 size);
int space_protect(struct space *space, u32 address, u32 size, u32 protection);
int user_range(u32 address, u32 size, int write);           /* whether the kernel may use it now without a fault */
int user_string(char *to, u32 address, u32 room);           /* its length, or an error */

/* process.c */
enum state { UNUSED, READY, RUNNING, SLEEPING, ENDED };
struct queue {
    struct process *first, *last;
};
#define FILES 24
#define PROCESSES 64
struct process {
    u32 *esp;                                   /* kernel stack, while it does not run */
    u8 *stack;                                  /* a page */
    enum state state;
    int pid;
    struct process *parent, *next;              /* next in its queue */
    struct queue *queue;
    struct queue waiting;                       /* itself, for a child to end */
    struct space space;
    struct file *files[FILES];
    u32 handlers[SIGNALS], return_point, pending;           /* signals */
    u64 wake_time;
    int status;
    u8 fpu[512] __attribute__((aligned(16)));   /* while the processor does not hold it */
};
extern struct process *current;
extern int reschedule;                          /* the time slice is over */
void process_create_first(char **arguments, int count);
void process_load(u32 *directory);              /* for the current process */
int process_fork(void);
void process_exit(int status) __attribute__((noreturn));
int process_wait(int *status);
struct process *process_find(int pid);
void process_print_all(void);
struct trap_frame *process_frame(struct process *process);  /* of its entry from ring 3 */
void schedule(void);
void yield(void);
int sleep_on(struct queue *queue);              /* 0, or -EINTR when a signal is pending */
void sleep_always(struct queue *queue);         /* for what comes soon; a signal may wake it, too */
void wake_all(struct queue *queue);
void wake(struct process *process);
int sleep_until(u64 time);
void timer_tick(void);
void idle(void) __attribute__((noreturn));
void switch_context(u32 **save, u32 *load);     /* switch.S */

/* fpu.c: floating point, which a process may use at any time */
void fpu_start(void);
void fpu_clear(struct process *process);        /* as at the start of a program */
void fpu_copy(struct process *to, struct process *from);
void fpu_use(void);                             /* the current process has trapped */
void fpu_switch(const struct process *before, const struct process *next);

u32 processor_features(void);                   /* cpuid.S */

/* exec.c */
int exec(const char *path, char *const *arguments, u32 count);

/* trap.c, signal.c */
void trap(struct trap_frame *frame);
void signal_interrupt(void);                    /* SIGINT, to all but the first process */
int signal_send(struct process *process, int number);
void signal_deliver(struct trap_frame *frame);
void signal_fault(struct trap_frame *frame, int number, u32 address);
int signal_return(struct trap_frame *frame);
void system_call(struct trap_frame *frame);     /* system_call.c */

/* file.c, pipe.c, archive.c, console.c: what a file descriptor stands for */
enum file_kind { FILE_UNUSED, FILE_CONSOLE, FILE_ARCHIVE, FILE_PIPE_READ, FILE_PIPE_WRITE, FILE_DISK, FILE_LISTENER, FILE_CONNECTION };
struct file {
    enum file_kind kind;
    u32 references, offset, size;
    const u8 *data;                             /* FILE_ARCHIVE */
    struct pipe *pipe;
    u32 inode;                                  /* FILE_DISK */
    int may_write;
    struct listener *listener;                  /* FILE_LISTENER */
    struct connection *connection;              /* FILE_CONNECTION */
};
struct file *file_new(enum file_kind kind);
void file_share(struct file *file);
void file_close(struct file *file);
int file_is_open(u32 inode);                    /* of the disk */
int file_read(struct file *file, u8 *to, u32 size);
int file_write(struct file *file, const u8 *from, u32 size);
int pipe_create(struct file **read_end, struct file **write_end);
int pipe_read(struct pipe *pipe, u8 *to, u32 size);
int pipe_write(struct pipe *pipe, const u8 *from, u32 size);
void pipe_close(struct pipe *pipe, int write_end);
int archive_find(const char *path, const u8 **data, u32 *size);
int archive_list(u32 index, struct list_entry *entry);
void console_input(char c);
int console_read(u8 *to, u32 size);

/* disk.c: blocks of the disk, each a page, in memory */
struct buffer {
    u32 block;
    u8 *data;
    int held, dirty, recent;
    struct disk_request *request, own_request;  /* the one that reads it, which may be of a neighbour */
};
u32 disk_start(void);                           /* the number of blocks, 0 if there is no disk */
void buffer_prefetch(u32 block, u32 count);
struct buffer *buffer_get(u32 block);           /* of a process only, which may sleep; NULL if it cannot be read */
struct buffer *buffer_get_new(u32 block);
void buffer_put(struct buffer *buffer);
int disk_flush(void);

/* ext2.c: the file system on the disk, under /disk. Files are known by their inodes. */
int disk_path(const char *path);
int disk_open(const char *path, u32 flags, u32 *inode, u32 *size);
int disk_read(u32 inode, u32 offset, u8 *to, u32 size);
int disk_write(u32 inode, u32 offset, const u8 *from, u32 size);
int disk_remove(const char *path);
int disk_make_directory(const char *path);
int disk_list(const char *path, u32 index, struct list_entry *entry);
int disk_sync(void);

/* network.c, tcp.c */
void network_start(const char *address);        /* NULL for the usual one */
int network_is_there(void);
void network_tick(void);
void network_moved(void);                       /* we go on in another machine */
struct listener;
struct connection;
int tcp_listen(u32 port, struct listener **listener);
void tcp_stop_listening(struct listener *listener);
int tcp_accept(struct listener *listener, struct connection **connection);
int tcp_read(struct connection *connection, u8 *to, u32 size);
int tcp_write(struct connection *connection, const u8 *from, u32 size);
void tcp_close(struct connection *connection);

/* micro.c, table_micro.c, device_micro.c */
extern const struct micro device_micros[], table_micros[];
void micro_run(const char *what) __attribute__((noreturn));

#endif
