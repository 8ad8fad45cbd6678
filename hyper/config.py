"""What a domain is made from, with its files read: the hypervisor opens none."""

from hyper.board.fittings import BARE
from hyper.loader.entry import BootRequest
from hyper.vmm.scheduler.parameters import Parameters


class DomainConfig(object):
    """`mode` and `mmu` are words of hyper.options; `memory` in bytes; `image` and `modules` are ImageFiles; `at` is the
    address of a flat image or -1; `sink` (CharSink) takes the console output; `interface` is the version of Xen's interface,
    '' for the usual one; `fittings` (Fittings) are what it has beside a plain PC; `counts_places` asks for exits by address;
    a `privileged` domain may control others; `scheduling` are the Parameters for the scheduler."""

    def __init__(self, name, mode, mmu, memory, command_line, image, modules, at, sink, interface='', fittings=BARE,
                 counts_places=False, privileged=False, scheduling=Parameters()):
        self.name = name
        self.mode = mode
        self.mmu = mmu
        self.memory = memory
        self.command_line = command_line
        self.image = image
        self.modules = modules
        self.at = at
        self.sink = sink
        self.interface = interface
        self.fittings = fittings
        self.counts_places = counts_places
        self.firmware = False           # the image is firmware
        self.video_rom = ''             # what that has for the display adapter
        self.privileged = privileged
        self.scheduling = scheduling

    def boot_request(self, model=None):
        """For hyper.loader.detect.load."""
        return BootRequest(self.memory, self.command_line, self.modules, self.at, model)
