"""start_info: the page by which a kernel learns what it has."""
from hyper.errors import UserError
from hyper.loader.file import Block
from hyper.vmm.para.layout import FRAME, OWNS_CONSOLE, PRIVILEGED, START_BLOCK_RING, START_NETWORK_ADDRESSES, START_NETWORK_RINGS


def start_info(domain, pages, shared, directory, module, module_size, command_line):
    """The page as a text. `shared` is the address of shared_info as the interface has it, `directory` that of the page directory, `module` of the module;
    those are virtual. Raises UserError if the command line does not fit."""
    layout = domain.interface.layout
    room = FRAME - layout.command_line - 1
    if len(command_line) > room:
        raise UserError('--append: longer than the %d bytes that a paravirtual domain can take; shorten it' % room)
    block = Block(FRAME)
    block.put32(layout.nr_pages, pages)
    block.put32(layout.shared_info, shared)
    block.put32(layout.pt_base, directory)
    if module_size > 0:
        block.put32(layout.mod_start, module)
        block.put32(layout.mod_len, module_size)
    if not layout.shared_is_machine:
        block.put32(START_BLOCK_RING, domain.block.shared)
        for interface in domain.interfaces:
            block.put32(START_NETWORK_RINGS + 4 * interface.index, interface.shared)
            block.put(START_NETWORK_ADDRESSES + 6 * interface.index, interface.address)
    block.put32(layout.dom_id, domain.number)
    block.put32(layout.flags, OWNS_CONSOLE | (PRIVILEGED if domain.privileged else 0))
    block.put(layout.command_line, command_line)
    return block.text()
