/* The file system on the disk: ext2 with blocks of a page, as `guestkit mkfs` makes it. Source: the layout is documented in Linux's
 * Documentation/filesystems/ext2 and by e2fsprogs; features beyond the first revision's are refused, but sparse superblocks and large files. */

#include "kernel.h"
#include "divide.h"

#define MAGIC 0xef53
#define ROOT 2
#define SUPER_AT 1024                           /* in block 0 */
#define BLOCK_SIZE_4K 2
#define HARMLESS 3                              /* sparse superblocks, large files */
#define TYPE_MASK 0xf000
#define TYPE_DIRECTORY 0x4000
#define TYPE_FILE 0x8000
#define DIRECT 12
#define POINTERS (PAGE / 4)
#define MOST_SIZE 0x7fffffffu
#define READ_AHEAD DISK_PAGES
#define START_OF_TIME 1065744000u               /* time of day at machine time 0 */

struct super {
    u32 inodes, blocks, reserved, free_blocks, free_inodes, first_block, block_size, fragment_size, group_blocks, group_fragments, group_inodes;
    u32 mount_time, write_time;
    u16 mounts, most_mounts, magic, state, errors, minor;
    u32 checked, check_interval, creator, revision;
    u16 reserved_user, reserved_group;
    u32 first_inode;
    u16 inode_size, group;
    u32 compatible, incompatible, read_only_compatible;
};

struct group {
    u32 block_bitmap, inode_bitmap, inode_table;
    u16 free_blocks, free_inodes, directories, pad;
    u32 reserved[3];
};

struct inode {
    u16 mode, user;
    u32 size, access_time, change_time, write_time, delete_time;
    u16 owner_group, links;
    u32 sectors, flags, version, pointers[DIRECT + 3], rest[7];
};

struct entry {
    u32 inode;
    u16 size, name_length;
    char name[];
};

static int mounted, broken;                     /* tried; and found to be none */
static struct super super;                      /* of these, the counts of free ones change */
static u32 groups, inode_size;

/* One process at a time works on the file system: each may sleep at any block. */
static int locked;
static struct queue lock_waiters;

static void lock(void)
{
    while (locked)
        sleep_always(&lock_waiters);
    locked = 1;
}

static void unlock(void)
{
    locked = 0;
    wake_all(&lock_waiters);
}

static u32 now(void)
{
    return START_OF_TIME + (u32)divide(machine_clock(), 1000000000, NULL);
}

static int mount(void)
{
    struct buffer *b;

    if (mounted)
        return broken ? -EIO : 0;
    if (!disk_start())
        return -ENOENT;
    mounted = broken = 1;
    b = buffer_get(0);
    if (!b)
        return -EIO;
    memcpy(&super, b->data + SUPER_AT, sizeof super);
    buffer_put(b);
    inode_size = super.revision ? super.inode_size : 128;
    if (super.magic != MAGIC || super.block_size != BLOCK_SIZE_4K || super.incompatible || (super.revision && super.read_only_compatible & ~HARMLESS)
        || super.group_blocks == 0 || super.group_inodes == 0 || super.first_block != 0 || inode_size < 128 || inode_size > 1024
        || super.group_blocks > 8 * PAGE || super.group_inodes > 8 * PAGE) {
        print("kernel: the disk has no file system that this kernel knows; make it with guestkit mkfs\n");
        return -EIO;
    }
    groups = (super.blocks + super.group_blocks - 1) / super.group_blocks;
    if (groups > PAGE / sizeof(struct group))
        return -EIO;
    broken = 0;
    return 0;
}

static void write_super(void)
{
    struct buffer *b = buffer_get(0);

    if (!b)
        return;
    super.write_time = now();
    memcpy(b->data + SUPER_AT, &super, sizeof super);
    b->dirty = 1;
    buffer_put(b);
}

/* -- what is free: bitmaps, and counts of groups and of the whole */

static struct buffer *group_block(u32 number, struct group **group)
{
    struct buffer *b = number < groups ? buffer_get(1) : NULL;

    if (b)
        *group = (struct group *)b->data + number;
    return b;
}

/* Takes the first free one of `count` bits of a bitmap's block; `count` if there is none. */
static u32 take_bit(u32 bitmap, u32 count)
{
    struct buffer *b = buffer_get(bitmap);
    u32 bit = 0;

    if (!b)
        return count;
    while (bit < count && b->data[bit / 8] & 1 << bit % 8)
        bit += b->data[bit / 8] == 0xff ? 8 - bit % 8 : 1;
    if (bit < count) {
        b->data[bit / 8] |= 1 << bit % 8;
        b->dirty = 1;
    } else {
        bit = count;
    }
    buffer_put(b);
    return bit;
}

