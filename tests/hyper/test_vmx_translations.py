"""Translations of a guest are put aside while another one runs, and are good only if nothing has happened that makes them stale."""
import pytest

from hyper.cpu import translations
from hyper.cpu.faults import GuestFault
from hyper.vmx import exits, fields, reasons
from vmx_parts import OTHER_VMCS, VMCS, enter, fill, load, make

TABLES = {VMCS: (0x40000, 0x41000), OTHER_VMCS: (0x42000, 0x43000)}        # a directory and a table
FRAMES = {VMCS: 0x50000, OTHER_VMCS: 0x60000}                               # what their pages from PAGES on lead to
ELSEWHERE = 0x70000
PAGES = 0x10000
PRESENT, WRITE, LARGE, GLOBAL = 1, 2, 0x80, 0x100
NOBODY = 0xffffffff


class Guests(object):
    """Two guests with tables of their own, that are entered by turns and access memory as their kernels would."""

    def __init__(self):
        self.vmx = make()
        self.system = self.vmx.system
        self.memory = self.vmx.memory
        self.mmu = self.system.mmu
        self.launched = []
        for guest in (VMCS, OTHER_VMCS):
            load(self.vmx, guest)
            fill(self.vmx)
            directory, table = TABLES[guest]
            self.vmx.vmwrite(fields.GUEST_CR3, directory)
            self.memory.write32(directory, table | 3)
            for k in range(16):
                self.map(guest, PAGES + 0x1000 * k, FRAMES[guest] + 0x1000 * k)
                self.memory.write32(FRAMES[guest] + 0x1000 * k, guest + k)

    def map(self, guest, page, frame, bits=PRESENT | WRITE):
        """In memory; the processor is not told."""
        self.memory.write32(TABLES[guest][1] + (page >> 12) * 4, frame | bits)

    def unmap(self, guest, page):
        self.map(guest, page, 0, 0)

    def enter(self, guest):
        if self.system.vmx_non_root:
            exits.vm_exit(self.system, reasons.HLT)
        self.vmx.vmptrld(guest)
        enter(self.vmx, guest not in self.launched)
        self.launched.append(guest)
        assert self.system.vmx_non_root, self.vmx.failed_check

    def leave(self):
        exits.vm_exit(self.system, reasons.HLT)

    def read(self, page):
        return self.mmu.read(page, 4, False)

    def write(self, page, value):
        self.mmu.write(page, value, 4, False)

    def use(self, guest, page=PAGES):
        """The guest reads and writes a page, so that the TLB has it."""
        self.enter(guest)
        self.write(page, self.read(page))

    def holds(self, page=PAGES):
        """Whether the TLB has the page, as nothing in the tables leads to it."""
        try:
            return self.read(page) != NOBODY
        except GuestFault:
            return False


def test_translations_are_kept_while_another_guest_runs():
    guests = Guests()
    guests.use(VMCS)
    guests.enter(OTHER_VMCS)
    guests.unmap(VMCS, PAGES)
    guests.enter(VMCS)
    assert guests.read(PAGES) == VMCS
    guests.write(PAGES, 5)
    assert guests.memory.read32(FRAMES[VMCS]) == 5


def test_those_of_one_guest_are_not_used_for_another():
    guests = Guests()
    guests.use(VMCS)
    guests.enter(OTHER_VMCS)
    assert guests.read(PAGES) == OTHER_VMCS
    guests.write(PAGES, 5)
    guests.enter(VMCS)
    assert guests.read(PAGES) == VMCS
    guests.enter(OTHER_VMCS)
    assert guests.read(PAGES) == 5


def test_a_translation_for_reading_does_not_come_back_as_one_for_writing():
    guests = Guests()
    guests.map(VMCS, PAGES, FRAMES[VMCS], PRESENT)
    guests.vmx.vmptrld(VMCS)
    guests.vmx.vmwrite(fields.GUEST_CR0, 0x80010031)
    guests.enter(VMCS)
    assert guests.read(PAGES) == VMCS
    guests.enter(OTHER_VMCS)
    guests.enter(VMCS)
    with pytest.raises(GuestFault):
        guests.write(PAGES, 5)


def test_user_and_supervisor_translations_stay_apart():
    guests = Guests()
    guests.use(VMCS)
    guests.enter(OTHER_VMCS)
    guests.enter(VMCS)
    with pytest.raises(GuestFault):
        guests.mmu.read(PAGES, 4, True)


def write_cr3(guests):
    guests.vmx.vmwrite(fields.GUEST_CR3, TABLES[VMCS][0])


def invalidate(guests):
    guests.vmx.invalidate(PAGES)


@pytest.mark.parametrize('drop', [write_cr3, invalidate])
@pytest.mark.parametrize('others', [0, 1, 2])
def test_what_the_vmm_drops_is_gone_whichever_guest_ran_last(drop, others):
    guests = Guests()
    guests.use(VMCS)
    guests.use(OTHER_VMCS)
    if others == 0:
        guests.enter(VMCS)
    guests.leave()
    guests.unmap(VMCS, PAGES)
    guests.vmx.vmptrld(VMCS)
    drop(guests)
    if others == 2:
        guests.enter(OTHER_VMCS)
    guests.enter(VMCS)
    assert not guests.holds()
    guests.enter(OTHER_VMCS)
    guests.enter(VMCS)
    assert not guests.holds()


@pytest.mark.parametrize('drop', [write_cr3, invalidate])
def test_what_the_vmm_drops_of_one_guest_stays_of_the_other(drop):
    guests = Guests()
    guests.use(VMCS)
    guests.use(OTHER_VMCS)
    guests.leave()
    guests.unmap(OTHER_VMCS, PAGES)
    guests.vmx.vmptrld(VMCS)
    drop(guests)
    guests.enter(OTHER_VMCS)
    assert guests.holds()


