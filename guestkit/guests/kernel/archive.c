/* The read-only file system: a tar archive (POSIX ustar) that the boot loader has put into memory.
 *
 * Each file is a header of one block, its size in octal digits, then its data in whole blocks; a block of zeroes is the end. */

#include "kernel.h"

#define BLOCK 512
#define TYPE_FILE '0'

struct header {
    char name[NAME_SIZE];
    char mode[8], owner[8], group[8], size[12], time[12], checksum[8], type;
};

static u32 octal(const char *digits, u32 most)
{
    u32 value = 0;

    for (u32 i = 0; i < most && digits[i] >= '0' && digits[i] <= '7'; i++)
        value = value * 8 + digits[i] - '0';
    return value;
}

/* The header at or after *offset that is a file's; *offset becomes that of the next one. NULL at the end. */
static const struct header *next_file(u32 *offset)
{
    while (boot.archive_size >= BLOCK && *offset <= boot.archive_size - BLOCK) {
        const struct header *header = (const struct header *)(boot.archive + *offset);
        u32 size = octal(header->size, sizeof header->size), room = boot.archive_size - *offset - BLOCK;
        if (header->name[0] == 0 || size > room)
            return NULL;
        *offset += BLOCK + (size + BLOCK - 1) / BLOCK * BLOCK;
        if (header->type == TYPE_FILE && header->name[NAME_SIZE - 1] == 0)
            return header;
    }
    return NULL;
}

static const char *plain(const char *path)
{
    while (*path == '.' || *path == '/')
        path++;
    return path;
}

int archive_find(const char *path, const u8 **data, u32 *size)
{
    const struct header *header;
    u32 offset = 0;

    while ((header = next_file(&offset)))
        if (strcmp(plain(header->name), plain(path)) == 0) {
            *data = (const u8 *)header + BLOCK;
            *size = octal(header->size, sizeof header->size);
            return 0;
        }
    return -ENOENT;
}

int archive_list(u32 index, struct list_entry *entry)
{
    const struct header *header;
    u32 offset = 0;

    while ((header = next_file(&offset)))
        if (index-- == 0) {
            copy_string(entry->name, plain(header->name), sizeof entry->name);
            entry->size = octal(header->size, sizeof header->size);
            return 0;
        }
    return -ENOENT;
}
