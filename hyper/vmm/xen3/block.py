"""The back end of a virtual block device: a disk of the hypervisor's for a front end that finds it in the store and sends requests through a ring in
a page it grants.

Both sides tell in the store what state they are in. The front end writes the reference of the ring and the number of its event channel, and that it
is initialised; the back end connects, writes the size of the disk, and that it is connected. Requests are done in the order they come, at once.

The ring: {u32 req_prod, req_event, rsp_prod, rsp_event}, and from byte 64 on 32 entries of 108 bytes, each a request {u8 operation, u8 segments,
u16 handle, u64 id, u64 sector, 11 times {u32 grant, u8 first sector, u8 last sector, u16}} or an answer {u64 id, u8 operation, s16 status}.
"""
from hyper.board.disk import DiskError, SECTOR
from hyper.options import CDROM
from hyper.vmm.para.layout import FRAME, M32
from hyper.vmm.xen3.channels import NO_PORT, Receiver
from hyper.vmm.xen3.grants import NOT_GRANTED
from hyper.vmm.xen3.layout import BACKEND
from hyper.vmm.xen3.store.tree import Watch

INITIALISING, INITIALISED_WAIT, INITIALISED, CONNECTED, CLOSING, CLOSED = range(1, 7)
MAJOR = 202                     # of device numbers: xvda is 202 << 8, the others follow at distances of 16
DEVICE_STEP = 16
ABI = 'x86_32-abi'
REQUEST_PRODUCED, REQUEST_EVENT, ANSWER_PRODUCED, ANSWER_EVENT, FIRST_ENTRY = 0, 4, 8, 12, 64
ENTRIES, ENTRY_SIZE = 32, 108
MOST_SEGMENTS = 11
SECTORS_OF_PAGE = FRAME // SECTOR
READ, WRITE, BARRIER, FLUSH = range(4)
OKAY, FAILED, NOT_SUPPORTED = 0, -1, -2
IS_CDROM, IS_READ_ONLY = 1, 4
NO_RING = -1


class FrontWatch(Watch):
    """The back end looks at what the front end says of itself."""

    def __init__(self, path, backend):
        Watch.__init__(self, path)
        self.backend = backend

    def fire(self, path):
        if path == self.path:
            self.backend.front_changed()