static void clear_bit(u32 bitmap, u32 bit)
{
    struct buffer *b = buffer_get(bitmap);

    if (!b)
        return;
    b->data[bit / 8] &= ~(1 << bit % 8);
    b->dirty = 1;
    buffer_put(b);
}

/* A block, from the group of `near` on; 0 if none is free. */
static u32 take_block(u32 near)
{
    for (u32 i = 0; i < groups; i++) {
        u32 number = (near / super.group_blocks + i) % groups, first = number * super.group_blocks, count = super.blocks - first, bit;
        struct group *group;
        struct buffer *b = group_block(number, &group);
        if (!b)
            return 0;
        if (count > super.group_blocks)
            count = super.group_blocks;
        bit = group->free_blocks ? take_bit(group->block_bitmap, count) : count;
        if (bit < count) {
            group->free_blocks--;
            b->dirty = 1;
            super.free_blocks--;
        }
        buffer_put(b);
        if (bit < count)
            return first + bit;
    }
    return 0;
}

static void free_block(u32 block)
{
    struct group *group;
    struct buffer *b = block < super.blocks ? group_block(block / super.group_blocks, &group) : NULL;

    if (!b)
        return;
    clear_bit(group->block_bitmap, block % super.group_blocks);
    group->free_blocks++;
    super.free_blocks++;
    b->dirty = 1;
    buffer_put(b);
}

static u32 take_inode(int directory)
{
    for (u32 number = 0; number < groups; number++) {
        struct group *group;
        struct buffer *b = group_block(number, &group);
        u32 bit;
        if (!b)
            return 0;
        bit = group->free_inodes ? take_bit(group->inode_bitmap, super.group_inodes) : super.group_inodes;
        if (bit < super.group_inodes) {
            group->free_inodes--;
            group->directories += directory;
            b->dirty = 1;
            super.free_inodes--;
        }
        buffer_put(b);
        if (bit < super.group_inodes)
            return number * super.group_inodes + bit + 1;
    }
    return 0;
}

static void free_inode(u32 number)
{
    struct group *group;
    struct buffer *b = group_block((number - 1) / super.group_inodes, &group);

    if (!b)
        return;
    clear_bit(group->inode_bitmap, (number - 1) % super.group_inodes);
    group->free_inodes++;
    super.free_inodes++;
    b->dirty = 1;
    buffer_put(b);
}

/* -- inodes: held like the buffer that they are in */

static struct buffer *inode_get(u32 number, struct inode **inode)
{
    struct group *group;
    struct buffer *b;
    u32 at, table;

    if (number == 0 || number > super.inodes)
        return NULL;
    b = group_block((number - 1) / super.group_inodes, &group);
    if (!b)
        return NULL;
    table = group->inode_table;
    buffer_put(b);
    at = (number - 1) % super.group_inodes * inode_size;
    b = buffer_get(table + at / PAGE);
    if (b)
        *inode = (struct inode *)(b->data + at % PAGE);
    return b;
}

/* What a pointer points to; if that is nothing and it shall be, a new block (cleared if it holds pointers). */
static u32 follow(u32 *pointer, struct buffer *holder, struct inode *inode, struct buffer *inode_buffer, int create, int clear)
{
    if (*pointer == 0 && create) {
        u32 block = take_block(holder->block);
        if (block == 0)
            return 0;
        if (clear) {
            struct buffer *b = buffer_get_new(block);
            if (!b)
                return 0;
            buffer_put(b);
        }
        *pointer = block;
        holder->dirty = 1;
        inode->sectors += PAGE / DISK_SECTOR;
        inode_buffer->dirty = 1;
    }
    return *pointer < super.blocks ? *pointer : 0;
}

/* The block of a file's `index`th page, 0 if there is none. */
static u32 map(struct inode *inode, struct buffer *b, u32 index, int create)
{
    u32 block, depth, slot[2];
    struct buffer *holder;

    if (index < DIRECT)
        return follow(&inode->pointers[index], b, inode, b, create, 0);
    index -= DIRECT;
    if (index < POINTERS) {
        depth = 1;
        slot[0] = index;
    } else if (index - POINTERS < POINTERS * POINTERS) {
        depth = 2;
        slot[0] = (index - POINTERS) % POINTERS;
        slot[1] = (index - POINTERS) / POINTERS;
    } else {
        return 0;
    }
    block = follow(&inode->pointers[DIRECT + depth - 1], b, inode, b, create, 1);
    while (block && depth-- > 0) {
        holder = buffer_get(block);
        if (!holder)
            return 0;
        block = follow((u32 *)holder->data + slot[depth], holder, inode, b, create, depth > 0);
        buffer_put(holder);
    }
    return block;
}

