/* Address spaces: which areas of user addresses a process may use, and the page tables that make them real, a page at a time, when it
 * first touches them. Pages shared by fork() are mapped without ENTRY_WRITE on both sides; the first write copies. So an entry tells less
 * than its area: only the area decides what is allowed. */

#include "kernel.h"

static u32 *entry_of(struct space *space, u32 address)
{
    u32 entry = space->directory[DIRECTORY_INDEX(address)];

    return entry & ENTRY_PRESENT ? (u32 *)machine_page(entry) + TABLE_INDEX(address) : NULL;
}

static u32 *make_entry(struct space *space, u32 address)
{
    u32 *entry = entry_of(space, address), *table;

    if (entry)
        return entry;
    table = space->table_count < TABLES ? page_take_zeroed() : NULL;
    if (!table)
        return NULL;
    space->tables[space->table_count++] = table;
    if (space->published)
        machine_add_table(space->directory, address, table);
    else
        space->directory[DIRECTORY_INDEX(address)] = machine_frame(table) | TABLE_FLAGS;
    return table + TABLE_INDEX(address);
}

static u32 entry_for(void *page, u32 protection)
{
    return machine_frame(page) | ENTRY_PRESENT | ENTRY_USER | (protection & PROT_WRITE ? ENTRY_WRITE : 0);
}

/* Calls `visit` for each page there is between two addresses. */
static void each_page(struct space *space, u32 start, u32 end, void (*visit)(u32 address, u32 *entry, u32 protection), u32 protection)
{
    u32 address = start;

    while (address < end) {
        u32 *entry = entry_of(space, address);
        if (!entry) {
            address = (address | (TABLE_ENTRIES * PAGE - 1)) + 1;      /* no table for these 4 MB */
            if (address == 0)
                return;
            continue;
        }
        do {
            if (*entry)
                visit(address, entry, protection);
            entry++;
            address += PAGE;
        } while (address < end && TABLE_INDEX(address));
    }
}

/* -- areas */

static struct area *area_at(struct space *space, u32 address)
{
    for (int i = 0; i < space->count; i++)
        if (address < space->areas[i].end)
            return address >= space->areas[i].start ? &space->areas[i] : NULL;
    return NULL;
}

static int insert_area(struct space *space, int at, u32 start, u32 end, u32 protection)
{
    if (space->count == AREAS)
        return -ENOMEM;
    memmove(&space->areas[at + 1], &space->areas[at], (space->count - at) * sizeof space->areas[0]);
    space->areas[at] = (struct area){ start, end, protection };
    space->count++;
    return 0;
}

/* Makes `address` a border between areas if it is inside one. */
static int cut(struct space *space, u32 address)
{
    struct area *area = area_at(space, address);
    u32 end;

    if (!area || area->start == address)
        return 0;
    end = area->end;
    if (insert_area(space, area - space->areas + 1, address, end, area->protection))
        return -ENOMEM;
    area->end = address;
    return 0;
}

static int cut_out(struct space *space, u32 start, u32 size)
{
    u32 end = start + PAGE_UP(size);

    if (start % PAGE || size == 0 || size > USER_END || end > USER_END || end < start)
        return -EINVAL;
    return cut(space, start) || cut(space, end) ? -ENOMEM : 0;
}

int space_add(struct space *space, u32 start, u32 end, u32 protection)
{
    int at = 0;

    if (start >= end || end > USER_END)
        return -EINVAL;
    while (at < space->count && space->areas[at].end <= start)
        at++;
    if (at < space->count && space->areas[at].start < end)
        return -ENOMEM;
    if (at > 0 && space->areas[at - 1].end == start && space->areas[at - 1].protection == protection) {
        space->areas[at - 1].end = end;
        return 0;
    }
    return insert_area(space, at, start, end, protection);
}

/* Makes one of neighbours with the same protection. */
static void merge_areas(struct space *space)
{
    int kept = 0;

    for (int i = 1; i < space->count; i++) {
        struct area *before = &space->areas[kept], *area = &space->areas[i];
        if (before->end == area->start && before->protection == area->protection)
            before->end = area->end;
        else
            space->areas[++kept] = *area;
    }
    space->count = kept + 1;
}

