"""The memory-management unit: paging (SDM vol. 3, chapter 4), the software TLBs, accesses that miss them, device memory.

Addresses: a linear address is translated by the guest's tables to a guest-physical one, and that, where EPT is on, to a machine-physical one
(`system.ept`); without EPT the two are the same.
"""
from hyper.board import raw
from hyper.cpu import faults
from hyper.cpu.mode import TLB_ENTRIES, TLB_ENTRY, TLB_INDEX, TLB_SIZE, READ_TAG, WRITE_TAG, ADDEND, STATE, PAGE
from hyper.cpu.models import model as models
from hyper.cpu.translations import GLOBAL, LARGE, LOGGED, MOST, SUPERVISOR, WRITABLE, Translations

M32 = 0xffffffff
CR0_PE, CR0_WP, CR0_AM, CR0_PG = 1 << 0, 1 << 16, 1 << 18, 1 << 31
CR4_PSE, CR4_PAE, CR4_PGE = 1 << 4, 1 << 5, 1 << 7
EFER_NXE = 1 << 11
PTE_P, PTE_W, PTE_U, PTE_A, PTE_D, PTE_PS, PTE_G = 1, 2, 4, 32, 64, 128, 256
READ, WRITE, FETCH = 0, 1, 2
REGION = 0xffc00000                     # 4 MB: what a directory entry maps without PAE

PHYSICAL_PAGE = 0xffffff000             # the address in an entry, on processors with 36 bits of physical address
# reserved bits of entries for large pages: 32-bit paging without and with PSE-36 (which has 4 more bits of address in 16:13), PAE (4.3, 4.4)
PSE_RESERVED, PSE36_RESERVED, PAE_LARGE_RESERVED = 0x3fe000, 0x3e0000, 0x1fe000
PAE_RESERVED = 0x7ffffff000000000       # of every entry of PAE paging; bit 63 is XD, or reserved too
PDPTE_RESERVED = PAE_RESERVED | 0x1e6   # and bit 63

HIGH_ENTRIES = 16       # translations of pages above the limit of flat segments, a power of two


