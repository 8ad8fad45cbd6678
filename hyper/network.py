"""A network in user space for a guest, by libslirp: the guest reaches what this host's user can reach, and nobody reaches it but
through ports of this host that are forwarded.

The library is looked for when a guest wants a network, so nothing else depends on it. The network is 10.0.2.0/24: the gateway and this host
are 10.0.2.2, a name server 10.0.2.3, the guest by DHCP 10.0.2.15. Its timers run on the host's clock.
"""

import os

from rpython.rlib.objectmodel import we_are_translated
from rpython.rtyper.lltypesystem import lltype, rffi
from rpython.translator.tool.cbuild import ExternalCompilationInfo

from hyper.board.virtio_net import Link, MOST_FRAME
from hyper.errors import UserError

FIRST_ADDRESS = 0x0a00020f      # 10.0.2.15, which the guest gets by DHCP
DIRECTORY = os.path.dirname(os.path.abspath(__file__))

PROTOTYPES = """
void *hyper_network_open(void);
void hyper_network_close(void *network);
long hyper_network_forward(void *network, long is_udp, long host_port, long address, long guest_port);
void hyper_network_end_forward(void *network, long is_udp, long host_port);
void hyper_network_reset(void *network, long host_port);
void hyper_network_send(void *network, const char *frame, long size);
long hyper_network_receive(void *network, char *frame, long most);
"""


def source():
    """The text of network.c (not RPython: for use at import). A copy is compiled: object files may not lie beside the source."""
    with open(os.path.join(DIRECTORY, 'network.c')) as file:
        return '#line 1 "network.c"\n' + file.read()

library = ExternalCompilationInfo(separate_module_sources=[source()], post_include_bits=[PROTOTYPES], libraries=['dl'])


def external(name, arguments, result):
    return rffi.llexternal(name, arguments, result, compilation_info=library, releasegil=False)

_open = external('hyper_network_open', [], rffi.VOIDP)
_close = external('hyper_network_close', [rffi.VOIDP], lltype.Void)
_forward = external('hyper_network_forward', [rffi.VOIDP, lltype.Signed, lltype.Signed, lltype.Signed, lltype.Signed], lltype.Signed)
_end_forward = external('hyper_network_end_forward', [rffi.VOIDP, lltype.Signed, lltype.Signed], lltype.Void)
_reset = external('hyper_network_reset', [rffi.VOIDP, lltype.Signed], lltype.Void)
_send = external('hyper_network_send', [rffi.VOIDP, rffi.CCHARP, lltype.Signed], lltype.Void)
_receive = external('hyper_network_receive', [rffi.VOIDP, rffi.CCHARP, lltype.Signed], lltype.Signed)


class UserNetwork(Link):
    _immutable_fields_ = ['handle', 'buffer']

    def __init__(self, handle):
        self.handle = handle
        self.buffer = lltype.malloc(rffi.CCHARP.TO, MOST_FRAME, flavor='raw')

    def send(self, frame):
        with rffi.scoped_nonmovingbuffer(frame) as data:
            _send(self.handle, data, len(frame))

    def receive(self):
        size = _receive(self.handle, self.buffer, MOST_FRAME)
        return rffi.charpsize2str(self.buffer, size)

    def forward(self, is_udp, host_port, address, guest_port):
        """Lets a port of this host, for its own programs, lead to one of a guest; raises UserError."""
        if _forward(self.handle, int(is_udp), host_port, address, guest_port) != 0:
            raise UserError("--net forward=: port %d of this host cannot be had; is it in use? choose another" % host_port)

    def end_forward(self, is_udp, host_port):
        """The port is free again; connections through it go on."""
        _end_forward(self.handle, int(is_udp), host_port)

    def reset(self, host_port):
        """Resets the connections that came through a TCP port."""
        _reset(self.handle, host_port)

    def close(self):
        _close(self.handle)
        lltype.free(self.buffer, flavor='raw')


def connect():
    """A network of its own for a guest; raises UserError."""
    if not we_are_translated():
        raise UserError("--net user: needs the translated program; make it with: make")
    handle = _open()
    if not handle:
        raise UserError("--net user: the library libslirp.so.0 is not there; install libslirp0")
    return UserNetwork(handle)