class BlockBackend(Receiver):
    """`index` is the number of the disk among those of the Xen3Domain `domain`."""

    def __init__(self, domain, store, drive, index):
        self.domain = domain
        self.memory = domain.paging.memory
        self.store = store
        self.disk = drive.disk
        self.is_cdrom = drive.interface == CDROM
        self.number = (MAJOR << 8) + index * DEVICE_STEP
        self.name = 'xvd' + chr(ord('a') + index)
        self.front = '/local/domain/%d/device/vbd/%d' % (domain.identity, self.number)
        self.back = '/local/domain/%d/backend/vbd/%d/%d' % (BACKEND, domain.identity, self.number)
        self.state = INITIALISED_WAIT
        self.ring = NO_RING             # machine address
        self.reference = 0
        self.port = NO_PORT
        self.consumed = 0               # requests
        self.produced = 0               # answers
        self.watch = None

    def publish(self):
        """Tells of the device in the store."""
        store = self.store
        store.give(self.front, self.domain.identity, BACKEND)
        store.give(self.back, BACKEND, self.domain.identity)
        kind = 'disk'
        if self.is_cdrom:
            kind = 'cdrom'
        for name, text in [('backend', self.back), ('backend-id', '%d' % BACKEND), ('virtual-device', '%d' % self.number), ('device-type', kind)]:
            store.put(self.front + '/' + name, text)
        mode = 'w'
        if self.disk.read_only:
            mode = 'r'
        for name, text in [('frontend', self.front), ('frontend-id', '%d' % self.domain.identity), ('dev', self.name), ('device-type', kind),
                           ('mode', mode), ('online', '1'), ('removable', '0'), ('feature-barrier', '1'), ('feature-flush-cache', '1')]:
            store.put(self.back + '/' + name, text)
        self.tell(INITIALISED_WAIT)
        store.put(self.front + '/state', '%d' % INITIALISING)
        self.watch = FrontWatch(self.front + '/state', self)
        store.watches.append(self.watch)

    def withdraw(self):
        """The domain has ended."""
        self.disconnect()
        if self.watch is not None:
            self.store.watches.remove(self.watch)
            self.watch = None
        self.store.discard(self.back)

    def tell(self, state):
        self.state = state
        self.store.put(self.back + '/state', '%d' % state)

    def front_changed(self):
        text = self.store.get(self.front + '/state')
        if text == '3' or text == '4':          # initialised, or connected
            if self.state == INITIALISED_WAIT:
                if self.connect():
                    self.tell(CONNECTED)
                else:
                    self.disconnect()
                    self.tell(CLOSED)
        elif text == '5':
            if self.state == CONNECTED:
                self.tell(CLOSING)
        elif text == '6':
            self.disconnect()
            self.tell(CLOSED)
        elif text == '1':
            self.disconnect()
            if self.state != INITIALISED_WAIT:
                self.tell(INITIALISED_WAIT)

    def connect(self):
        """False if the front end has not told what it takes."""
        store = self.store
        protocol = store.get(self.front + '/protocol')
        if protocol != '' and protocol != ABI:
            return False
        self.reference = small(store.get(self.front + '/ring-ref'))
        self.port = small(store.get(self.front + '/event-channel'))
        ring = self.domain.grants.take(self.reference, BACKEND, True)
        if ring == NOT_GRANTED:
            return False
        self.ring = ring
        if not self.domain.ports.attach(self.port, self):
            return False
        self.consumed = 0
        self.produced = 0
        info = 0
        if self.is_cdrom:
            info |= IS_CDROM
        if self.disk.read_only:
            info |= IS_READ_ONLY
        for name, value in [('sectors', self.disk.sectors), ('sector-size', SECTOR), ('info', info)]:
            store.put(self.back + '/' + name, '%d' % value)
        return True

    def disconnect(self):
        if self.ring != NO_RING:
            self.domain.ports.detach(self.port, self)
            self.domain.grants.give_back(self.reference, self.ring, True)
            self.ring = NO_RING

    # -- requests

    def kicked(self):
        memory = self.memory
        while self.ring != NO_RING:
            waiting = memory.read32(self.ring + REQUEST_PRODUCED) - self.consumed & M32
            if waiting > ENTRIES:
                self.disconnect()               # the front end has broken its ring
                self.tell(CLOSED)
                return
            if waiting == 0:
                memory.write32(self.ring + REQUEST_EVENT, self.consumed + 1 & M32)
                return
            self.one(self.ring + FIRST_ENTRY + self.consumed % ENTRIES * ENTRY_SIZE)

    def one(self, at):
        """Does the request at a machine address."""
        memory = self.memory
        operation = memory.read8(at)
        count = memory.read8(at + 1)
        low = memory.read32(at + 4)
        high = memory.read32(at + 8)
        sector = memory.read32(at + 12) | memory.read32(at + 16) << 32
        segments = memory.read_bytes(at + 20, 8 * MOST_SEGMENTS)
        self.consumed = self.consumed + 1 & M32
        status = self.carry_out(operation, count, sector, segments)
        at = self.ring + FIRST_ENTRY + self.produced % ENTRIES * ENTRY_SIZE
        memory.write32(at, low)
        memory.write32(at + 4, high)
        memory.write8(at + 8, operation)
        memory.write16(at + 10, status & 0xffff)
        self.produced = self.produced + 1 & M32
        memory.write32(self.ring + ANSWER_PRODUCED, self.produced)
        if memory.read32(self.ring + ANSWER_EVENT) == self.produced:
            self.domain.ports.set_pending(self.port)

    def carry_out(self, operation, count, sector, segments):
        """The status."""
        if operation > FLUSH:
            return NOT_SUPPORTED
        if count > MOST_SEGMENTS or count == 0 and operation != FLUSH and operation != BARRIER:
            return FAILED
        if operation != READ and self.disk.read_only:
            return FAILED
        try:
            if operation == FLUSH or operation == BARRIER:
                self.disk.flush()
            for k in range(count):
                size = self.transfer(operation != READ, sector, segments, 8 * k)
                if size == 0:
                    return FAILED
                sector += size
            if operation == BARRIER:
                self.disk.flush()
        except DiskError:
            return FAILED
        return OKAY

    def transfer(self, is_write, sector, segments, at):
        """One segment; how many sectors, 0 if it cannot be."""
        assert at >= 0
        reference = ord(segments[at]) | ord(segments[at + 1]) << 8 | ord(segments[at + 2]) << 16 | ord(segments[at + 3]) << 24
        first = ord(segments[at + 4])
        last = ord(segments[at + 5])
        count = last - first + 1
        if count <= 0 or last >= SECTORS_OF_PAGE or not self.disk.contains(sector, count):
            return 0
        grants = self.domain.grants
        page = grants.take(reference, BACKEND, not is_write)
        if page == NOT_GRANTED:
            return 0
        try:
            if is_write:
                self.disk.write(sector, self.memory.read_bytes(page + first * SECTOR, count * SECTOR))
            else:
                self.memory.write_bytes(page + first * SECTOR, self.disk.read(sector, count))
        finally:
            grants.give_back(reference, page, not is_write)
        self.domain.paging.work += count * SECTOR
        return count


def small(text):
    """A number of few decimal digits, -1 if it is none."""
    if text == '' or len(text) > 9:
        return -1
    value = 0
    for character in text:
        if not '0' <= character <= '9':
            return -1
        value = value * 10 + ord(character) - ord('0')
    return value
