"""argparse with this project's manners: an error is one line, with status 2."""
import argparse

from guestkit.errors import BadInput


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise BadInput(f'{message}; see {self.prog} --help')