def flush_all(guests):
    guests.vmx.flush()


def watch(guests):
    guests.system.debug.write(0, PAGES)
    guests.system.debug.write(7, 0xf0001)
    guests.system.debug.write(7, 0)


def clear_vmcs(guests):
    launch = guests.vmx.memory.read32(VMCS)
    guests.leave()
    guests.vmx.vmclear(VMCS)
    guests.launched.remove(VMCS)
    assert guests.vmx.memory.read32(VMCS) == launch


@pytest.mark.parametrize('happens', [flush_all, watch, clear_vmcs])
def test_what_concerns_all_guests_drops_what_was_put_aside(happens):
    guests = Guests()
    guests.use(VMCS)
    guests.enter(OTHER_VMCS)
    guests.unmap(VMCS, PAGES)
    happens(guests)
    guests.enter(VMCS)
    assert not guests.holds()


@pytest.mark.parametrize('field, value', [(fields.GUEST_CR0, 0x80010031), (fields.GUEST_CR4, 0x2090), (fields.GUEST_SS_LIMIT, 0xfffff)])
def test_they_are_not_good_for_another_paging_mode_or_another_limit_of_segments(field, value):
    guests = Guests()
    guests.use(VMCS)
    guests.enter(OTHER_VMCS)
    guests.leave()
    guests.unmap(VMCS, PAGES)
    guests.vmx.vmptrld(VMCS)
    guests.vmx.vmwrite(field, value)
    if field == fields.GUEST_SS_LIMIT:
        for segment in (fields.GUEST_ES_LIMIT, fields.GUEST_DS_LIMIT):
            guests.vmx.vmwrite(segment, value)
        for segment in (fields.GUEST_ES_ACCESS, fields.GUEST_SS_ACCESS, fields.GUEST_DS_ACCESS):
            guests.vmx.vmwrite(segment, 0x4093)
    guests.enter(VMCS)
    assert not guests.holds()


def test_the_guests_own_change_of_cr3_keeps_those_of_others():
    from hyper.cpu import control
    guests = Guests()
    guests.use(OTHER_VMCS)
    guests.use(VMCS)
    guests.unmap(VMCS, PAGES)
    guests.unmap(OTHER_VMCS, PAGES)
    control.load_cr3(guests.system, TABLES[VMCS][0])
    assert not guests.holds()
    guests.enter(OTHER_VMCS)
    assert guests.holds()
    guests.enter(VMCS)
    assert not guests.holds()


def test_writes_to_a_frame_that_code_was_decoded_from_meanwhile_are_seen():
    guests = Guests()
    guests.use(VMCS)
    guests.enter(OTHER_VMCS)
    guests.map(OTHER_VMCS, PAGES + 0x1000, FRAMES[VMCS])
    page = guests.system.code.page(guests.system.mode, PAGES + 0x1000)
    page.block_at(PAGES + 0x1000)
    guests.enter(VMCS)
    guests.write(PAGES, 0x90909090)
    assert not page.valid or FRAMES[VMCS] not in guests.system.code.frames


def test_writes_to_a_frame_that_is_logged_meanwhile_are_seen():
    guests = Guests()
    guests.use(VMCS)
    guests.enter(OTHER_VMCS)
    guests.memory.log_writes([FRAMES[VMCS] >> 12])
    guests.enter(VMCS)
    guests.write(PAGES, 1)
    assert guests.memory.written_frames() == [FRAMES[VMCS] >> 12]


def test_parts_of_a_large_page_are_invalidated_together_after_they_came_back():
    guests = Guests()
    directory = TABLES[VMCS][0]
    guests.memory.write32(directory, PRESENT | WRITE | LARGE)
    guests.use(VMCS, 0x50000)
    guests.use(VMCS, 0x51000)
    guests.enter(OTHER_VMCS)
    guests.mmu.invalidate_region(0)
    guests.enter(VMCS)
    guests.memory.write32(directory, 0)
    assert guests.holds(0x50000) and guests.holds(0x51000)
    guests.mmu.invalidate(0x50000)
    assert not guests.holds(0x51000)


def test_global_translations_are_still_global():
    guests = Guests()
    guests.vmx.vmptrld(VMCS)
    guests.vmx.vmwrite(fields.GUEST_CR4, 0x2090)
    guests.map(VMCS, PAGES, FRAMES[VMCS], PRESENT | WRITE | GLOBAL)
    guests.use(VMCS, PAGES)
    guests.use(VMCS, PAGES + 0x1000)
    guests.enter(OTHER_VMCS)
    guests.enter(VMCS)
    guests.unmap(VMCS, PAGES)
    guests.unmap(VMCS, PAGES + 0x1000)
    guests.mmu.flush_local()
    assert guests.holds(PAGES) and not guests.holds(PAGES + 0x1000)


def test_only_the_last_ones_are_kept_of_very_many(monkeypatch):
    monkeypatch.setattr('hyper.cpu.mmu.MOST', 3)
    guests = Guests()
    for k in range(6):
        guests.use(VMCS, PAGES + 0x1000 * k)
    guests.enter(OTHER_VMCS)
    for k in range(6):
        guests.unmap(VMCS, PAGES + 0x1000 * k)
    guests.enter(VMCS)
    assert [guests.holds(PAGES + 0x1000 * k) for k in range(6)] == [False] * 3 + [True] * 3


def test_room_grows_with_what_there_is_to_keep():
    kept = translations.Translations()
    kept.make_room(100)
    assert len(kept.words) >= 400