/* -- whole spaces */

int space_create(struct space *space)
{
    u32 kernel = DIRECTORY_INDEX(KERNEL_BASE), end = DIRECTORY_INDEX(KERNEL_END);

    memset(space, 0, sizeof *space);
    space->directory = page_take_zeroed();
    if (!space->directory)
        return -ENOMEM;
    memcpy(space->directory + kernel, machine_kernel_directory + kernel, (end - kernel) * sizeof(u32));
    return 0;
}

void space_publish(struct space *space)
{
    machine_publish_space(space->directory, space->tables, space->table_count);
    space->published = 1;
}

static struct space *copy_to;       /* of share_page() */
static int copy_failed;

static void share_page(u32 address, u32 *entry, u32 protection)
{
    u32 *copy = make_entry(copy_to, address);

    (void)protection;
    if (!copy) {
        copy_failed = 1;
        return;
    }
    page_share(machine_page(*entry));
    *copy = *entry & ~ENTRY_WRITE;
    if (*entry & ENTRY_WRITE)
        machine_write_entry(address, entry, *entry & ~ENTRY_WRITE);
}

int space_copy(struct space *to, struct space *from)
{
    if (space_create(to))
        return -ENOMEM;
    copy_to = to;
    copy_failed = 0;
    for (int i = 0; i < from->count && !copy_failed; i++) {
        to->areas[to->count++] = from->areas[i];
        each_page(from, from->areas[i].start, from->areas[i].end, share_page, 0);
    }
    to->heap_start = from->heap_start;
    to->heap_end = from->heap_end;
    if (!copy_failed)
        space_publish(to);
    machine_write_entries();
    if (copy_failed)
        space_destroy(to);
    return copy_failed ? -ENOMEM : 0;
}

static void drop_page(u32 address, u32 *entry, u32 protection)
{
    (void)address, (void)protection;
    page_drop(machine_page(*entry));
}

void space_destroy(struct space *space)
{
    for (int i = 0; i < space->count; i++)
        each_page(space, space->areas[i].start, space->areas[i].end, drop_page, 0);
    if (space->published)
        machine_retire_space(space->directory, space->tables, space->table_count);
    for (u32 i = 0; i < space->table_count; i++)
        page_drop(space->tables[i]);
    page_drop(space->directory);
    memset(space, 0, sizeof *space);
}

void *space_new_page(struct space *space, u32 address)
{
    struct area *area = area_at(space, address);
    u32 *entry = make_entry(space, address);
    void *page = entry && !*entry ? page_take_zeroed() : NULL;

    if (page)
        *entry = entry_for(page, area->protection);
    return entry && *entry ? machine_page(*entry) : NULL;
}

/* -- page faults */

int space_fault(struct space *space, u32 address, int write)
{
    struct area *area = area_at(space, address);
    u32 *entry;
    void *page, *copy;

    if (!area || area->protection == PROT_NONE || (write && !(area->protection & PROT_WRITE)))
        return -EFAULT;
    entry = make_entry(space, address);
    if (!entry)
        return -ENOMEM;
    if (!*entry) {                              /* touched for the first time */
        page = page_take_zeroed();
        if (!page)
            return -ENOMEM;
        machine_map(address, entry, entry_for(page, area->protection));
        return 0;
    }
    if (!write || *entry & ENTRY_WRITE)
        return 0;
    page = machine_page(*entry);
    if (page_references(page) == 1) {           /* nobody shares it any more */
        machine_map(address, entry, *entry | ENTRY_WRITE);
        return 0;
    }
    copy = page_take();
    if (!copy)
        return -ENOMEM;
    memcpy(copy, page, PAGE);
    machine_map(address, entry, entry_for(copy, area->protection));
    page_drop(page);
    return 0;
}

/* -- what a process asks for */

