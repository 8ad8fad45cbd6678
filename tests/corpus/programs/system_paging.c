/* Paging in all its forms: who may do what by the bits of the tables, exact error codes, accessed and dirty bits, CR2. Each line is one pair of entries;
   each group of four digits on it one access: the error code, or what became of the accessed and dirty bits.
   corpus: on QEMU
   corpus: run --mode native
   corpus: run --mode full --mmu ept
   corpus: run --mode full --mmu vtlb */

#include "system.h"

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, NX = 0x8000 };       /* NX stands for bit 63 */
enum { READ, WRITE, FETCH };

static u32 directory[1024] __attribute__((aligned(4096)));
static u32 table[1024] __attribute__((aligned(4096)));
static u64 pointers[4] __attribute__((aligned(32)));
static u64 pae_directory[512] __attribute__((aligned(4096)));
static u64 pae_table[512] __attribute__((aligned(4096)));
static u8 page[4096] __attribute__((aligned(4096)));

#define AT 0x40000000
static volatile u32 kind;

static void access(void)
{
    if (kind == READ)
        TRY("testb $1, (%0)", "r"(AT + 0x123));
    else if (kind == WRITE)
        TRY("movb $1, (%0)", "r"(AT + 0x123));
    else {
        last_vector = NONE;
        __asm__ volatile("mov %%esp, %%ebx\n movl $8f, %%es:resume\n call *%0\n 8: mov %%ebx, %%esp\n movl $0, %%es:resume"
                         : : "r"(AT + 0xff0) : "ebx", "memory");
    }
}

static void access_in_user_mode(void)
{
    access();
    LEAVE_USER();
}

static u32 outcome(u32 from_directory, u32 from_table)
{
    if (last_vector != NONE)
        return 0x8000 | last_vector << 8 | (last_error & 0xff);
    return (from_directory & (A | D)) | (from_table & (A | D)) >> 4;
}

static void print_outcome_of_access(u32 from_directory, u32 from_table)
{
    u32 found = outcome(from_directory, from_table);
    print_number(found, 4);
    if (last_vector == 14 && get_cr2() != AT + (kind == FETCH ? 0xff0 : 0x123))
        print("!");
    print(" ");
}

static u64 entry(u32 base, u32 rights)
{
    return base | (rights & 0x7fff) | (rights & NX ? (u64)1 << 63 : 0);
}

static void try_all(int pae, u32 directory_rights, u32 table_rights)
{
    u64 to_table = entry(directory_rights & PS ? (u32)page & 0xffc00000 : pae ? (u32)pae_table : (u32)table, directory_rights);
    u64 to_page = entry((u32)page, table_rights);
    print_number(directory_rights, 4);
    print(" ");
    print_number(table_rights, 4);
    print(": ");
    for (int wp = 0; wp < 2; wp++)
        for (int user_mode = 0; user_mode < 2; user_mode++)
            for (kind = READ; kind <= (pae ? FETCH : WRITE); kind++) {
                set_cr0(wp ? get_cr0() | 0x10000 : get_cr0() & ~0x10000);
                if (pae) {
                    pae_directory[0] = to_table;
                    pae_table[0] = to_page;
                } else {
                    directory[AT >> 22] = (u32)to_table;
                    table[0] = (u32)to_page;
                }
                set_cr3(get_cr3());
                if (user_mode)
                    user(access_in_user_mode);
                else
                    access();
                print_outcome_of_access(pae ? (u32)pae_directory[0] : directory[AT >> 22], pae ? (u32)pae_table[0] : table[0]);
            }
    print("\n");
}

static u64 identity[512] __attribute__((aligned(4096)));

int main(void)
{
    set_up();
    for (int k = 0; k < 4096; k++)
        page[k] = 0xc3;         /* RET */
    directory[0] = P | W | U | PS;
    set_cr4(get_cr4() | 0x10);
    set_cr3((u32)directory);
    set_cr0(get_cr0() | 0x80000000);
    print("32-bit paging\n");
    for (u32 d = 0; d < 8; d++)
        for (u32 t = 0; t < 8; t++)
            if ((d & P) || t == 7)
                try_all(0, d, t);
    print("4 MB pages\n");
    for (u32 d = 0; d < 8; d++)
        try_all(0, d | PS, 0);

    print("PAE\n");
    set_cr0(get_cr0() & 0x7fffffff);
    for (int k = 0; k < 2; k++)
        identity[k] = (u64)k << 21 | P | W | U | PS;
    pointers[0] = (u32)identity | P;
    pointers[1] = (u32)pae_directory | P;
    set_cr4(get_cr4() | 0x20);
    set_cr3((u32)pointers);
    set_cr0(get_cr0() | 0x80000000);
    static const u32 of_directory[] = { 0, P, P | W | U, P | U, P | W };
    for (int nxe = 0; nxe < 2; nxe++) {
        if (nxe)
            __asm__ volatile("rdmsr; or $0x800, %%eax; wrmsr" : : "c"(0xc0000080) : "eax", "edx");
        for (int d = 0; d < 5; d++)
            for (u32 t = 0; t < 8; t += 1 + (d != 2))
                try_all(1, of_directory[d], t);
        if (!nxe)               /* a reserved bit then, for which QEMU gives error codes without P */
            continue;
        try_all(1, P | W | U, P | W | U | NX);
        try_all(1, P | W | U | NX, P | W | U);
        try_all(1, P | W | U, P | W | NX);
        try_all(1, P | W | U, NX);
    }
    set_cr0(get_cr0() & 0x7fffffff);
    print("large pages, INVLPG, global pages\n");
    set_cr4(0x10);
    set_cr3((u32)directory);
    directory[AT >> 22] = (u32)table | P | W | U;
    set_cr0(get_cr0() | 0x80010000);
    volatile u32 *there = (u32 *)(AT + 0x123);
    static u8 other[4096] __attribute__((aligned(4096)));
    for (int global = 0; global < 2; global++) {
        set_cr4(global ? 0x90 : 0x10);
        table[0] = (u32)page | P | W | (global ? 0x100 : 0);
        set_cr3(get_cr3());
        print_name("before", *there);
        table[0] = (u32)other | P | W | (global ? 0x100 : 0);
        __asm__ volatile("invlpg (%0)" : : "r"(AT) : "memory");
        print_name("invlpg", *there);
        print("\n");
    }
    return 0;
}
