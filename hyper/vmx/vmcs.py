"""The VMCS region: a 4 KB page of machine memory (SDM vol. 3, 24.2), and where each field is in it.

    0   revision identifier, which VMPTRLD compares with the processor's
    4   VMX-abort indicator
    8   launch state, and further data of the processor's own
    16  the fields, by area: guest state, host state, execution, exit and entry controls, exit information

The name of each field is a constant of this module: its byte offset. So `vmcs.GUEST_RIP` is the place and `fields.GUEST_RIP` the encoding. Software
must use VMREAD and VMWRITE for the fields (24.11.1); what it writes there by other means may or may not be seen.
"""
from hyper.vmx import fields

REVISION = 0
ABORT_INDICATOR = 4
LAUNCH_STATE = 8
CLEAR, LAUNCHED = 0, 1
SIZE = 4096

for _field in fields.FIELDS:
    globals()[_field.name] = _field.offset
