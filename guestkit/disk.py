"""Disk images for --disk: the engine takes raw files; qcow2 ones are converted by qemu-img."""
import os
import shutil
import subprocess
import tempfile

from guestkit.errors import BadInput

QCOW2 = b'QFI\xfb'
DAMAGED = {1, 2}                # what qemu-img check returns if it cannot look at an image, and if data are lost
FORGETTING = {'ro', 'snapshot', 'cdrom'}         # words of --disk with which the file never changes


def is_qcow2(path):
    try:
        with open(path, 'rb') as file:
            return file.read(4) == QCOW2
    except OSError:
        return False                            # the engine says what is wrong with it


def raw(text, directory):
    """The value of --disk with a raw file in place of a qcow2 one, which is made in the directory."""
    path, *options = text.split(',')
    if not is_qcow2(path):
        return text
    if not FORGETTING & set(options):
        raise BadInput(f'--disk {path}: a qcow2 image, which cannot be written to; add ,snapshot or ,ro, or convert it: qemu-img convert -O raw {path} disk.img')
    if not shutil.which('qemu-img'):
        raise BadInput(f'--disk {path}: a qcow2 image, which needs qemu-img; install qemu-utils')
    handle, image = tempfile.mkstemp(suffix='.img', dir=directory)
    os.close(handle)
    made = subprocess.run(['qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', path, image], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        reason = made.stderr.strip().splitlines()[-1:] or ['no reason given']
        raise BadInput(f'--disk {path}: qemu-img cannot convert it ({reason[0]}); get a whole copy')
    if subprocess.run(['qemu-img', 'check', '-f', 'qcow2', path], capture_output=True, check=False).returncode in DAMAGED:
        raise BadInput(f'--disk {path}: qemu-img check finds it damaged or cut short; get a whole copy')        # convert takes what is missing as zeros
    return ','.join([image, *options])


def converted(words, directory):
    """The words of a run with every disk raw."""
    return [raw(word, directory) if i > 0 and words[i - 1] == '--disk' else word for i, word in enumerate(words)]
