"""VT-x: virtual-machine extensions of the processor (SDM vol. 3, chapters 23 to 30).

    fields, vmcs        the fields, and where they are in the VMCS page
    controls            names of control bits; what a processor's capability MSRs allow
    operation           VMX: the instructions, for a VMM in RPython (`VMX.enter`) and for guest code
    instructions        faults, exits and flags of those instructions when guest code executes them
    entry, exits        VM entry and VM exit
    intercepts          what exits from non-root operation: asked by the slow paths of hyper.cpu
    events, msr_areas   the event and MSR-list formats of the VMCS
    ept                 extended page tables
    host                what a VMM in RPython needs to start
    dump                a VMCS as text
"""
