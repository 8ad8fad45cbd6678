"""A domain's connection to the store: a page with a ring for requests and one for answers, and an event channel.

The page: 1024 bytes of requests, 1024 of answers, then the counters req_cons, req_prod, rsp_cons, rsp_prod, which run on and wrap at 2^32. A message is
{u32 type, request, transaction, length} and its contents, of 4096 bytes at most. A guest that breaks the ring or the form of messages is not
listened to any more.
"""
from hyper.loader.file import pack32
from hyper.vmm.para.layout import M32
from hyper.vmm.xen3.channels import NO_PORT, Receiver
from hyper.vmm.xen3.store.tree import (LETTERS, MOST_PATH, MOST_RELATIVE_PATH, MOST_RIGHTS, MOST_TRANSACTIONS, MOST_WATCHES, Right, StoreError,
                                       Watch)

(DEBUG, DIRECTORY, READ, GET_PERMS, WATCH, UNWATCH, TRANSACTION_START, TRANSACTION_END, INTRODUCE, RELEASE, GET_DOMAIN_PATH, WRITE, MKDIR, RM, SET_PERMS,
 WATCH_EVENT, ERROR, IS_DOMAIN_INTRODUCED, RESUME, SET_TARGET, RESTRICT, RESET_WATCHES, DIRECTORY_PART) = range(23)

RING = 1024
REQUESTS, ANSWERS = 0, RING
REQUEST_CONSUMED, REQUEST_PRODUCED, ANSWER_CONSUMED, ANSWER_PRODUCED = range(2 * RING, 2 * RING + 16, 4)
HEADER = 16
MOST_CONTENTS = 4096
MOST_WAITING = 1 << 18          # bytes of answers and events that the guest has not taken
OK = 'OK\x00'
SPECIAL = '@'                   # first character of the paths of events that are no node's


class Transaction(object):
    def __init__(self, number, store):
        self.number = number
        self.generation = store.generation
        self.root = store.root.copy()
        self.changed = []               # paths, in order
        self.removed = []               # for each of them whether it was removed


class GuestWatch(Watch):
    """Of a guest, who sees its path as it has given it, perhaps relative to its own directory of the length `cut`, and a token."""

    def __init__(self, connection, path, token, cut):
        Watch.__init__(self, path)
        self.connection = connection
        self.token = token
        self.cut = cut

    def fire(self, path):
        cut = self.cut
        assert cut >= 0
        self.connection.tell(path[cut:] + '\x00' + self.token + '\x00')


