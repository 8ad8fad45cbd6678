"""A TAP interface of the host as a guest's network: frames go in and out as the host's kernel has them (Linux's Documentation/networking/tuntap.rst).

The interface may be there already, made for the user (ip tuntap add dev NAME mode tap user USER); who may make one need not.
"""

import os

from rpython.rlib import rposix
from rpython.rtyper.lltypesystem import lltype, rffi
from rpython.translator.tool.cbuild import ExternalCompilationInfo

from hyper import host
from hyper.board.virtio_net import Link, MOST_FRAME
from hyper.errors import UserError

DEVICE = '/dev/net/tun'
TUNSETIFF = 0x400454ca
TAP_WITHOUT_HEADER = 0x1002     # IFF_TAP, IFF_NO_PI
REQUEST = 40                    # bytes of struct ifreq: the name, flags from FLAGS on
FLAGS = 16

_ioctl = rffi.llexternal('ioctl', [rffi.INT, rffi.ULONG, rffi.CCHARP], rffi.INT, compilation_info=ExternalCompilationInfo(includes=['sys/ioctl.h']),
                         releasegil=False, save_err=rffi.RFFI_SAVE_ERRNO)


class TapNetwork(Link):
    _immutable_fields_ = ['descriptor']

    def __init__(self, descriptor):
        self.descriptor = descriptor

    def send(self, frame):
        try:
            os.write(self.descriptor, frame)
        except OSError:
            pass                # lost: the interface is down

    def receive(self):
        if not host.readable(self.descriptor, 0):
            return ''
        try:
            return os.read(self.descriptor, MOST_FRAME)
        except OSError:
            return ''

    def close(self):
        os.close(self.descriptor)


def connect(name):
    """The network of the interface of that name; raises UserError."""
    try:
        descriptor = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK, 0)
    except OSError as error:
        raise refused(name, error.errno)
    request = lltype.malloc(rffi.CCHARP.TO, REQUEST, flavor='raw', zero=True)
    for i in range(len(name)):
        request[i] = name[i]
    request[FLAGS] = chr(TAP_WITHOUT_HEADER & 0xff)
    request[FLAGS + 1] = chr(TAP_WITHOUT_HEADER >> 8)
    result = rffi.cast(lltype.Signed, _ioctl(rffi.cast(rffi.INT, descriptor), rffi.cast(rffi.ULONG, TUNSETIFF), request))
    errno = rposix.get_saved_errno()
    lltype.free(request, flavor='raw')
    if result < 0:
        os.close(descriptor)
        raise refused(name, errno)
    return TapNetwork(descriptor)


def refused(name, errno):
    return UserError("--net tap,ifname=%s: not to be had (%s); have it made for you: ip tuntap add dev %s mode tap user NAME; or use --net user"
                     % (name, os.strerror(errno), name))