/* Frees a tree of pointers: `depth` levels of them are between `block` and data. */
static void free_tree(u32 block, u32 depth)
{
    if (block == 0)
        return;
    if (depth > 0) {
        for (u32 i = 0; i < POINTERS; i++) {
            struct buffer *b = buffer_get(block);
            u32 next = b ? ((u32 *)b->data)[i] : 0;
            if (b)
                buffer_put(b);
            free_tree(next, depth - 1);
        }
    }
    free_block(block);
}

static void truncate(struct inode *inode, struct buffer *b)
{
    for (u32 i = 0; i < DIRECT + 2; i++) {
        free_tree(inode->pointers[i], i < DIRECT ? 0 : i - DIRECT + 1);
        inode->pointers[i] = 0;
    }
    inode->size = inode->sectors = 0;
    inode->write_time = inode->change_time = now();
    b->dirty = 1;
}

static int transfer(u32 number, u32 offset, u8 *data, u32 size, int write)
{
    struct inode *inode;
    struct buffer *b = inode_get(number, &inode), *page;
    u32 done = 0;
    int error = 0;

    if (!b)
        return -EIO;
    if (write && size > MOST_SIZE - offset)
        size = MOST_SIZE - offset;
    if (!write)
        size = offset >= inode->size ? 0 : size > inode->size - offset ? inode->size - offset : size;
    while (done < size) {
        u32 at = offset + done, part = PAGE - at % PAGE, block;
        if (part > size - done)
            part = size - done;
        block = map(inode, b, at / PAGE, write);
        if (!write && block && at % PAGE == 0) {
            u32 run = 1;                        /* blocks that follow each other on the disk are read together */
            while (run < READ_AHEAD && (at / PAGE + run) * PAGE < inode->size && map(inode, b, at / PAGE + run, 0) == block + run)
                run++;
            buffer_prefetch(block, run);
        }
        if (block == 0 && write) {
            error = -ENOSPC;
            break;
        }
        if (block == 0) {
            memset(data + done, 0, part);       /* a hole */
            done += part;
            continue;
        }
        page = write && part == PAGE ? buffer_get_new(block) : buffer_get(block);
        if (!page) {
            error = -EIO;
            break;
        }
        if (write) {
            if (at >= PAGE_UP(inode->size))
                memset(page->data, 0, PAGE);    /* it is new */
            memcpy(page->data + at % PAGE, data + done, part);
            page->dirty = 1;
        } else {
            memcpy(data + done, page->data + at % PAGE, part);
        }
        buffer_put(page);
        done += part;
        if (write && offset + done > inode->size)
            inode->size = offset + done;
    }
    if (write) {
        inode->write_time = inode->change_time = now();
        b->dirty = 1;
        write_super();
    }
    buffer_put(b);
    return done > 0 ? (int)done : error;
}

/* -- directories */

/* Calls `visit` with each entry, until it returns something; in the entry's buffer. */
static int each_entry(u32 directory, int (*visit)(struct entry *entry, struct entry *before, struct buffer *b, void *with), void *with)
{
    struct inode *inode;
    struct buffer *b = inode_get(directory, &inode), *page;
    int result = 0;

    if (!b)
        return -EIO;
    for (u32 at = 0; at < inode->size && !result; at += PAGE) {
        struct entry *before = NULL;
        u32 block = map(inode, b, at / PAGE, 0);
        page = block ? buffer_get(block) : NULL;
        if (!page) {
            result = -EIO;
            break;
        }
        for (u32 offset = 0; offset < PAGE && !result;) {
            struct entry *entry = (struct entry *)(page->data + offset);
            if (entry->size < sizeof *entry || entry->size % 4 || entry->size > PAGE - offset || entry->name_length + sizeof *entry > entry->size) {
                result = -EIO;                  /* damaged */
                break;
            }
            result = visit(entry, before, page, with);
            before = entry;
            offset += entry->size;
        }
        buffer_put(page);
    }
    buffer_put(b);
    return result;
}

struct name {
    const char *text;
    u32 length, inode;
};

