"""The hypercalls of Xen 3 by number."""
from hyper.vmm.para.interface import Interface
from hyper.vmm.para.layout import LAYOUT_1_2
from hyper.vmm.xen3.calls.events import event_channel_op, event_channel_op_compat
from hyper.vmm.xen3.calls.grants import grant_table_op
from hyper.vmm.xen3.calls.handlers import callback_op, fpu_taskswitch, iret, set_callbacks, set_trap_table, stack_switch
from hyper.vmm.xen3.calls.memory import memory_op
from hyper.vmm.xen3.calls.multicall import multicall
from hyper.vmm.xen3.calls.page_tables import mmu_update, mmuext_op, update_va_mapping, update_va_mapping_otherdomain
from hyper.vmm.xen3.calls.scheduling import sched_op, sched_op_compat, set_timer_op, vcpu_op
from hyper.vmm.xen3.calls.segments import set_gdt, update_descriptor
from hyper.vmm.xen3.calls.system import console_io, get_debugreg, not_privileged, set_debugreg, unknown, vm_assist, xen_version

CALLS = [
    ('set_trap_table', set_trap_table),
    ('mmu_update', mmu_update),
    ('set_gdt', set_gdt),
    ('stack_switch', stack_switch),
    ('set_callbacks', set_callbacks),
    ('fpu_taskswitch', fpu_taskswitch),
    ('sched_op_compat', sched_op_compat),
    ('platform_op', not_privileged),
    ('set_debugreg', set_debugreg),
    ('get_debugreg', get_debugreg),
    ('update_descriptor', update_descriptor),
    ('hypercall 11', unknown),
    ('memory_op', memory_op),
    ('multicall', multicall),
    ('update_va_mapping', update_va_mapping),
    ('set_timer_op', set_timer_op),
    ('event_channel_op_compat', event_channel_op_compat),
    ('xen_version', xen_version),
    ('console_io', console_io),
    ('physdev_op_compat', unknown),
    ('grant_table_op', grant_table_op),
    ('vm_assist', vm_assist),
    ('update_va_mapping_otherdomain', update_va_mapping_otherdomain),
    ('iret', iret),
    ('vcpu_op', vcpu_op),
    ('set_segment_base', unknown),
    ('mmuext_op', mmuext_op),
    ('xsm_op', unknown),
    ('nmi_op', unknown),
    ('sched_op', sched_op),
    ('callback_op', callback_op),
    ('xenoprof_op', not_privileged),
    ('event_channel_op', event_channel_op),
    ('physdev_op', unknown),
    ('hvm_op', unknown),
    ('sysctl', not_privileged),
    ('domctl', not_privileged),
]
IRET = 23
HYPERCALL_PAGE_ENTRY = 32       # bytes of a stub


class Xen3Interface(Interface):
    """`calls` by number; each takes the Xen3Domain, finds the arguments in `domain.arguments` and returns the result."""
    _immutable_fields_ = ['calls']

    def __init__(self):
        Interface.__init__(self, '3.0', LAYOUT_1_2, [])
        self.names = [name for name, call in CALLS]
        self.calls = [call for name, call in CALLS]
        self.count = len(CALLS)


XEN_3 = Xen3Interface()


def hypercall_page():
    """The page of stubs that an image may ask for: `mov $number, %eax; vmcall; ret`, and for iret with EAX pushed and no return."""
    stubs = ''
    for number in range(len(CALLS)):
        stub = '\xb8' + chr(number) + '\x00\x00\x00\x0f\x01\xc1'
        if number == IRET:
            stub = '\x50' + stub
        else:
            stub += '\xc3'
        stubs += stub + '\xcc' * (HYPERCALL_PAGE_ENTRY - len(stub))
    return stubs + '\xcc' * (4096 - len(stubs))
