"""Processor models as data, a file each: what CPUID says, which MSRs there are, what the capability MSRs hold."""
from hyper.cpu.models.files import read

MODELS = [read(_name) for _name in ['core2duo', '486', 'pentium', 'pentium-mmx', 'pentium-2', 'pentium-3', 'pentium-d', 'nehalem']]


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


def listing():
    """The names with their descriptions, a line each."""
    text = ''
    for model in MODELS:
        text += '%s  %s\n' % (model.name + ' ' * (12 - len(model.name)), model.description)
    return text
