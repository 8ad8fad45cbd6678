"""The two versions of the interface: which hypercall has which number, and the layout of the shared structures."""
from hyper.vmm.para.calls.block import block_io_op, block_io_op_1_2
from hyper.vmm.para.calls.channels import event_channel_op
from hyper.vmm.para.calls.console import console_write
from hyper.vmm.para.calls.debug_registers import get_debugreg, set_debugreg
from hyper.vmm.para.calls.devices import kbd_op
from hyper.vmm.para.calls.dom0 import dom0_op
from hyper.vmm.para.calls.memory import dom_mem_op
from hyper.vmm.para.calls.multicall import multicall
from hyper.vmm.para.calls.network import net_io_op, net_update, network_op
from hyper.vmm.para.calls.page_tables import pt_update, update_va_mapping
from hyper.vmm.para.calls.scheduling import exit_domain, sched_op, yield_processor
from hyper.vmm.para.calls.segments import set_gdt, update_descriptor
from hyper.vmm.para.calls.traps import fpu_taskswitch, set_callbacks, set_fast_trap, set_trap_table, stack_switch
from hyper.vmm.para.layout import LAYOUT_1_0, LAYOUT_1_2

CALLS_1_0 = [
    ('set_trap_table', set_trap_table),
    ('pt_update', pt_update),
    ('console_write', console_write),
    ('set_gdt', set_gdt),
    ('stack_switch', stack_switch),
    ('set_callbacks', set_callbacks),
    ('net_update', net_update),
    ('fpu_taskswitch', fpu_taskswitch),
    ('yield', yield_processor),
    ('exit', exit_domain),
    ('dom0_op', dom0_op),
    ('network_op', network_op),
    ('block_io_op', block_io_op),
    ('set_debugreg', set_debugreg),
    ('get_debugreg', get_debugreg),
    ('update_descriptor', update_descriptor),
    ('set_fast_trap', set_fast_trap),
    ('dom_mem_op', dom_mem_op),
    ('multicall', multicall),
    ('kbd_op', kbd_op),
    ('update_va_mapping', update_va_mapping),
]
CALLS_1_2 = [
    ('set_trap_table', set_trap_table),
    ('mmu_update', pt_update),
    ('console_write', console_write),
    ('set_gdt', set_gdt),
    ('stack_switch', stack_switch),
    ('set_callbacks', set_callbacks),
    ('net_io_op', net_io_op),
    ('fpu_taskswitch', fpu_taskswitch),
    ('sched_op', sched_op),
    ('dom0_op', dom0_op),
    ('network_op', network_op),
    ('block_io_op', block_io_op_1_2),
    ('set_debugreg', set_debugreg),
    ('get_debugreg', get_debugreg),
    ('update_descriptor', update_descriptor),
    ('set_fast_trap', set_fast_trap),
    ('dom_mem_op', dom_mem_op),
    ('multicall', multicall),
    ('kbd_op', kbd_op),
    ('update_va_mapping', update_va_mapping),
    ('event_channel_op', event_channel_op),
]


class Interface(object):
    """`names` and `handlers` by number; a handler takes the domain, finds the arguments in `domain.arguments` and returns the result."""
    _immutable_fields_ = ['version', 'layout', 'names', 'handlers', 'count']

    def __init__(self, version, layout, calls):
        self.version = version
        self.layout = layout
        self.names = [name for name, handler in calls]
        self.handlers = [handler for name, handler in calls]
        self.count = len(calls)


XEN_1_0 = Interface('1.0', LAYOUT_1_0, CALLS_1_0)
XEN_1_2 = Interface('1.2', LAYOUT_1_2, CALLS_1_2)
