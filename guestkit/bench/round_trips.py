"""What it costs to leave a guest for the hypervisor and come back, by what makes it leave.

The kernel's `micro=` loops do nothing else. An empty loop is taken off; a shadow fill is INVLPG and an access less INVLPG; what must be filled
again after each CR3 write is taken off the write.
"""
from guestkit.bench.guests import FULL_EPT, FULL_VTLB, PARA

NAMES = {'vmcall': 'VMCALL (para)', 'port_access': 'port access (full)', 'cr3_write': 'CR3 write (full-vtlb)',
         'shadow_fill': 'shadow fill (full-vtlb)', 'ept_violation': 'EPT violation (full-ept), access emulated'}
LOOPS = {PARA: ('nothing', 'vmcall'), FULL_VTLB: ('nothing', 'port', 'cr3', 'fill', 'forget'), FULL_EPT: ('nothing', 'device')}
PAGE_FAULT = 'EXCEPTION_OR_NMI'


def round_trips(costs):
    """Host nanoseconds by name; costs[mode name][loop] are Costs. What was not measured is left out."""
    result = {}
    para, vtlb, ept = (costs.get(mode.name, {}) for mode in LOOPS)
    if para:
        result['vmcall'] = para['vmcall'].ns - para['nothing'].ns
    if vtlb:
        fill = vtlb['fill'].ns - vtlb['forget'].ns
        result['port_access'] = vtlb['port'].ns - vtlb['nothing'].ns
        result['cr3_write'] = vtlb['cr3'].ns - vtlb['nothing'].ns - fill * vtlb['cr3'].exits.get(PAGE_FAULT, 0)
        result['shadow_fill'] = fill
    if ept:
        result['ept_violation'] = ept['device'].ns - ept['nothing'].ns
    return result