class MMU(object):
    """Translates and accesses linear memory for `system`. `user` says whether an access is made with user privilege (U/S of the page tables)."""

    def __init__(self, system):
        self.system = system
        self.memory = system.memory
        # indices of the entries that have been filled, so that a flush looks at no others
        self.fill_log = [0] * TLB_ENTRIES
        self.filled = 0
        # whether a region of 4 MB can have parts of large pages in the TLB, which INVLPG forgets together
        self.large = [False] * 1024
        self.generation = 0     # grows when translations that were put aside become void
        self.large_reserved = PSE36_RESERVED if system.model.features & models.PSE36 else PSE_RESERVED
        self.leaf = 0           # GLOBAL and LARGE of the page translated last
        # pages that no flat segment reaches, and so no hit in the banks may: only the processor itself reads them, as descriptor tables
        self.high_tags = [-1] * HIGH_ENTRIES
        self.high_addends = [0] * HIGH_ENTRIES
        self.high_filled = False
        self.clear()

    # -- the TLB

    def clear(self):
        """The TLB after RESET."""
        i = 0
        while i < TLB_SIZE:
            self.clear_entry(i)
            raw.store64(self.system.supervisor_tlb, i + STATE, 0)
            i += TLB_ENTRY
        self.filled = 0
        for k in range(len(self.large)):
            self.large[k] = False
        self.forget_high()

    def forget_high(self):
        for k in range(HIGH_ENTRIES):
            self.high_tags[k] = -1
        self.high_filled = False

    def clear_entry(self, i):
        """It stays in the log."""
        self.clear_in(self.system.user_tlb, i)
        self.clear_in(self.system.supervisor_tlb, i)

    def clear_in(self, tlb, i):
        raw.store64(tlb, i + READ_TAG, -1)
        raw.store64(tlb, i + WRITE_TAG, -1)

    def flush(self):
        """Forget all translations, those that are put aside too (what memory there is has changed, or what must be seen of accesses)."""
        self.generation += 1
        self.flush_current()

    def flush_current(self):
        """Forget all translations but those that are put aside (the guest's own change of CR3 or its paging mode, a VM entry or exit)."""
        supervisor = self.system.supervisor_tlb
        for k in range(self.filled):
            i = self.fill_log[k]
            self.clear_entry(i)
            raw.store64(supervisor, i + STATE, 0)
        self.filled = 0
        if self.high_filled:
            self.forget_high()
        self.system.code.flush()

    def flush_local(self):
        """Forget the translations that are not global (a write to CR3)."""
        if self.system.cr4 & CR4_PGE == 0:
            self.flush_current()
            return
        supervisor = self.system.supervisor_tlb
        kept = 0
        for k in range(self.filled):
            i = self.fill_log[k]
            stays = self.keep_global(self.system.user_tlb, i)
            if self.keep_global(supervisor, i) or stays:
                self.fill_log[kept] = i
                kept += 1
            else:
                raw.store64(supervisor, i + STATE, 0)
        self.filled = kept
        if self.high_filled:
            self.forget_high()
        self.system.code.flush_local()

    def keep_global(self, tlb, i):
        if raw.load64(tlb, i + STATE) & GLOBAL and raw.load64(tlb, i + READ_TAG) >= 0:
            return True
        self.clear_in(tlb, i)
        return False

    def put_aside(self, kept, ept_pointer):
        """Leave no translation, but keep them in the Translations for `bring_back`."""
        system = self.system
        kept.forget()
        kept.note(system, self.generation, ept_pointer)
        kept.make_room(min(self.filled, MOST))
        for k in range(max(self.filled - MOST, 0), self.filled):
            i = self.fill_log[k]
            kept.keep(system.user_tlb, i, 0)
            kept.keep(system.supervisor_tlb, i, SUPERVISOR)
        self.flush_current()

    def bring_back(self, kept, ept_pointer):
        """Take up translations where there are none, unless the processor is in another state now than when they were made. Meanwhile code may have been
        decoded from a frame, so that writes to it must be seen."""
        system = self.system
        assert self.filled == 0
        if not kept.are_good(system, self.generation, ept_pointer):
            kept.forget()
        supervisor = system.supervisor_tlb
        for k in range(kept.count):
            page = kept.words[2 * k] & PAGE
            bits = kept.words[2 * k] & 0xfff
            addend = kept.words[2 * k + 1]
            i = (page >> 7) & TLB_INDEX
            if raw.load64(supervisor, i + STATE) & LOGGED == 0:
                raw.store64(supervisor, i + STATE, LOGGED)
                self.fill_log[self.filled] = i
                self.filled += 1
            leaf = bits & (GLOBAL | LARGE)
            if leaf & LARGE:
                self.large[page >> 22] = True
            tlb = system.user_tlb
            if bits & SUPERVISOR:
                tlb = supervisor
                leaf |= LOGGED
            raw.store64(tlb, i + READ_TAG, page)
            raw.store64(tlb, i + ADDEND, addend)
            raw.store64(tlb, i + STATE, leaf)
            if bits & WRITABLE and not self.memory.tells_writes(page + addend):
                raw.store64(tlb, i + WRITE_TAG, page)
        kept.forget()

    def written(self):
        """Addresses of the frames that can be written to through the TLB."""
        held = Translations()
        held.make_room(self.filled)
        for k in range(self.filled):
            held.keep(self.system.user_tlb, self.fill_log[k], 0)
            held.keep(self.system.supervisor_tlb, self.fill_log[k], SUPERVISOR)
        return held.written()

    def invalidate(self, address):
        """INVLPG: forget the translation of one page, global or not; of a large page, all of it."""
        self.clear_entry((address >> 7) & TLB_INDEX)
        self.high_tags[(address >> 12) & (HIGH_ENTRIES - 1)] = -1
        if self.large[address >> 22]:
            self.invalidate_region(address & REGION)
        else:
            self.system.code.invalidate(address)

    def invalidate_region(self, region):
        """Forget the entries that are parts of large pages in 4 MB, whatever the size of those is."""
        for k in range(self.filled):
            self.clear_large(self.system.user_tlb, self.fill_log[k], region)
            self.clear_large(self.system.supervisor_tlb, self.fill_log[k], region)
        self.large[region >> 22] = False
        self.system.code.flush()

    def clear_large(self, tlb, i, region):
        if raw.load64(tlb, i + STATE) & LARGE and raw.load64(tlb, i + READ_TAG) & REGION == region:
            self.clear_in(tlb, i)

    def protect_frame(self, frame):
        """Forget the write tags that lead to a physical frame: code was decoded from it, so writes must be seen."""
        for k in range(self.filled):
            self._protect_entry(self.system.user_tlb, self.fill_log[k], frame)
            self._protect_entry(self.system.supervisor_tlb, self.fill_log[k], frame)

    def _protect_entry(self, tlb, i, frame):
        tag = raw.load64(tlb, i + WRITE_TAG)
        if tag >= 0 and tag + raw.load64(tlb, i + ADDEND) == frame:
            raw.store64(tlb, i + WRITE_TAG, -1)

    def _fill(self, address, physical, user, write):
        """Enter a page of RAM, the one translated last, into the bank of `user`."""
        system = self.system
        page = address & PAGE
        frame = physical & ~0xfff
        if not self.memory.contains(frame, 4096) or system.is_device(frame) or (len(system.debug.data) and system.debug.watches(page)):
            return
        if page + 0xfff > system.tlb_limit:
            if not user:
                k = (page >> 12) & (HIGH_ENTRIES - 1)
                self.high_tags[k] = page
                self.high_addends[k] = frame - page
                self.high_filled = True
            return
        tlb = system.user_tlb if user else system.supervisor_tlb
        supervisor = system.supervisor_tlb
        i = (address >> 7) & TLB_INDEX
        if raw.load64(tlb, i + READ_TAG) != page:
            raw.store64(tlb, i + WRITE_TAG, -1)
            raw.store64(tlb, i + READ_TAG, page)
            state = raw.load64(supervisor, i + STATE)
            if state & LOGGED == 0:
                raw.store64(supervisor, i + STATE, state | LOGGED)
                self.fill_log[self.filled] = i
                self.filled += 1
        raw.store64(tlb, i + ADDEND, frame - page)
        raw.store64(tlb, i + STATE, (raw.load64(tlb, i + STATE) & LOGGED) | self.leaf)
        if self.leaf & LARGE:
            self.large[address >> 22] = True
        if write and not self.memory.tells_writes(frame):
            raw.store64(tlb, i + WRITE_TAG, page)

    # -- translation

    def physical(self, address, access, user):
        """The machine-physical address of a linear one; sets accessed and dirty bits; raises #PF (with CR2 in it) or an EPT intercept."""
        guest = self.guest_physical(address, access, user)
        ept = self.system.ept
        if ept is not None:
            return ept.translate(guest, access, address)
        return guest

    def table_address(self, guest, access, linear):
        """The machine-physical address of a paging-structure entry."""
        ept = self.system.ept
        if ept is not None:
            return ept.translate_table(guest, access, linear)
        return guest

    def guest_physical(self, address, access, user):
        """Walk the guest's page tables; leaves in `leaf` what the page is."""
        system = self.system
        self.leaf = 0
        if system.cr0 & CR0_PG == 0:
            return address
        error = int(access == WRITE) * faults.PF_WRITE | int(user) * faults.PF_USER
        if system.cr4 & CR4_PAE:
            return self._walk_pae(address, access, user, error)
        return self._walk_32(address, access == WRITE, user, error)

    def _walk_32(self, address, write, user, error):
        """32-bit paging (4.3)."""
        system = self.system
        memory = self.memory
        pde_at = self.table_address((system.cr3 & PAGE) + ((address >> 22) << 2), READ, address)
        pde = memory.read32(pde_at)
        if pde & PTE_P == 0:
            raise faults.GuestFault(faults.PF, error, address)
        if pde & PTE_PS and system.cr4 & CR4_PSE:
            if pde & self.large_reserved:
                raise faults.GuestFault(faults.PF, error | faults.PF_PRESENT | faults.PF_RESERVED, address)
            self._check(pde, write, user, error, address)
            self._mark(pde_at, pde, PTE_A | (PTE_D if write else 0), address)
            self.leaf = LARGE | self._global(pde)
            return (pde & REGION) | ((pde & 0x1e000) << 19) | (address & 0x3fffff)
        pte_at = self.table_address((pde & PAGE) + (((address >> 12) & 0x3ff) << 2), READ, address)
        pte = memory.read32(pte_at)
        if pte & PTE_P == 0:
            raise faults.GuestFault(faults.PF, error, address)
        self._check(pde & pte, write, user, error, address)
        self._mark(pde_at, pde, PTE_A, address)
        self._mark(pte_at, pte, PTE_A | (PTE_D if write else 0), address)
        self.leaf = self._global(pte)
        return (pte & PAGE) | (address & 0xfff)

    def _walk_pae(self, address, access, user, error):
        """PAE paging (4.4), whose third level is in the processor. Entries are signed, so XD makes them negative."""
        system = self.system
        memory = self.memory
        write = access == WRITE
        no_execute = system.efer & EFER_NXE != 0
        if access == FETCH and no_execute:
            error |= faults.PF_FETCH
        pdpte = system.pdptes[address >> 30]
        if pdpte & PTE_P == 0:
            raise faults.GuestFault(faults.PF, error, address)
        pde_at = self.table_address((pdpte & PHYSICAL_PAGE) + (((address >> 21) & 0x1ff) << 3), READ, address)
        pde = memory.read64(pde_at)
        if pde & PTE_P == 0:
            raise faults.GuestFault(faults.PF, error, address)
        large = pde & PTE_PS != 0
        if pde & PAE_RESERVED or (pde < 0 and not no_execute) or (large and pde & PAE_LARGE_RESERVED):
            raise faults.GuestFault(faults.PF, error | faults.PF_PRESENT | faults.PF_RESERVED, address)
        if large:
            if access == FETCH and pde < 0:
                raise faults.GuestFault(faults.PF, error | faults.PF_PRESENT, address)
            self._check(pde, write, user, error, address)
            self._mark(pde_at, pde & M32, PTE_A | (PTE_D if write else 0), address)
            self.leaf = LARGE | self._global(pde)
            return (pde & PHYSICAL_PAGE & ~0x1fffff) | (address & 0x1fffff)
        pte_at = self.table_address((pde & PHYSICAL_PAGE) + (((address >> 12) & 0x1ff) << 3), READ, address)
        pte = memory.read64(pte_at)
        if pte & PTE_P == 0:
            raise faults.GuestFault(faults.PF, error, address)
        if pte & PAE_RESERVED or (pte < 0 and not no_execute):
            raise faults.GuestFault(faults.PF, error | faults.PF_PRESENT | faults.PF_RESERVED, address)
        if access == FETCH and (pde < 0 or pte < 0):
            raise faults.GuestFault(faults.PF, error | faults.PF_PRESENT, address)
        self._check(pde & pte, write, user, error, address)
        self._mark(pde_at, pde & M32, PTE_A, address)
        self._mark(pte_at, pte & M32, PTE_A | (PTE_D if write else 0), address)
        self.leaf = self._global(pte)
        return (pte & PHYSICAL_PAGE) | (address & 0xfff)

    def _global(self, entry):
        return GLOBAL if entry & PTE_G and self.system.cr4 & CR4_PGE else 0

    def _check(self, rights, write, user, error, address):
        if user:
            allowed = rights & PTE_U and (not write or rights & PTE_W)
        else:
            allowed = not write or rights & PTE_W or self.system.cr0 & CR0_WP == 0
        if not allowed:
            raise faults.GuestFault(faults.PF, error | faults.PF_PRESENT, address)

    def _mark(self, entry_at, entry, bits, address):
        """Set bits of an entry; `entry` is its low half."""
        if entry & bits != bits:
            if self.system.ept is not None:
                # accessed and dirty bits are written through EPT, which may refuse
                self.system.ept.check_table_write(entry_at, address)
            self.memory.write32(entry_at, entry | bits)

    def load_pdptes(self, cr3):
        """Load the page-directory-pointer registers for a new CR3 or paging mode (4.4.1). #GP(0), with nothing changed, if they are malformed."""
        ept = self.system.ept
        entries = [0] * 4
        for k in range(4):
            at = (cr3 & 0xffffffe0) + 8 * k
            if ept is not None:
                at = ept.translate_pointer(at)
            entries[k] = self.memory.read64(at)
            if is_malformed_pdpte(entries[k]):
                raise faults.GuestFault(faults.GP, 0)
        self.system.pdptes = entries

    # -- accesses of the processor itself (descriptor tables, stacks of events)

    def read(self, address, size, user):
        """`load`, with a look into the TLB first."""
        tlb = self.system.user_tlb if user else self.system.supervisor_tlb
        i = (address >> 7) & TLB_INDEX
        if (address + (size - 1)) & PAGE == raw.load64(tlb, i + READ_TAG):
            return raw.load(self.memory.storage, address + raw.load64(tlb, i + ADDEND), size)
        k = (address >> 12) & (HIGH_ENTRIES - 1)
        if not user and (address + (size - 1)) & PAGE == self.high_tags[k]:
            return raw.load(self.memory.storage, address + self.high_addends[k], size)
        return self._load(address, size, user)

    def write(self, address, value, size, user):
        tlb = self.system.user_tlb if user else self.system.supervisor_tlb
        i = (address >> 7) & TLB_INDEX
        if (address + (size - 1)) & PAGE == raw.load64(tlb, i + WRITE_TAG):
            raw.store(self.memory.storage, address + raw.load64(tlb, i + ADDEND), value, size)
        else:
            self._store(address, value, size, user, False)

    # -- accesses that miss the TLB

    def load(self, address, size, user):
        """An unsigned value of 1, 2 or 4 bytes for an instruction; raises #PF."""
        if len(self.system.debug.data):
            self.system.debug.touch(address, size, False)
        return self._load(address, size, user)

    def store(self, address, value, size, user):
        if len(self.system.debug.data):
            self.system.debug.touch(address, size, True)
        self._store(address, value, size, user, True)

    def _load(self, address, size, user):
        if (address & 0xfff) + size > 4096:
            value = 0
            for k in range(size):
                value |= self._load((address + k) & M32, 1, user) << (8 * k)
            return value
        physical = self.physical(address, READ, user)
        self._fill(address, physical, user, False)
        return self.system.read_physical(physical, size)

    def _store(self, address, value, size, user, instruction):
        """`instruction`: whether the running instruction can be begun again, see CodeCache.before_store."""
        if (address & 0xfff) + size > 4096:
            # both pages must take the write before either is changed
            first = self.physical(address, WRITE, user)
            last = self.physical((address + size - 1) & PAGE, WRITE, user)      # CR2: the first byte that cannot be written
            if instruction:
                self._leave_code(first, last, size)
            for k in range(size):
                self._store((address + k) & M32, (value >> (8 * k)) & 0xff, 1, user, False)
            return
        physical = self.physical(address, WRITE, user)
        if instruction:
            self._leave_code(physical, physical, size)
        self._fill(address, physical, user, True)
        self.system.write_physical(physical, value, size)

    def _leave_code(self, first, last, size):
        """An instruction is about to write from `first` on, or to the beginning of the page `last` too."""
        code = self.system.code
        if self.memory.contains(first, 1) and self.memory.has_code(first):
            code.before_store(first, size)
        if last != first and self.memory.contains(last, 1) and self.memory.has_code(last):
            code.before_store(last, size)

    def enter(self, address, write, user):
        """Enter the page of an address that is about to be accessed into the TLB, as that access would, unless it must be seen."""
        physical = self.physical(address, WRITE if write else READ, user)
        if not (write and self.memory.contains(physical, 1) and self.memory.has_code(physical)):
            self._fill(address, physical, user, write)

    def prepare_write(self, address, size, user):
        """Raise what a write would raise; the machine-physical address if it is plain RAM in one page without code, else -1."""
        if len(self.system.debug.data):
            self.system.debug.touch(address, size, True)
        physical = self.physical(address, WRITE, user)
        if (address & 0xfff) + size > 4096:
            last = self.physical((address + size - 1) & PAGE, WRITE, user)      # CR2: the first byte that cannot be written
            self._leave_code(physical, last, size)
            return -1
        self._leave_code(physical, physical, size)
        self._fill(address, physical, user, True)
        if not self.memory.contains(physical, size) or self.system.is_device(physical) or self.memory.tells_writes(physical):
            return -1
        return physical


def is_malformed_pdpte(entry):
    """Whether a present entry of the page-directory-pointer table has reserved bits."""
    return entry & PTE_P != 0 and (entry < 0 or entry & PDPTE_RESERVED != 0)


def uses_pae(cr0, cr4):
    return cr0 & CR0_PG != 0 and cr4 & CR4_PAE != 0
