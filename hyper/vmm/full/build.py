"""Makes a fully virtualized domain from its configuration."""
from hyper.board import firmware
from hyper.board.pc import COM1
from hyper.errors import UserError
from hyper.loader import detect, firmware as firmware_loader
from hyper.options import EPT
from hyper.vmm.frames import FRAME
from hyper.vmm.full import setup
from hyper.vmm.full.domain import FullDomain, frames_wanted
from hyper.vmm.full.memory import LARGE_SIZE


def memory_needed(config):
    """Bytes of machine memory that the domain takes, with what aligning it can cost."""
    use_ept = config.mmu == EPT
    return config.memory + (1 + frames_wanted(config.memory, use_ept)) * FRAME + LARGE_SIZE


def build(hypervisor, config, number):
    """The domain, ready to run; raises UserError."""
    use_ept = config.mmu == EPT
    setup.require(hypervisor.vmx.capabilities, use_ept)
    if config.firmware:
        image = firmware_loader.load(config.image)
    else:
        image = detect.load(config.image, config.boot_request(hypervisor.model))
    region = hypervisor.take_frame()
    frames = []
    for k in range(frames_wanted(config.memory, use_ept)):
        frames.append(hypervisor.take_frame())
    base = hypervisor.take_range(config.memory // FRAME, LARGE_SIZE)
    domain = FullDomain(number, config.name, hypervisor.vmx, hypervisor.model, hypervisor.clock, hypervisor.memory, base, config.memory,
                        config.sink, use_ept, region, frames, hypervisor, config.fittings)
    domain.memory.place(image)
    if config.firmware:
        firmware.add(domain.pc, domain.bus, config.image.data, config.memory, COM1, config.video_rom)
    domain.start(image.entry)
    return domain
