"""Code that is rewritten from outside while it is hot: the debugger, a device or another processor writes it, and the next pass executes the new bytes."""
from guestkit import Machine

AT = 0x100000


def test_what_is_written_from_outside_is_executed_by_the_next_pass():
    # mov $0x100100, %esi; 1: inc %ecx; mov %ebx, (%esi); add $value, %ebx; jmp 1b
    code = bytes.fromhex('be00011000' '41' '891e' '81c3' '00000000' 'ebf3')
    value = AT + code.index(bytes.fromhex('81c3')) + 2
    with Machine(code, at=AT, memory='2M') as machine:
        for step in range(1, 40):
            machine.physical.write(value, step.to_bytes(4, 'little'))
            ebx, ecx = machine.regs.ebx, machine.regs.ecx
            machine.run(instructions=4 * 3000)
            assert (machine.regs.ebx - ebx) & 0xffffffff == step * ((machine.regs.ecx - ecx) & 0xffffffff), step