int space_set_heap(struct space *space, u32 end)
{
    u32 from = PAGE_UP(space->heap_end), to = PAGE_UP(end);
    int error = 0;

    if (end < space->heap_start || end > MAPPINGS_START)
        return -ENOMEM;
    if (to > from)
        error = space_add(space, from, to, PROT_READ | PROT_WRITE);
    else if (to < from)
        error = space_unmap(space, to, from - to);
    if (!error)
        space->heap_end = end;
    return error;
}

u32 space_map(struct space *space, u32 size, u32 protection)
{
    u32 start = MAPPINGS_START, limit = USER_END - USER_STACK_SIZE;
    int error;

    size = PAGE_UP(size);
    if (size == 0 || size > limit - MAPPINGS_START)
        return -EINVAL;
    for (int i = 0; i < space->count; i++)
        if (space->areas[i].start < start + size && space->areas[i].end > start)
            start = space->areas[i].end;
    if (start + size > limit || start + size < start)
        return -ENOMEM;
    error = space_add(space, start, start + size, protection);
    return error ? (u32)error : start;
}

static void unmap_page(u32 address, u32 *entry, u32 protection)
{
    void *page = machine_page(*entry);

    (void)protection;
    machine_write_entry(address, entry, 0);
    page_drop(page);                            /* nothing takes it before the entry is written */
}

int space_unmap(struct space *space, u32 address, u32 size)
{
    int error = cut_out(space, address, size), kept = 0;
    u32 end = address + PAGE_UP(size);

    if (error)
        return error;
    for (int i = 0; i < space->count; i++)
        if (space->areas[i].start < address || space->areas[i].start >= end)
            space->areas[kept++] = space->areas[i];
    space->count = kept;
    each_page(space, address, end, unmap_page, 0);
    machine_write_entries();
    return 0;
}

static void protect_page(u32 address, u32 *entry, u32 protection)
{
    u32 value = *entry & ~(ENTRY_PRESENT | ENTRY_WRITE | ENTRY_HELD);

    if (protection == PROT_NONE)
        value |= ENTRY_HELD;
    else if (protection & PROT_WRITE && page_references(machine_page(value)) == 1)
        value |= ENTRY_PRESENT | ENTRY_WRITE;
    else
        value |= ENTRY_PRESENT;
    machine_write_entry(address, entry, value);
}

int space_protect(struct space *space, u32 address, u32 size, u32 protection)
{
    u32 end = address + PAGE_UP(size), next = address;
    int error = cut_out(space, address, size);

    if (error)
        return error;
    for (int i = 0; i < space->count; i++)      /* all of it must be there */
        if (space->areas[i].start == next && next < end)
            next = space->areas[i].end;
    if (next < end)
        return -ENOMEM;
    for (int i = 0; i < space->count; i++)
        if (space->areas[i].start >= address && space->areas[i].start < end)
            space->areas[i].protection = protection;
    merge_areas(space);
    each_page(space, address, end, protect_page, protection);
    machine_write_entries();
    return 0;
}

/* -- the kernel's own access to user memory: pages are brought in first, so it never faults there */

int user_range(u32 address, u32 size, int write)
{
    u32 page = PAGE_DOWN(address), last = address + size - 1, wanted = ENTRY_PRESENT | (write ? ENTRY_WRITE : 0);

    if (size == 0)
        return 1;
    if (last < address || last >= USER_END)
        return 0;
    for (;; page += PAGE) {
        u32 *entry = entry_of(&current->space, page);
        if ((!entry || (*entry & wanted) != wanted) && space_fault(&current->space, page, write))
            return 0;
        if (last - page < PAGE)
            return 1;
    }
}

int user_string(char *to, u32 address, u32 room)
{
    for (u32 n = 0; n < room; n++) {
        if ((n == 0 || (address + n) % PAGE == 0) && !user_range(address + n, 1, 0))
            return -EFAULT;
        to[n] = *(const char *)(address + n);
        if (to[n] == 0)
            return n;
    }
    return -E2BIG;
}
