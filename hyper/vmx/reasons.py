"""Basic exit reasons (SDM vol. 3, appendix C) and VM-instruction error numbers (30.4)."""

EXIT_REASONS = [
    (0, 'EXCEPTION_OR_NMI', 'exception or non-maskable interrupt'),
    (1, 'EXTERNAL_INTERRUPT', 'external interrupt'),
    (2, 'TRIPLE_FAULT', 'triple fault'),
    (3, 'INIT_SIGNAL', 'INIT signal'),
    (4, 'STARTUP_IPI', 'start-up IPI'),
    (5, 'IO_SMI', 'I/O SMI'),
    (6, 'OTHER_SMI', 'other SMI'),
    (7, 'INTERRUPT_WINDOW', 'interrupt window'),
    (8, 'NMI_WINDOW', 'NMI window'),
    (9, 'TASK_SWITCH', 'task switch'),
    (10, 'CPUID', 'CPUID'),
    (11, 'GETSEC', 'GETSEC'),
    (12, 'HLT', 'HLT'),
    (13, 'INVD', 'INVD'),
    (14, 'INVLPG', 'INVLPG'),
    (15, 'RDPMC', 'RDPMC'),
    (16, 'RDTSC', 'RDTSC'),
    (17, 'RSM', 'RSM'),
    (18, 'VMCALL', 'VMCALL'),
    (19, 'VMCLEAR', 'VMCLEAR'),
    (20, 'VMLAUNCH', 'VMLAUNCH'),
    (21, 'VMPTRLD', 'VMPTRLD'),
    (22, 'VMPTRST', 'VMPTRST'),
    (23, 'VMREAD', 'VMREAD'),
    (24, 'VMRESUME', 'VMRESUME'),
    (25, 'VMWRITE', 'VMWRITE'),
    (26, 'VMXOFF', 'VMXOFF'),
    (27, 'VMXON', 'VMXON'),
    (28, 'CR_ACCESS', 'control-register access'),
    (29, 'DR_ACCESS', 'MOV DR'),
    (30, 'IO_INSTRUCTION', 'I/O instruction'),
    (31, 'RDMSR', 'RDMSR'),
    (32, 'WRMSR', 'WRMSR'),
    (33, 'INVALID_GUEST_STATE', 'VM-entry failure: invalid guest state'),
    (34, 'MSR_LOADING', 'VM-entry failure: MSR loading'),
    (36, 'MWAIT', 'MWAIT'),
    (37, 'MONITOR_TRAP', 'monitor trap flag'),
    (39, 'MONITOR', 'MONITOR'),
    (40, 'PAUSE', 'PAUSE'),
    (41, 'MACHINE_CHECK', 'VM-entry failure: machine-check event'),
    (43, 'TPR_BELOW_THRESHOLD', 'TPR below threshold'),
    (44, 'APIC_ACCESS', 'APIC access'),
    (46, 'GDTR_OR_IDTR_ACCESS', 'access to GDTR or IDTR'),
    (47, 'LDTR_OR_TR_ACCESS', 'access to LDTR or TR'),
    (48, 'EPT_VIOLATION', 'EPT violation'),
    (49, 'EPT_MISCONFIGURATION', 'EPT misconfiguration'),
    (50, 'INVEPT', 'INVEPT'),
    (53, 'INVVPID', 'INVVPID'),
    (54, 'WBINVD', 'WBINVD'),
    (55, 'XSETBV', 'XSETBV'),
]
ENTRY_FAILURE = 1 << 31         # in the exit reason

EXIT_REASON_NAMES = [''] * 64
EXIT_REASON_CONSTANTS = [''] * 64
for _number, _name, _text in EXIT_REASONS:
    globals()[_name] = _number
    EXIT_REASON_NAMES[_number] = _text
    EXIT_REASON_CONSTANTS[_number] = _name


def reason_name(reason):
    """The name of an exit reason as the VMCS holds it (with or without the entry-failure bit)."""
    basic = reason & 0xffff
    if basic < 64 and EXIT_REASON_NAMES[basic]:
        return EXIT_REASON_NAMES[basic]
    return 'exit reason %d' % basic


INSTRUCTION_ERRORS = [
    (1, 'VMCALL_IN_ROOT', 'VMCALL executed in VMX root operation'),
    (2, 'VMCLEAR_INVALID_ADDRESS', 'VMCLEAR with invalid physical address'),
    (3, 'VMCLEAR_VMXON_POINTER', 'VMCLEAR with VMXON pointer'),
    (4, 'VMLAUNCH_NOT_CLEAR', 'VMLAUNCH with non-clear VMCS'),
    (5, 'VMRESUME_NOT_LAUNCHED', 'VMRESUME with non-launched VMCS'),
    (6, 'VMRESUME_AFTER_VMXOFF', 'VMRESUME after VMXOFF'),
    (7, 'INVALID_CONTROLS', 'VM entry with invalid control field(s)'),
    (8, 'INVALID_HOST_STATE', 'VM entry with invalid host-state field(s)'),
    (9, 'VMPTRLD_INVALID_ADDRESS', 'VMPTRLD with invalid physical address'),
    (10, 'VMPTRLD_VMXON_POINTER', 'VMPTRLD with VMXON pointer'),
    (11, 'VMPTRLD_WRONG_REVISION', 'VMPTRLD with incorrect VMCS revision identifier'),
    (12, 'UNSUPPORTED_FIELD', 'VMREAD/VMWRITE from/to unsupported VMCS component'),
    (13, 'READ_ONLY_FIELD', 'VMWRITE to read-only VMCS component'),
    (15, 'VMXON_IN_ROOT', 'VMXON executed in VMX root operation'),
    (16, 'INVALID_EXECUTIVE_VMCS', 'VM entry with invalid executive-VMCS pointer'),
    (17, 'NON_LAUNCHED_EXECUTIVE_VMCS', 'VM entry with non-launched executive VMCS'),
    (18, 'EXECUTIVE_NOT_VMXON', 'VM entry with executive-VMCS pointer not VMXON pointer'),
    (19, 'VMCALL_NOT_CLEAR', 'VMCALL with non-clear VMCS'),
    (20, 'VMCALL_INVALID_EXIT_CONTROLS', 'VMCALL with invalid VM-exit control fields'),
    (22, 'VMCALL_WRONG_MSEG', 'VMCALL with incorrect MSEG revision identifier'),
    (23, 'VMXOFF_DUAL_MONITOR', 'VMXOFF under dual-monitor treatment of SMIs and SMM'),
    (24, 'VMCALL_INVALID_SMM', 'VMCALL with invalid SMM-monitor features'),
    (25, 'ENTRY_INVALID_EXECUTION_CONTROLS', 'VM entry with invalid VM-execution control fields in executive VMCS'),
    (26, 'ENTRY_BLOCKED_BY_MOV_SS', 'VM entry with events blocked by MOV SS'),
    (28, 'INVALID_OPERAND', 'Invalid operand to INVEPT/INVVPID'),
]
INSTRUCTION_ERROR_NAMES = [''] * 32
for _number, _name, _text in INSTRUCTION_ERRORS:
    globals()['ERROR_' + _name] = _number
    INSTRUCTION_ERROR_NAMES[_number] = _text


def instruction_error_name(number):
    """What a VM-instruction error number says."""
    if 0 <= number < 32 and INSTRUCTION_ERROR_NAMES[number]:
        return INSTRUCTION_ERROR_NAMES[number]
    return 'VM-instruction error %d' % number
