"""What the TLB held of one guest, while the processor runs another: as with a VPID (SDM vol. 3, 28.3), but put aside and brought back.

Only translations for data are kept. Each is two words: the linear page, with what is to be known of the entry in its low bits, and the addend.
"""
from hyper.board import raw
from hyper.cpu.mode import ADDEND, PAGE, READ_TAG, STATE, WRITE_TAG

MOST = 512                              # TLB entries that are put aside of a guest, those filled last
LOGGED, GLOBAL, LARGE = 1, 2, 4         # STATE of a TLB entry: see mmu.py
SUPERVISOR, WRITABLE = 1, 8             # of a kept page, beside GLOBAL and LARGE
CR0_BITS = 1 << 31 | 1 << 16 | 1        # PG, WP, PE
CR4_PAE = 1 << 5
CR4_BITS = 1 << 7 | CR4_PAE | 1 << 4    # PGE, PAE, PSE


class Translations(object):
    """`words` holds `count` translations. The others say in what state of the processor they were made: they are good for no other."""

    def __init__(self):
        self.words = [0] * 64
        self.count = 0
        self.generation = 0
        self.cr0 = 0
        self.cr3 = 0
        self.cr4 = 0
        self.efer = 0
        self.ept_pointer = 0
        self.limit = 0
        self.pdptes = [0] * 4

    def forget(self):
        self.count = 0

    def note(self, system, generation, ept_pointer):
        """They are made in this state."""
        self.generation = generation
        self.cr0 = system.cr0 & CR0_BITS
        self.cr3 = system.cr3
        self.cr4 = system.cr4 & CR4_BITS
        self.efer = system.efer
        self.ept_pointer = ept_pointer
        self.limit = system.tlb_limit
        for k in range(4):
            self.pdptes[k] = system.pdptes[k]

    def are_good(self, system, generation, ept_pointer):
        """In the state of now."""
        if (self.generation != generation or self.cr0 != system.cr0 & CR0_BITS or self.cr3 != system.cr3 or self.cr4 != system.cr4 & CR4_BITS or
                self.efer != system.efer or self.ept_pointer != ept_pointer or self.limit != system.tlb_limit):
            return False
        if system.cr4 & CR4_PAE:
            for k in range(4):
                if self.pdptes[k] != system.pdptes[k]:
                    return False
        return True

    def make_room(self, entries):
        """For both banks."""
        if len(self.words) < 4 * entries:
            self.words = [0] * (8 * entries)

    def keep(self, tlb, i, bank):
        """The entry at `i` of a bank of the TLB, if it is one."""
        page = raw.load64(tlb, i + READ_TAG)
        if page < 0:
            return
        bits = raw.load64(tlb, i + STATE) & (GLOBAL | LARGE) | bank
        if raw.load64(tlb, i + WRITE_TAG) == page:
            bits |= WRITABLE
        at = 2 * self.count
        assert at >= 0
        self.words[at] = page | bits
        self.words[at + 1] = raw.load64(tlb, i + ADDEND)
        self.count += 1

    def written(self):
        """Addresses of the frames that can be written to through them."""
        frames = []
        for k in range(self.count):
            if self.words[2 * k] & WRITABLE:
                frames.append((self.words[2 * k] & PAGE) + self.words[2 * k + 1])
        return frames
