"""What the domains with the interface of Xen 3 share: the store, and that they find each other by their numbers."""
from hyper.vmm.xen3.store.tree import Store


class Neighbours(object):
    _immutable_fields_ = ['domains', 'store']

    def __init__(self):
        self.domains = []
        self.store = Store()

    def find(self, number):
        """The living domain of a number, None if there is none."""
        for domain in self.domains:
            if domain.identity == number and domain.alive:
                return domain
        return None
