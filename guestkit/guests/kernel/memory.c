/* Page frames: which are free, and how many references each of the others has.
 *
 * Pages that were never used are taken in rising order from `fresh`, so memory nobody needs is never touched; pages that come back are
 * kept in a list threaded through themselves. */

#include "kernel.h"

static u16 *references;         /* by page number */
static u32 fresh;               /* no page from this number on was ever used, except the reserved ones */
static void *free_list;
static u32 free_count;

static const struct page_range *reserved_at(u32 page)
{
    for (int i = 0; i < RESERVED_RANGES; i++)
        if (page >= boot.reserved[i].first && page < boot.reserved[i].end)
            return &boot.reserved[i];
    return NULL;
}

/* The number of the first of `count` fresh pages in a row; boot.pages if there are not so many. */
static u32 take_fresh(u32 count)
{
    u32 first = fresh;

    for (u32 page = first; page < first + count; page++) {
        const struct page_range *range = reserved_at(page);
        if (range) {
            first = range->end;
            page = first - 1;
        }
    }
    if (first + count > boot.pages)
        return boot.pages;
    fresh = first + count;
    free_count -= count;
    return first;
}

void *early_pages(u32 count)
{
    u32 page = take_fresh(count);

    if (page == boot.pages)
        panic("too little memory: %u KB", boot.pages * (PAGE / 1024));
    return memset(PAGE_POINTER(page), 0, count * PAGE);
}

void memory_start(void)
{
    free_count = boot.pages;
    for (int i = 0; i < RESERVED_RANGES; i++)
        free_count -= boot.reserved[i].end - boot.reserved[i].first;
    references = early_pages(PAGE_UP(boot.pages * sizeof *references) / PAGE);
}

void *page_take(void)
{
    void *page = free_list;

    if (page) {
        free_list = *(void **)page;
        free_count--;
    } else {
        u32 number = take_fresh(1);
        if (number == boot.pages)
            return NULL;
        page = PAGE_POINTER(number);
    }
    references[PAGE_NUMBER(page)] = 1;
    return page;
}

void *page_take_zeroed(void)
{
    void *page = page_take();

    return page ? memset(page, 0, PAGE) : NULL;
}

void page_share(void *page)
{
    references[PAGE_NUMBER(page)]++;
}

void page_drop(void *page)
{
    if (--references[PAGE_NUMBER(page)] > 0)
        return;
    *(void **)page = free_list;
    free_list = page;
    free_count++;
}

u32 page_references(void *page)
{
    return references[PAGE_NUMBER(page)];
}

u32 pages_free(void)
{
    return free_count;
}