static int is_name(const struct entry *entry, const struct name *name)
{
    return entry->inode && entry->name_length == name->length && memcmp(entry->name, name->text, name->length) == 0;
}

static int visit_find(struct entry *entry, struct entry *before, struct buffer *b, void *with)
{
    struct name *name = with;

    (void)before, (void)b;
    if (!is_name(entry, name))
        return 0;
    name->inode = entry->inode;
    return 1;
}

static int visit_remove(struct entry *entry, struct entry *before, struct buffer *b, void *with)
{
    if (!is_name(entry, with))
        return 0;
    if (before)
        before->size += entry->size;
    else
        entry->inode = 0;
    b->dirty = 1;
    return 1;
}

static u32 entry_size(u32 name_length)
{
    return (sizeof(struct entry) + name_length + 3) & ~3u;
}

static int visit_add(struct entry *entry, struct entry *before, struct buffer *b, void *with)
{
    struct name *name = with;
    u32 used = entry->inode ? entry_size(entry->name_length) : 0;

    (void)before;
    if (entry->size - used < entry_size(name->length))
        return 0;
    if (used) {
        struct entry *rest = (struct entry *)((u8 *)entry + used);
        rest->size = entry->size - used;
        entry->size = used;
        entry = rest;
    }
    entry->inode = name->inode;
    entry->name_length = name->length;
    memcpy(entry->name, name->text, name->length);
    b->dirty = 1;
    return 1;
}

/* A new page of a directory, with one entry that is free. */
static int grow_directory(u32 directory)
{
    struct inode *inode;
    struct buffer *b = inode_get(directory, &inode), *page = NULL;
    u32 block = b ? map(inode, b, inode->size / PAGE, 1) : 0;

    if (block)
        page = buffer_get_new(block);
    if (page) {
        ((struct entry *)page->data)->size = PAGE;
        buffer_put(page);
        inode->size += PAGE;
        b->dirty = 1;
    }
    if (b)
        buffer_put(b);
    return page ? 0 : -ENOSPC;
}

static int add_entry(u32 directory, struct name *name)
{
    int result = each_entry(directory, visit_add, name);

    if (result == 0) {
        result = grow_directory(directory);
        if (result == 0)
            result = each_entry(directory, visit_add, name);
    }
    return result > 0 ? 0 : result < 0 ? result : -ENOSPC;
}

/* -- paths, which begin with "disk" */

int disk_path(const char *path)
{
    while (*path == '/' || *path == '.')
        path++;
    return strncmp(path, "disk", 4) == 0 && (path[4] == 0 || path[4] == '/');
}

static u16 mode_of(u32 number)
{
    struct inode *inode;
    struct buffer *b = inode_get(number, &inode);
    u16 mode = b ? inode->mode : 0;

    if (b)
        buffer_put(b);
    return mode;
}

/* The directory of a path's last name, and that name with its inode, 0 if there is no such file. An empty name is the directory itself. */
static int walk(const char *path, u32 *directory, struct name *name)
{
    while (*path == '/' || *path == '.')
        path++;
    path += 4;
    *directory = name->inode = ROOT;
    name->length = 0;
    for (;;) {
        int result;
        while (*path == '/')
            path++;
        if (*path == 0)
            return 0;
        if (name->inode == 0)
            return -ENOENT;
        if ((mode_of(name->inode) & TYPE_MASK) != TYPE_DIRECTORY)
            return -ENOTDIR;
        *directory = name->inode;
        name->text = path;
        while (*path && *path != '/')
            path++;
        name->length = path - name->text;
        name->inode = 0;
        if (name->length > 255)
            return -ENOENT;
        result = each_entry(*directory, visit_find, name);
        if (result < 0)
            return result;
    }
}

/* A new file or directory under a name that does not exist. */
static int create(u32 directory, struct name *name, int is_directory)
{
    struct inode *inode;
    struct buffer *b;
    int error;

    name->inode = take_inode(is_directory);
    b = name->inode ? inode_get(name->inode, &inode) : NULL;
    if (!b)
        return -ENOSPC;
    memset(inode, 0, inode_size);
    inode->mode = is_directory ? TYPE_DIRECTORY | 0755 : TYPE_FILE | 0644;
    inode->links = is_directory ? 2 : 1;
    inode->access_time = inode->change_time = inode->write_time = now();
    b->dirty = 1;
    buffer_put(b);
    error = add_entry(directory, name);
    if (!error && is_directory) {
        struct name self = { ".", 1, name->inode }, parent = { "..", 2, directory };
        error = add_entry(name->inode, &self);
        if (!error)
            error = add_entry(name->inode, &parent);
        b = inode_get(directory, &inode);
        if (b) {
            inode->links++;
            b->dirty = 1;
            buffer_put(b);
        }
    }
    write_super();
    return error;
}

