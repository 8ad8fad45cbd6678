"""I/O instructions (exit reason 30; SDM vol. 3, table 27-5 for the qualification): ports of the domain's virtual bus."""
from hyper.vmm.full.decode import REP_NONE
from hyper.vmm.full.dr_access import touch_port
from hyper.vmm.full.guest import ES, FLAG_DF, M32
from hyper.vmm.full.reflected import Unsupported
from hyper.vmx import fields

EAX, ECX, ESI, EDI = 0, 1, 6, 7
IN, STRING = 1 << 3, 1 << 4
MOST_TURNS = 1024               # of a repeated string instruction in one exit; the guest then executes it again


def exit_io(domain):
    guest = domain.guest
    qualification = guest.read(fields.EXIT_QUALIFICATION)
    port = qualification >> 16 & 0xffff
    size = (qualification & 7) + 1
    if qualification & STRING:
        string_io(domain, port, size, qualification & IN != 0)
        return
    if qualification & IN:
        guest.set_part(EAX, domain.bus.read_port(port, size), size)
    else:
        domain.bus.write_port(port, size, guest.part(EAX, size))
    guest.skip_instruction()
    touch_port(domain, port, size)


def string_io(domain, port, size, is_in):
    """INS and OUTS. Registers are brought up to date after each turn, so a fault finds them as the processor would leave them."""
    guest = domain.guest
    guest.look_at_paging()
    decoder = domain.emulator.decoder
    if not decoder.decode():
        raise Unsupported('executes an I/O instruction that the VMM cannot decode')
    instruction = decoder.instruction
    address_mask = M32 if instruction.address_size == 4 else 0xffff
    step = -size if guest.flags() & FLAG_DF else size
    repeated = instruction.rep != REP_NONE
    index = EDI if is_in else ESI
    segment = ES if is_in else instruction.segment
    turns = 0
    while turns < MOST_TURNS:
        if repeated and guest.register(ECX) & address_mask == 0:
            break
        address = guest.linear(segment, guest.register(index) & address_mask, size, is_in)
        if is_in:
            # the page must take the byte before the device is asked for it
            guest.physical(address, True, decoder.user)
            guest.physical((address + size - 1) & M32, True, decoder.user)
            guest.store(address, domain.bus.read_port(port, size), size, decoder.user)
        else:
            domain.bus.write_port(port, size, guest.load(address, size, decoder.user))
        move(guest, index, step, address_mask)
        if not repeated:
            break
        move(guest, ECX, -1, address_mask)
        turns += 1
    guest.system.pass_time(turns)
    if turns < MOST_TURNS or guest.register(ECX) & address_mask == 0:
        guest.advance(instruction.length)
        touch_port(domain, port, size)


def move(guest, register, step, address_mask):
    old = guest.register(register)
    guest.set_register(register, old & ~address_mask | (old + step) & address_mask)