class Connection(Receiver):
    """`page` is the machine address of the rings; `home` the path that relative ones start from."""
    _immutable_fields_ = ['domain', 'memory', 'page', 'store', 'home']

    def __init__(self, domain, memory, page, store, home):
        self.domain = domain
        self.memory = memory
        self.page = page
        self.store = store
        self.home = home
        self.port = NO_PORT
        self.request = ''               # the part of a message that has come
        self.answers = ''               # what has no room in the ring yet
        self.broken = False
        self.transactions = []
        self.last_transaction = 0
        self.watches = []

    # -- the rings

    def kicked(self):
        if self.broken:
            return
        moved = self.flush()
        while self.take():
            moved = True
            self.handle_all()
        if self.flush():
            moved = True
        if moved:
            self.domain.ports.set_pending(self.port)

    def take(self):
        """Reads what the guest has put into the ring of requests; whether there was anything."""
        memory = self.memory
        consumed = memory.read32(self.page + REQUEST_CONSUMED)
        size = memory.read32(self.page + REQUEST_PRODUCED) - consumed & M32
        if size > RING:
            self.broken = True
        if size == 0 or self.broken:
            return False
        parts = ['\x00'] * size
        for k in range(size):
            parts[k] = chr(memory.read8(self.page + REQUESTS + (consumed + k & RING - 1)))
        self.request += ''.join(parts)
        memory.write32(self.page + REQUEST_CONSUMED, consumed + size & M32)
        return True

    def flush(self):
        """Puts answers into their ring; whether there were any, and room."""
        memory = self.memory
        produced = memory.read32(self.page + ANSWER_PRODUCED)
        used = produced - memory.read32(self.page + ANSWER_CONSUMED) & M32
        size = min(RING - used, len(self.answers))
        if size <= 0:
            return False
        for k in range(size):
            memory.write8(self.page + ANSWERS + (produced + k & RING - 1), ord(self.answers[k]))
        assert size >= 0
        self.answers = self.answers[size:]
        memory.write32(self.page + ANSWER_PRODUCED, produced + size & M32)
        return True

    def handle_all(self):
        """The messages that have come whole."""
        while len(self.request) >= HEADER and not self.broken:
            size = word(self.request, 12)
            if size > MOST_CONTENTS:
                self.broken = True
                return
            end = HEADER + size
            assert end >= 0
            if len(self.request) < end:
                return
            message = self.request[:end]
            self.request = self.request[end:]
            self.handle(word(message, 0), word(message, 4), word(message, 8), message[HEADER:end])
            self.domain.paging.work += end

    def handle(self, kind, request, transaction, contents):
        try:
            answer = self.answer(kind, transaction, contents)
        except StoreError as error:
            kind = ERROR
            answer = error.name + '\x00'
        self.put(kind, request, transaction, answer)
        if kind == WATCH:
            self.watches[len(self.watches) - 1].fire(self.watches[len(self.watches) - 1].path)

    def put(self, kind, request, transaction, contents):
        if len(self.answers) > MOST_WAITING:
            self.broken = True          # the guest asks and never reads
            return
        self.answers += pack32(kind) + pack32(request) + pack32(transaction) + pack32(len(contents)) + contents

    def tell(self, contents):
        """An event of a watch."""
        if self.broken:
            return
        self.put(WATCH_EVENT, 0, 0, contents)
        if self.flush():
            self.domain.ports.set_pending(self.port)

    # -- requests; they raise StoreError

    def answer(self, kind, number, contents):
        """The contents of the answer."""
        if kind == TRANSACTION_START:
            return self.start()
        if kind == TRANSACTION_END:
            return self.end(number, contents)
        if kind == WATCH:
            return self.watch(contents)
        if kind == UNWATCH:
            return self.unwatch(contents)
        if kind == RESET_WATCHES:
            self.forget()
            return OK
        if kind == GET_DOMAIN_PATH:
            return '/local/domain/%d\x00' % decimal(text_of(contents))
        transaction = self.find_transaction(number)
        root = self.store.root
        if transaction is not None:
            root = transaction.root
        return self.of_node(kind, transaction, root, contents)

    def of_node(self, kind, transaction, root, contents):
        store = self.store
        domain = self.domain.identity
        given = text_of(contents)
        path = self.absolute(given)
        size = len(given) + 1
        if kind == READ:
            return store.read(root, path, domain)
        if kind == DIRECTORY:
            text = ''
            for name in store.directory(root, path, domain):
                text += name + '\x00'
            if len(text) > MOST_CONTENTS:
                raise StoreError('E2BIG')
            return text
        if kind == GET_PERMS:
            node = store.rights(root, path, domain)
            text = '%s%d\x00' % (LETTERS[node.others], node.owner)
            for right in node.granted:
                text += '%s%d\x00' % (LETTERS[right.rights], right.domain)
            return text
        if kind == WRITE:
            store.write(root, path, contents[size:], domain)
        elif kind == MKDIR:
            if store.find(root, path) is not None:
                return OK
            store.make(root, path, domain)
        elif kind == RM:
            store.remove(root, path, domain)
        elif kind == SET_PERMS:
            self.set_rights(root, path, contents[size:])
        else:
            raise StoreError('ENOSYS')
        self.changed(transaction, path, kind == RM)
        return OK

    def set_rights(self, root, path, contents):
        """Texts of a letter and a domain's number; the first is the owner and what others may."""
        texts = contents.split('\x00')
        granted = []
        for k in range(1, len(texts)):
            if texts[k] != '':
                granted.append(Right(decimal(texts[k][1:]), rights_of(texts[k])))
        if texts[0] == '' or len(granted) > MOST_RIGHTS:
            raise StoreError('EINVAL')
        self.store.set_rights(root, path, self.domain.identity, decimal(texts[0][1:]), rights_of(texts[0]), granted)

    def changed(self, transaction, path, gone):
        if transaction is not None:
            transaction.changed.append(path)
            transaction.removed.append(gone)
        elif gone:
            self.store.removed(path)
        else:
            self.store.changed(path)

    def absolute(self, path):
        if path != '' and path[0] == '/':
            return path
        if len(path) > MOST_RELATIVE_PATH or path == '':
            raise StoreError('EINVAL')
        return self.home + '/' + path

    # -- transactions

    def start(self):
        if len(self.transactions) >= MOST_TRANSACTIONS:
            raise StoreError('EBUSY')
        self.domain.paging.work += self.store.size()
        self.last_transaction += 1
        self.transactions.append(Transaction(self.last_transaction, self.store))
        return '%d\x00' % self.last_transaction

    def find_transaction(self, number):
        if number == 0:
            return None
        for transaction in self.transactions:
            if transaction.number == number:
                return transaction
        raise StoreError('ENOENT')

    def end(self, number, contents):
        transaction = self.find_transaction(number)
        if transaction is None:
            raise StoreError('ENOENT')
        self.transactions.remove(transaction)
        store = self.store
        if text_of(contents) == 'F' or len(transaction.changed) == 0:
            store.recount()             # what was made in the copy is gone
            return OK
        if store.generation != transaction.generation:
            store.recount()
            raise StoreError('EAGAIN')
        store.root = transaction.root
        store.recount()
        for k in range(len(transaction.changed)):
            if transaction.removed[k]:
                store.removed(transaction.changed[k])
            else:
                store.changed(transaction.changed[k])
        return OK

    # -- watches

    def watch(self, contents):
        given = text_of(contents)
        start = len(given) + 1
        token = text_of(contents[start:])
        path = given
        cut = 0
        if given == '' or given[0] != SPECIAL:
            path = self.absolute(given)
            self.store.check(path)
            if given[0] != '/':
                cut = len(self.home) + 1
        if len(self.watches) >= MOST_WATCHES or len(path) > MOST_PATH:
            raise StoreError('E2BIG')
        for watch in self.watches:
            if watch.path == path and watch.token == token:
                raise StoreError('EEXIST')
        watch = GuestWatch(self, path, token, cut)
        self.watches.append(watch)
        self.store.watches.append(watch)
        return OK

    def unwatch(self, contents):
        given = text_of(contents)
        start = len(given) + 1
        token = text_of(contents[start:])
        path = given
        if given == '' or given[0] != SPECIAL:
            path = self.absolute(given)
        for watch in self.watches:
            if watch.path == path and watch.token == token:
                self.watches.remove(watch)
                self.store.watches.remove(watch)
                return OK
        raise StoreError('ENOENT')

    def forget(self):
        """No watches, no transactions."""
        for watch in self.watches:
            self.store.watches.remove(watch)
        self.watches = []
        self.transactions = []
        self.store.recount()


def word(text, at):
    assert at >= 0
    return ord(text[at]) | ord(text[at + 1]) << 8 | ord(text[at + 2]) << 16 | ord(text[at + 3]) << 24


def text_of(contents):
    """The text that a zero ends; raises StoreError if none does."""
    end = contents.find('\x00')
    if end < 0:
        raise StoreError('EINVAL')
    assert end >= 0
    return contents[:end]


def decimal(text):
    if text == '' or len(text) > 5:
        raise StoreError('EINVAL')
    value = 0
    for character in text:
        if not '0' <= character <= '9':
            raise StoreError('EINVAL')
        value = value * 10 + ord(character) - ord('0')
    return value


def rights_of(text):
    for k in range(len(LETTERS)):
        if text[0] == LETTERS[k]:
            return k
    raise StoreError('EINVAL')