/* -- what the kernel uses */

int disk_open(const char *path, u32 flags, u32 *number, u32 *size)
{
    struct inode *inode;
    struct buffer *b;
    struct name name;
    u32 directory;
    int error;

    lock();
    error = mount();
    if (!error)
        error = walk(path, &directory, &name);
    if (!error && name.inode == 0)
        error = flags & OPEN_CREATE ? create(directory, &name, 0) : -ENOENT;
    if (!error) {
        *number = name.inode;
        b = inode_get(name.inode, &inode);
        if (!b)
            error = -EIO;
        else if ((inode->mode & TYPE_MASK) != TYPE_FILE)
            error = -EISDIR;
        else if (flags & OPEN_TRUNCATE)
            truncate(inode, b);
        if (!error)
            *size = inode->size;
        if (b)
            buffer_put(b);
        if (!error && flags & OPEN_TRUNCATE)
            write_super();
    }
    unlock();
    return error;
}

int disk_read(u32 number, u32 offset, u8 *to, u32 size)
{
    int result;

    lock();
    result = transfer(number, offset, to, size, 0);
    unlock();
    return result;
}

int disk_write(u32 number, u32 offset, const u8 *from, u32 size)
{
    int result;

    lock();
    result = transfer(number, offset, (u8 *)from, size, 1);
    unlock();
    return result;
}

int disk_remove(const char *path)
{
    struct inode *inode;
    struct buffer *b;
    struct name name;
    u32 directory;
    int error;

    lock();
    error = mount();
    if (!error)
        error = walk(path, &directory, &name);
    if (!error && name.inode == 0)
        error = -ENOENT;
    if (!error && (name.length == 0 || (mode_of(name.inode) & TYPE_MASK) == TYPE_DIRECTORY))
        error = -EISDIR;
    if (!error && file_is_open(name.inode))
        error = -EBUSY;
    if (!error) {
        error = each_entry(directory, visit_remove, &name);
        error = error < 0 ? error : 0;
    }
    b = error ? NULL : inode_get(name.inode, &inode);
    if (b && --inode->links == 0) {
        truncate(inode, b);
        inode->delete_time = now();
        free_inode(name.inode);
    }
    if (b) {
        b->dirty = 1;
        buffer_put(b);
        write_super();
    }
    unlock();
    return error;
}

int disk_make_directory(const char *path)
{
    struct name name;
    u32 directory;
    int error;

    lock();
    error = mount();
    if (!error)
        error = walk(path, &directory, &name);
    if (!error && name.inode)
        error = -EEXIST;
    if (!error)
        error = create(directory, &name, 1);
    unlock();
    return error;
}

struct listing {
    u32 index, inode;
    char *name;
};

static int visit_list(struct entry *entry, struct entry *before, struct buffer *b, void *with)
{
    struct listing *listing = with;
    u32 length = entry->name_length < NAME_SIZE - 1 ? entry->name_length : NAME_SIZE - 1;

    (void)before, (void)b;
    if (!entry->inode || listing->index-- > 0)
        return 0;
    memcpy(listing->name, entry->name, length);
    listing->name[length] = 0;
    listing->inode = entry->inode;
    return 1;
}

int disk_list(const char *path, u32 index, struct list_entry *entry)
{
    struct listing listing = { .index = index, .name = entry->name };
    struct inode *inode;
    struct buffer *b;
    struct name name;
    u32 directory;
    int error;

    lock();
    error = mount();
    if (!error)
        error = walk(path, &directory, &name);
    if (!error && name.inode == 0)
        error = -ENOENT;
    if (!error && (mode_of(name.inode) & TYPE_MASK) != TYPE_DIRECTORY)
        error = -ENOTDIR;
    if (!error) {
        error = each_entry(name.inode, visit_list, &listing);
        error = error > 0 ? 0 : error < 0 ? error : -ENOENT;
    }
    b = error ? NULL : inode_get(listing.inode, &inode);
    if (b) {
        entry->size = inode->size;
        buffer_put(b);
    }
    unlock();
    return error;
}

int disk_sync(void)
{
    int error;

    lock();
    error = disk_flush();
    unlock();
    return error;
}
