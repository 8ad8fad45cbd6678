"""Processor models as data: what CPUID says and what the capability MSRs hold."""
from hyper.cpu.models.model import CORE2DUO, PENTIUM_D, NEHALEM

MODELS = [CORE2DUO, PENTIUM_D, NEHALEM]


def names():
    """What `--cpu` takes."""
    return [model.name for model in MODELS]


def find(name):
    """The model of a name, the default one for '', None if there is none."""
    if name == '':
        return MODELS[0]
    for model in MODELS:
        if model.name == name:
            return model
    return None
