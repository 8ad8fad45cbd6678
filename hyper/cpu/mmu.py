"""The memory-management unit: paging (SDM vol. 3, chapter 4), the software TLBs, accesses that miss them, device memory.

Addresses: a linear address is translated by the guest's tables to a guest-physical one, and that, where EPT is on, to a machine-physical one
(`system.ept`); without EPT the two are the same.
"""
from hyper.board import raw
from hyper.cpu import faults
from hyper.cpu.mode import TLB_ENTRIES, TLB_ENTRY, TLB_INDEX, TLB_SIZE, READ_TAG, WRITE_TAG, ADDEND, PAGE

M32 = 0xffffffff
CR0_PE, CR0_WP, CR0_PG = 1 << 0, 1 << 16, 1 << 31
CR4_PSE = 1 << 4
PTE_P, PTE_W, PTE_U, PTE_A, PTE_D, PTE_PS = 1, 2, 4, 32, 64, 128
READ, WRITE, FETCH = 0, 1, 2
LOG_SIZE = 2 * TLB_ENTRIES      # entries remembered as filled; only if there were still more must all be looked through

HIGH_ENTRIES = 16       # translations of pages above the limit of flat segments, a power of two


class MMU(object):
    """Translates and accesses linear memory for `system`. `user` says whether an access is made with user privilege (U/S of the page tables)."""

    def __init__(self, system):
        self.system = system
        self.memory = system.memory
        self.fill_log = [0] * LOG_SIZE
        self.filled = 0
        # pages that no flat segment reaches, and so no hit in the banks may: only the processor itself reads them, as descriptor tables
        self.high_tags = [-1] * HIGH_ENTRIES
        self.high_addends = [0] * HIGH_ENTRIES
        self.high_filled = False
        self.clear()

    # -- the TLB

    def clear(self):
        i = 0
        while i < TLB_SIZE:
            self.clear_entry(i)
            i += TLB_ENTRY
        self.filled = 0
        self.forget_high()

    def forget_high(self):
        for k in range(HIGH_ENTRIES):
            self.high_tags[k] = -1
        self.high_filled = False

    def clear_entry(self, i):
        system = self.system
        raw.store64(system.user_tlb, i + READ_TAG, -1)
        raw.store64(system.user_tlb, i + WRITE_TAG, -1)
        raw.store64(system.supervisor_tlb, i + READ_TAG, -1)
        raw.store64(system.supervisor_tlb, i + WRITE_TAG, -1)

    def flush(self):
        """Forget all translations (a write to CR3, a VM entry or exit)."""
        if self.filled > LOG_SIZE:
            self.clear()
        else:
            for k in range(self.filled):
                self.clear_entry(self.fill_log[k])
            self.filled = 0
        if self.high_filled:
            self.forget_high()
        self.system.code.flush()

    def invalidate(self, address):
        """INVLPG: forget the translation of one page (all of the 4 MB page that it may lie in: entries are of 4 KB)."""
        self.clear_entry((address >> 7) & TLB_INDEX)
        self.high_tags[(address >> 12) & (HIGH_ENTRIES - 1)] = -1
        self.system.code.invalidate(address)

    def protect_frame(self, frame):
        """Forget the write tags that lead to a physical frame: code was decoded from it, so writes must be seen."""
        system = self.system
        if self.filled <= LOG_SIZE:
            for k in range(self.filled):
                self._protect_entry(system.user_tlb, self.fill_log[k], frame)
                self._protect_entry(system.supervisor_tlb, self.fill_log[k], frame)
            return
        i = 0
        while i < TLB_SIZE:
            self._protect_entry(system.user_tlb, i, frame)
            self._protect_entry(system.supervisor_tlb, i, frame)
            i += TLB_ENTRY

    def _protect_entry(self, tlb, i, frame):
        tag = raw.load64(tlb, i + WRITE_TAG)
        if tag >= 0 and tag + raw.load64(tlb, i + ADDEND) == frame:
            raw.store64(tlb, i + WRITE_TAG, -1)

    def _fill(self, address, physical, user, write):
        """Enter a page of RAM into the bank of `user`."""
        system = self.system
        page = address & PAGE
        frame = physical & PAGE
        if not self.memory.contains(frame, 4096) or system.is_device(frame):
            return
        if page + 0xfff > system.tlb_limit:
            if not user:
                k = (page >> 12) & (HIGH_ENTRIES - 1)
                self.high_tags[k] = page
                self.high_addends[k] = frame - page
                self.high_filled = True
            return
        tlb = system.user_tlb if user else system.supervisor_tlb
        i = (address >> 7) & TLB_INDEX
        before = raw.load64(tlb, i + READ_TAG)
        if before != page:
            raw.store64(tlb, i + WRITE_TAG, -1)
            raw.store64(tlb, i + READ_TAG, page)
            if before == -1:
                if self.filled < LOG_SIZE:
                    self.fill_log[self.filled] = i
                self.filled += 1
        raw.store64(tlb, i + ADDEND, frame - page)
        if write and not self.memory.has_code(frame):
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
        """Walk the guest's page tables (32-bit paging, SDM vol. 3, 4.3)."""
        system = self.system
        if system.cr0 & CR0_PG == 0:
            return address
        memory = self.memory
        write = access == WRITE
        error = int(write) * faults.PF_WRITE | int(user) * faults.PF_USER
        pde_at = self.table_address((system.cr3 & PAGE) + ((address >> 22) << 2), READ, address)
        pde = memory.read32(pde_at)
        if pde & PTE_P == 0:
            raise faults.GuestFault(faults.PF, error, address)
        if pde & PTE_PS and system.cr4 & CR4_PSE:
            if pde & 0x3fe000:          # bits 13-21: reserved, or PSE-36 bits that no model here has
                raise faults.GuestFault(faults.PF, error | faults.PF_PRESENT | faults.PF_RESERVED, address)
            self._check(pde, write, user, error, address)
            self._mark(pde_at, pde, PTE_A | (PTE_D if write else 0), address)
            return (pde & 0xffc00000) | (address & 0x3fffff)
        pte_at = self.table_address((pde & PAGE) + (((address >> 12) & 0x3ff) << 2), READ, address)
        pte = memory.read32(pte_at)
        if pte & PTE_P == 0:
            raise faults.GuestFault(faults.PF, error, address)
        self._check((pde & pte & (PTE_W | PTE_U)) | PTE_P, write, user, error, address)
        self._mark(pde_at, pde, PTE_A, address)
        self._mark(pte_at, pte, PTE_A | (PTE_D if write else 0), address)
        return (pte & PAGE) | (address & 0xfff)

    def _check(self, rights, write, user, error, address):
        if user:
            allowed = rights & PTE_U and (not write or rights & PTE_W)
        else:
            allowed = not write or rights & PTE_W or self.system.cr0 & CR0_WP == 0
        if not allowed:
            raise faults.GuestFault(faults.PF, error | faults.PF_PRESENT, address)

    def _mark(self, entry_at, entry, bits, address):
        if entry & bits != bits:
            if self.system.ept is not None:
                # accessed and dirty bits are written through EPT, which may refuse
                self.system.ept.check_table_write(entry_at, address)
            self.memory.write32(entry_at, entry | bits)

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
        return self.load(address, size, user)

    def write(self, address, value, size, user):
        tlb = self.system.user_tlb if user else self.system.supervisor_tlb
        i = (address >> 7) & TLB_INDEX
        if (address + (size - 1)) & PAGE == raw.load64(tlb, i + WRITE_TAG):
            raw.store(self.memory.storage, address + raw.load64(tlb, i + ADDEND), value, size)
        else:
            self.store(address, value, size, user)

    # -- accesses that miss the TLB

    def load(self, address, size, user):
        """An unsigned value of 1, 2 or 4 bytes; raises #PF."""
        if (address & 0xfff) + size > 4096:
            value = 0
            for k in range(size):
                value |= self.load((address + k) & M32, 1, user) << (8 * k)
            return value
        physical = self.physical(address, READ, user)
        self._fill(address, physical, user, False)
        return self.system.read_physical(physical, size)

    def store(self, address, value, size, user):
        if (address & 0xfff) + size > 4096:
            # both pages must take the write before either is changed
            self.physical(address, WRITE, user)
            self.physical((address + size - 1) & PAGE, WRITE, user)     # CR2: the first byte that cannot be written
            for k in range(size):
                self.store((address + k) & M32, (value >> (8 * k)) & 0xff, 1, user)
            return
        physical = self.physical(address, WRITE, user)
        self._fill(address, physical, user, True)
        self.system.write_physical(physical, value, size)

    def prepare_write(self, address, size, user):
        """Raise what a write would raise; the machine-physical address if it is plain RAM in one page without code, else -1."""
        physical = self.physical(address, WRITE, user)
        if (address & 0xfff) + size > 4096:
            self.physical((address + size - 1) & PAGE, WRITE, user)     # CR2: the first byte that cannot be written
            return -1
        self._fill(address, physical, user, True)
        if not self.memory.contains(physical, size) or self.system.is_device(physical) or self.memory.has_code(physical):
            return -1
        return physical
