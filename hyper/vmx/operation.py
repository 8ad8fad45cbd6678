"""VMX operation: the ten instructions (SDM vol. 3, chapter 30), as the processor's own work.

A `VMX` belongs to one processor. The hypervisor, which stands where a host's code would, calls the methods; for guest code that uses VT-x itself
`instructions` calls them, after the checks of privilege. Each sets `status`, and `error` where the VMCS takes one.

Translations and VM entries. The host in RPython has no linear addresses, so nothing of it can be in the TLB, and the processor may keep a guest's
translations across an exit as it does for a guest with a VPID (28.3). It drops them at an entry if CR3, the EPT pointer or the paging mode is another
than when they were made, or if the VMM has written GUEST_CR3, even the same value. So a VMM that changed a few shadow entries calls
`invalidate`, and one that changed many writes GUEST_CR3; both are for the guest of the current VMCS. When another guest is entered its translations are
put aside, and brought back when it is entered again: the pointer to the VMCS is their tag. `flush` drops those of all guests. A host that is guest
code, without VPID, sees all translations dropped at every transition.
"""
from hyper.board import raw
from hyper.cpu.faults import GuestFault, UD, GP
from hyper.cpu.system import LOOK_NOW, STOP_NONE, STOP_VMEXIT
from hyper.cpu.translations import Translations
from hyper.vmx import controls, fields, reasons, vmcs
from hyper.vmx.ept import EPT

SUCCEED, FAIL_INVALID, FAIL_VALID = range(3)
NO_POINTER = -1


def attach(system):
    """Give a processor VT-x if its model has it (`vmx_msrs` is not empty)."""
    if len(system.model.vmx_msrs) > 0:
        system.vmx = VMX(system, controls.Capabilities(system.model.vmx_msrs, controls.PHYSICAL_BITS))


