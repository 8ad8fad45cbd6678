"""What a PC is given beside what every PC has."""

from hyper.board.disk import NO_DRIVES


class Fittings(object):
    """`drives` (Drive) are its disks, `link` (Link) is the network of its one adapter, None for no adapter."""

    _immutable_fields_ = ['drives', 'link']

    def __init__(self, drives, link):
        self.drives = drives
        self.link = link


BARE = Fittings(NO_DRIVES, None)
