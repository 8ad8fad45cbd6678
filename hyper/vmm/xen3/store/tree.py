"""The store: a tree of names with a text at each node, which domains share to find each other's devices. Each node has an owner, who may do everything
with it, and says what others may. A transaction works on a copy of the tree, which takes the place of the tree if nothing has changed meanwhile.
"""
SEPARATOR = '/'
ROOT = '/'
MOST_PATH = 3072
MOST_RELATIVE_PATH = 2048
MOST_TEXT = 2048                # of a node
MOST_NODES = 1000               # that a domain owns
MOST_WATCHES = 128              # of a domain
MOST_TRANSACTIONS = 10          # of a domain at a time
MOST_RIGHTS = 16                # domains that a node tells apart
READ, WRITE = 1, 2
LETTERS = ['n', 'r', 'w', 'b']  # by rights
NOBODY = -1
CHARACTERS = '-/_@'             # of names, beside letters and digits


class StoreError(Exception):
    """`name` is that of an error, as the wire has it."""

    def __init__(self, name):
        self.name = name


class Right(object):
    def __init__(self, domain, rights):
        self.domain = domain
        self.rights = rights


class Node(object):
    """`owner` is a domain's number; `others` are the rights of those domains that are not in `granted` (Rights)."""

    def __init__(self, owner, others, granted):
        self.owner = owner
        self.others = others
        self.granted = granted
        self.text = ''
        self.children = {}
        self.names = []                 # of the children, as they came

    def allows(self, domain, rights):
        return domain == 0 or domain == self.owner or self.rights_of(domain) & rights == rights

    def rights_of(self, domain):
        for right in self.granted:
            if right.domain == domain:
                return right.rights
        return self.others

    def copy(self):
        node = Node(self.owner, self.others, self.granted)      # the list is replaced, never changed
        node.text = self.text
        node.names = self.names[:]
        for name in self.names:
            node.children[name] = self.children[name].copy()
        return node


class Watch(object):
    """Who wants to hear of changes at and below `path` (absolute)."""

    def __init__(self, path):
        self.path = path

    def fire(self, path):
        """The node at a path, or one below that which is watched, has changed."""


