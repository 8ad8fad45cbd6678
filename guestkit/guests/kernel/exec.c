/* Running another program in a process: a new address space from an ELF file (System V ABI, i386 supplement). */

#include "kernel.h"

struct elf_header {
    u8 magic[4], class, order, version, padding[9];
    u16 type, machine;
    u32 version_too, entry, programs, sections, flags;
    u16 size, program_size, program_count;
};

struct elf_program {
    u32 type, offset, address, physical, file_size, memory_size, flags, align;
};

#define ELF_EXECUTABLE 2
#define ELF_386 3
#define PROGRAM_LOAD 1
#define PROGRAM_WRITABLE 2

#define FLAGS_AT_START 0x202u   /* IF, and the bit that is always set */

static u32 smaller(u32 a, u32 b)
{
    return a < b ? a : b;
}

/* Copies a segment's part of the file; what lies beyond becomes zeroes when it is touched. */
static int load_segment(struct space *space, const struct elf_program *program, const u8 *file, u32 file_size)
{
    u32 start = PAGE_DOWN(program->address), end = program->address + program->memory_size, done = 0;
    int error;

    if (program->file_size > program->memory_size || program->offset > file_size || program->file_size > file_size - program->offset
        || end < program->address || end > MAPPINGS_START)
        return -ENOEXEC;
    error = space_add(space, start, PAGE_UP(end), program->flags & PROGRAM_WRITABLE ? PROT_READ | PROT_WRITE : PROT_READ);
    while (!error && done < program->file_size) {
        u32 address = program->address + done, part = smaller(program->file_size - done, PAGE - address % PAGE);
        u8 *page = space_new_page(space, address);
        if (!page)
            return -ENOMEM;
        memcpy(page + address % PAGE, file + program->offset + done, part);
        done += part;
    }
    if (!error && PAGE_UP(end) > space->heap_start)
        space->heap_start = space->heap_end = PAGE_UP(end);
    return error;
}

static int load(struct space *space, const u8 *file, u32 size, u32 *entry)
{
    const struct elf_header *header = (const struct elf_header *)file;
    const struct elf_program *program;
    int error = 0;

    if (size < sizeof *header || memcmp(header->magic, "\177ELF\1\1", 6) || header->type != ELF_EXECUTABLE || header->machine != ELF_386
        || header->program_size != sizeof *program || header->programs > size
        || header->program_count > (size - header->programs) / sizeof *program)
        return -ENOEXEC;
    program = (const struct elf_program *)(file + header->programs);
    for (u32 i = 0; i < header->program_count && !error; i++, program++)
        if (program->type == PROGRAM_LOAD && program->memory_size > 0)
            error = load_segment(space, program, file, size);
    *entry = header->entry;
    return error;
}

/* The stack as crt0.S expects it: the count, the pointers and a 0, then the strings. All of it in the last page; returns its address
 * for the process. */
static u32 push_arguments(u8 *page, char *const *arguments, u32 count)
{
    u32 at = PAGE, base = USER_END - PAGE, *slots;
    u32 strings[count + 1];

    for (u32 i = 0; i < count; i++) {
        u32 length = strlen(arguments[i]) + 1;
        if (length > at || at - length < (count + 9) * sizeof(u32))
            return 0;
        at -= length;
        memcpy(page + at, arguments[i], length);
        strings[i] = base + at;
    }
    at = (at & ~15u) - ((count + 2 + 3) & ~3u) * sizeof(u32);
    slots = (u32 *)(page + at);
    slots[0] = count;
    memcpy(slots + 1, strings, count * sizeof(u32));
    slots[count + 1] = 0;
    return base + at;
}

int exec(const char *path, char *const *arguments, u32 count)
{
    struct space fresh, old = current->space;
    struct trap_frame *frame = process_frame(current);
    const u8 *file;
    u8 *page;
    u32 size, entry, stack = 0;
    int error = archive_find(path, &file, &size);

    if (error)
        return error;
    if (space_create(&fresh))
        return -ENOMEM;
    error = load(&fresh, file, size, &entry);
    if (!error)
        error = space_add(&fresh, USER_END - USER_STACK_SIZE, USER_END, PROT_READ | PROT_WRITE);
    if (!error) {
        page = space_new_page(&fresh, USER_END - PAGE);
        error = page ? 0 : -ENOMEM;
    }
    if (!error) {
        stack = push_arguments(page, arguments, count);
        error = stack ? 0 : -E2BIG;
    }
    if (error) {
        space_destroy(&fresh);
        return error;
    }
    space_publish(&fresh);
    machine_write_entries();
    current->space = fresh;
    process_load(fresh.directory);
    if (old.directory)
        space_destroy(&old);
    memset(current->handlers, 0, sizeof current->handlers);
    fpu_clear(current);
    *frame = (struct trap_frame){ .es = USER_DS, .ds = USER_DS, .ss = USER_DS, .cs = USER_CS, .eip = entry, .esp = stack,
                                  .eflags = FLAGS_AT_START };
    return 0;
}