class VMX(object):
    """VMX operation of `system`.

    status: how the last instruction ended: SUCCEED, FAIL_INVALID (no current VMCS to hold an error) or FAIL_VALID; error: the VM-instruction error
    number of the last failure, else 0; failed_check: the rule that an entry broke, in words; current: physical address of the current
    VMCS or NO_POINTER."""
    _immutable_fields_ = ['system', 'memory', 'storage', 'capabilities', 'ept']

    def __init__(self, system, capabilities):
        self.system = system
        self.memory = system.memory
        self.storage = system.memory.storage
        self.capabilities = capabilities
        self.ept = EPT(system, self)
        self.reset()

    def reset(self):
        """The state after RESET."""
        self.on = False
        self.vmxon_pointer = NO_POINTER
        self.current = NO_POINTER
        self.status = SUCCEED
        self.error = 0
        self.failed_check = ''
        self.vmm_host = False           # the host is RPython code: see exits
        self.resident = NO_POINTER      # the VMCS whose guest state the processor's registers still hold, with an RPython host
        self.controls_checked = False   # nothing that 26.2 checks was written since it was checked
        self.guest_checked = False      # nothing that 26.3 checks was written since the processor saved or checked it
        self.checked_vm86 = 0           # EFLAGS.VM, and whether the guest was unrestricted, when it was checked
        self.checked_unrestricted = False
        self.flush_wanted = True        # the next entry must drop all translations of the current VMCS's guest
        self.translated = NO_POINTER    # the VMCS whose guest's translations the TLB holds, with an RPython host
        self.aside = {}                 # Translations of other guests, by VMCS
        self.ept_pointer = NO_POINTER   # that the processor's translations were made with
        self.pdptes = [0] * 4           # the guest's, checked, on the way from the VMCS or memory to the processor
        self.host_tsc_offset = 0
        self.guest_tsc_offset = 0
        self.instruction_information = 0        # for the exit that is about to be taken
        self.system.ept = None
        self.system.vmx_non_root = False

    # -- how an instruction ends (30.2)

    def succeed(self):
        self.status = SUCCEED
        self.error = 0

    def fail(self, error):
        """VMfail: with a current VMCS the error number is stored in it."""
        self.error = error
        if self.current == NO_POINTER:
            self.status = FAIL_INVALID
        else:
            self.status = FAIL_VALID
            raw.store32(self.storage, self.current + vmcs.INSTRUCTION_ERROR, error)

    def fail_invalid(self):
        self.status = FAIL_INVALID
        self.error = 0

    def require_root(self):
        """#UD outside VMX operation. (In non-root operation `instructions` has made the instruction exit.)"""
        if not self.on or self.system.vmx_non_root:
            raise GuestFault(UD)

    def is_pointer(self, physical):
        return physical & 0xfff == 0 and self.capabilities.is_physical(physical)

    # -- the instructions

    def vmxon(self, physical):
        """Enter VMX operation with the 4 KB region at `physical`, which must begin with the revision identifier. #GP(0) if CR0 or CR4 has a value that
        VMX operation does not allow."""
        system = self.system
        if self.on:
            self.fail(reasons.ERROR_VMXON_IN_ROOT)
            return
        c = self.capabilities
        if not controls.conforms(system.cr0, c.cr0_must, c.cr0_may) or not controls.conforms(system.cr4, c.cr4_must, c.cr4_may):
            raise GuestFault(GP, 0)
        if not self.is_pointer(physical) or self.memory.read32(physical) != c.revision:
            self.fail_invalid()
            return
        self.on = True
        self.vmxon_pointer = physical
        self.forget_current()
        self.succeed()

    def vmxoff(self):
        """Leave VMX operation."""
        self.require_root()
        self.on = False
        self.vmxon_pointer = NO_POINTER
        self.forget_current()
        self.succeed()

    def vmclear(self, physical):
        """Make the VMCS at `physical` clear, so that it can be launched; it is not current any more."""
        self.require_root()
        if not self.is_pointer(physical):
            self.fail(reasons.ERROR_VMCLEAR_INVALID_ADDRESS)
        elif physical == self.vmxon_pointer:
            self.fail(reasons.ERROR_VMCLEAR_VMXON_POINTER)
        else:
            self.memory.write32(physical + vmcs.LAUNCH_STATE, vmcs.CLEAR)
            if physical == self.resident:
                self.resident = NO_POINTER
            if physical == self.current:
                self.forget_current()
            self.forget_translations(physical)
            if physical in self.aside:
                del self.aside[physical]
            if physical == self.translated:
                self.translated = NO_POINTER
            self.succeed()

    def vmptrld(self, physical):
        """Make the VMCS at `physical` the current one."""
        self.require_root()
        if not self.is_pointer(physical):
            self.fail(reasons.ERROR_VMPTRLD_INVALID_ADDRESS)
        elif physical == self.vmxon_pointer:
            self.fail(reasons.ERROR_VMPTRLD_VMXON_POINTER)
        elif not self.memory.contains(physical, vmcs.SIZE) or self.memory.read32(physical) != self.capabilities.revision:
            self.fail(reasons.ERROR_VMPTRLD_WRONG_REVISION)
        else:
            if physical != self.current:
                self.forget_current()
                self.current = physical
                # from here on the fields are written without looking for decoded code
                self.memory.written(physical, vmcs.SIZE)
            self.succeed()

    def forget_current(self):
        if self.flush_wanted and self.current != NO_POINTER:
            self.forget_translations(self.current)
            self.flush_wanted = False
        self.current = NO_POINTER
        self.controls_checked = False
        self.guest_checked = False

    def vmptrst(self):
        """The current-VMCS pointer: a 64-bit value, all ones if there is none."""
        self.require_root()
        self.succeed()
        return self.current

    def find(self, encoding):
        """The slot of a field that this processor has, or NO_FIELD after the VMfail."""
        self.require_root()
        if self.current == NO_POINTER:
            self.fail_invalid()
            return fields.NO_FIELD
        k = fields.slot(encoding)
        if k < 0 or fields.OFFSETS[k] < 0 or (fields.FLAGS[k] & fields.IS_SECONDARY and not self.capabilities.has_secondary):
            self.fail(reasons.ERROR_UNSUPPORTED_FIELD)
            return fields.NO_FIELD
        return k

    def vmread(self, encoding):
        """The field of the current VMCS, unsigned, of at most 32 bits (the low half of a 64-bit field, or with bit 0 of `encoding` the high half); -1
        if the instruction failed."""
        k = self.find(encoding)
        if k < 0:
            return -1
        self.status = SUCCEED
        return raw.load32(self.storage, self.current + fields.OFFSETS[k])

    def vmwrite(self, encoding, value):
        """Write a field; bits beyond its width are dropped. What is written is checked at the next VM entry."""
        k = self.find(encoding)
        if k < 0:
            return
        flags = fields.FLAGS[k]
        if flags:
            if flags & fields.IS_READ_ONLY:
                self.fail(reasons.ERROR_READ_ONLY_FIELD)
                return
            if flags & fields.IS_GUEST:
                self.guest_checked = False
            if flags & fields.IS_CONTROL_OR_HOST:
                self.controls_checked = False
            if flags & fields.IS_GUEST_CR3:
                self.flush_wanted = True
        self.status = SUCCEED
        raw.store32(self.storage, self.current + fields.OFFSETS[k], value & fields.MASKS[k])

    def vmlaunch(self):
        """Enter the guest of a clear VMCS. See `enter_guest`."""
        self.enter_guest(True)

    def vmresume(self):
        """Enter the guest of a launched VMCS."""
        self.enter_guest(False)

    def enter_guest(self, launch):
        """VMLAUNCH or VMRESUME: the checks, and the guest's state in the processor. Afterwards either `status` is a failure, or the processor is in
        non-root operation, or the entry failed late and the host's state has been loaded with exit reason 33 or 34 (or the injected event caused an
        exit)."""
        from hyper.cpu import interrupts
        from hyper.vmx import entry
        self.require_root()
        if self.current == NO_POINTER:
            self.fail_invalid()
            return
        if interrupts.in_shadow(self.system) and not self.vmm_host:
            self.fail(reasons.ERROR_ENTRY_BLOCKED_BY_MOV_SS)
            return
        launched = raw.load32(self.storage, self.current + vmcs.LAUNCH_STATE) == vmcs.LAUNCHED
        if launch and launched:
            self.fail(reasons.ERROR_VMLAUNCH_NOT_CLEAR)
        elif not launch and not launched:
            self.fail(reasons.ERROR_VMRESUME_NOT_LAUNCHED)
        else:
            entry.enter(self, launch)

    def vmcall(self):
        """VMCALL in root operation: there is no SMM monitor to call. (In non-root operation it exits.)"""
        self.require_root()
        self.fail(reasons.ERROR_VMCALL_IN_ROOT)

    def invept(self, kind):
        """INVEPT: kind 1 (one EPT pointer) or 2 (all). Every guest's translations are dropped either way. #UD without EPT."""
        self.require_root()
        if not self.capabilities.has_ept:
            raise GuestFault(UD)
        if kind != 1 and kind != 2:
            self.fail(reasons.ERROR_INVALID_OPERAND)
            return
        self.flush()
        self.succeed()

    def invvpid(self, kind, vpid, linear):
        """INVVPID: kind 0 (one address), 1 (one VPID), 2 (all), 3 (one VPID, globals kept). #UD without VPID."""
        self.require_root()
        if self.capabilities.secondary_may & controls.ENABLE_VPID == 0:
            raise GuestFault(UD)
        if kind < 0 or kind > 3 or vpid & ~0xffff or (vpid == 0 and kind != 2):
            self.fail(reasons.ERROR_INVALID_OPERAND)
            return
        if kind == 0:
            self.system.mmu.invalidate(linear & 0xffffffff)
        else:
            self.flush()
        self.succeed()

    # -- for the hypervisor in RPython

    def enter(self, launch):
        """VMLAUNCH or VMRESUME by the RPython VMM: runs the guest, and returns a STOP_ reason when it does not run any more.

        STOP_NONE: the instruction failed (`status`, `error`). STOP_VMEXIT: a VM exit; the exit information is in the VMCS. Any other reason (a limit, a
        request to stop) is the machine's own, and comes with a VM exit for an external interrupt that was not acknowledged (reason 1 with no valid
        interruption information), so the guest's state is in the VMCS and VMRESUME goes on."""
        from hyper.vmx import exits
        system = self.system
        self.vmm_host = True
        self.enter_guest(launch)
        if self.status != SUCCEED:
            return STOP_NONE
        if not system.vmx_non_root:
            system.stop = STOP_NONE
            return STOP_VMEXIT
        system.look = LOOK_NOW
        reason = system.run()
        if system.vmx_non_root:
            exits.vm_exit(system, reasons.EXTERNAL_INTERRUPT)
            system.stop = STOP_NONE
        return reason

    def invalidate(self, linear):
        """Drop the current guest's translation of one linear address, as INVVPID of type 0 does; for the VMM, on any model."""
        if self.translated == self.current:
            self.system.mmu.invalidate(linear & 0xffffffff)
        else:
            self.forget_translations(self.current)

    def flush(self):
        """Drop all translations of all guests, those of EPT too."""
        self.ept.flush()
        self.system.mmu.flush()

    # -- translations of guests; for entries, with an RPython host

    def forget_translations(self, pointer):
        """Those of the guest of a VMCS."""
        if pointer == self.translated:
            self.system.mmu.flush_current()
        elif pointer in self.aside:
            self.aside[pointer].forget()

    def written(self, pointer):
        """Addresses of the frames that the guest of a VMCS could write to without a look at its page tables."""
        if pointer == self.translated:
            if self.flush_wanted and pointer == self.current:
                return []
            return self.system.mmu.written()
        if pointer in self.aside and self.aside[pointer].generation == self.system.mmu.generation:
            return self.aside[pointer].written()
        return []

    def put_aside(self):
        """Another guest is about to be entered, that of the current VMCS: the processor is still in the state of the last one."""
        mmu = self.system.mmu
        if self.translated == NO_POINTER:
            mmu.flush_current()
        else:
            if self.translated not in self.aside:
                self.aside[self.translated] = Translations()
            mmu.put_aside(self.aside[self.translated], self.ept_pointer)
        self.translated = self.current

    def bring_back(self):
        """The processor is in the state of the guest that is entered."""
        if self.current in self.aside and not self.flush_wanted:
            self.system.mmu.bring_back(self.aside[self.current], self.ept_pointer)
        self.flush_wanted = False

    # -- 64-bit fields, by two accesses as a 32-bit host makes them

    def read64(self, encoding):
        low = self.vmread(encoding)
        return (self.vmread(encoding + 1) << 32) | low

    def write64(self, encoding, value):
        self.vmwrite(encoding, value & 0xffffffff)
        self.vmwrite(encoding + 1, (value >> 32) & 0xffffffff)