class Store(object):
    """Domain 0 may do everything; it is the hypervisor."""

    def __init__(self):
        self.root = Node(0, READ, [])
        self.generation = 0             # changes so far
        self.owned = {}                 # number of nodes by owner, for those that have any
        self.watches = []

    # -- paths

    def find(self, root, path):
        """The node, None if there is none."""
        node = root
        for name in path.split(SEPARATOR):
            if name != '':
                if name not in node.children:
                    return None
                node = node.children[name]
        return node

    def check(self, path):
        """Raises StoreError for a path that is not absolute and well formed."""
        if path == ROOT:
            return
        if path == '' or path[0] != SEPARATOR or path[len(path) - 1] == SEPARATOR or path.find('//') >= 0 or len(path) > MOST_PATH:
            raise StoreError('EINVAL')
        for character in path:
            if not ('a' <= character <= 'z' or 'A' <= character <= 'Z' or '0' <= character <= '9' or character in CHARACTERS):
                raise StoreError('EINVAL')

    def existing(self, root, path, domain, rights):
        """The node, which the domain may use so; raises StoreError."""
        self.check(path)
        node = self.find(root, path)
        if node is None:
            if not self.sees_parent(root, path, domain):
                raise StoreError('EACCES')
            raise StoreError('ENOENT')
        if not node.allows(domain, rights):
            raise StoreError('EACCES')
        return node

    def sees_parent(self, root, path, domain):
        """Whether the domain may know that the path is not there: it may read the nearest node above that is."""
        while path != ROOT:
            path = parent_of(path)
            node = self.find(root, path)
            if node is not None:
                return node.allows(domain, READ)
        return True

    # -- what can be done; `root` is that of a transaction, or of the store itself

    def read(self, root, path, domain):
        return self.existing(root, path, domain, READ).text

    def directory(self, root, path, domain):
        """The names of the children."""
        return self.existing(root, path, domain, READ).names

    def rights(self, root, path, domain):
        return self.existing(root, path, domain, READ)

    def make(self, root, path, domain):
        """The node for writing, made if it is not there, with those above it; raises StoreError."""
        self.check(path)
        node = self.find(root, path)
        if node is not None:
            if not node.allows(domain, WRITE):
                raise StoreError('EACCES')
            return node
        node = root
        made = False
        for name in path.split(SEPARATOR):
            if name == '':
                continue
            if name in node.children:
                node = node.children[name]
                continue
            if not made and not node.allows(domain, WRITE):
                raise StoreError('EACCES')
            made = True
            if domain != 0 and self.owned_by(domain) >= MOST_NODES:
                raise StoreError('ENOSPC')
            child = Node(domain if domain != 0 else node.owner, node.others, node.granted)
            node.children[name] = child
            node.names.append(name)
            self.count(child.owner, 1)
            node = child
        return node

    def write(self, root, path, text, domain):
        if len(text) > MOST_TEXT:
            raise StoreError('ENOSPC')
        self.make(root, path, domain).text = text

    def remove(self, root, path, domain):
        """The node and all below it."""
        self.check(path)
        if path == ROOT:
            raise StoreError('EINVAL')
        node = self.find(root, path)
        parent = self.find(root, parent_of(path))
        if node is None:
            if parent is None or not parent.allows(domain, WRITE):
                raise StoreError('ENOENT' if parent is not None or self.sees_parent(root, path, domain) else 'EACCES')
            return                      # nothing to do
        if not node.allows(domain, WRITE):
            raise StoreError('EACCES')
        assert parent is not None
        name = last_of(path)
        del parent.children[name]
        parent.names.remove(name)
        self.forget(node)

    def forget(self, node):
        self.count(node.owner, -1)
        for name in node.names:
            self.forget(node.children[name])

    def set_rights(self, root, path, domain, owner, others, granted):
        node = self.existing(root, path, domain, 0)
        if domain != 0 and (node.owner != domain or owner != domain):
            raise StoreError('EACCES')
        self.count(node.owner, -1)
        node.owner = owner
        node.others = others
        node.granted = granted
        self.count(owner, 1)

    # -- counts and watches

    def owned_by(self, domain):
        return self.owned.get(domain, 0)

    def size(self):
        """How many nodes there are."""
        total = 0
        for domain in self.owned:
            total += self.owned[domain]
        return total

    def count(self, domain, change):
        self.owned[domain] = self.owned.get(domain, 0) + change

    def recount(self):
        """After another root has taken the place."""
        self.owned = {}
        for name in self.root.names:
            self.recount_node(self.root.children[name])

    def recount_node(self, node):
        self.count(node.owner, 1)
        for name in node.names:
            self.recount_node(node.children[name])

    def changed(self, path):
        """Tells those who watch."""
        self.generation += 1
        for watch in self.watches[:]:
            if is_at_or_below(path, watch.path):
                watch.fire(path)

    def removed(self, path):
        """The same for a node that has gone with all below it: those who watched one of these hear of it too."""
        self.generation += 1
        for watch in self.watches[:]:
            if is_at_or_below(path, watch.path):
                watch.fire(path)
            elif is_at_or_below(watch.path, path):
                watch.fire(watch.path)

    # -- for the hypervisor

    def put(self, path, text):
        """Writes as domain 0, which cannot be refused, and tells."""
        self.write(self.root, path, text, 0)
        self.changed(path)

    def discard(self, path):
        """Removes a node that may be there, and tells."""
        if self.find(self.root, path) is not None:
            self.remove(self.root, path, 0)
            self.removed(path)

    def get(self, path):
        """The text, '' if there is no such node."""
        node = self.find(self.root, path)
        if node is None:
            return ''
        return node.text

    def give(self, path, owner, reader):
        """A directory of an owner's that one other domain may read (NOBODY for none)."""
        node = self.make(self.root, path, 0)
        self.count(node.owner, -1)
        node.owner = owner
        node.others = 0
        node.granted = []
        if reader != NOBODY:
            node.granted = [Right(reader, READ)]
        self.count(owner, 1)


def parent_of(path):
    at = path.rfind(SEPARATOR)
    if at <= 0:
        return ROOT
    assert at >= 0
    return path[:at]


def last_of(path):
    at = path.rfind(SEPARATOR) + 1
    assert at >= 0
    return path[at:]


def is_at_or_below(path, top):
    if top == ROOT:
        return True
    return path == top or path.startswith(top + SEPARATOR)
