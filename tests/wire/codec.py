# SPDX-License-Identifier: Apache-2.0
"""The codec's two test programs, and TAP, for the scripts in this folder."""
import os
import shutil
import subprocess
import sys

BUILD = os.environ.get('TURNOUT_BUILDDIR', '.')
SEED = int(os.environ.get('TURNOUT_SEED', '1'))
ROUNDS = 200 if os.environ.get('TURNOUT_LONG') else 20


def samples(seed):
    """Yields (name, bytes) for a sample of each message, made by our encoders."""
    program = os.path.join(BUILD, 'tests/wire/ofp_samples')
    for line in subprocess.check_output([program, str(seed)], text=True).splitlines():
        name, text = line.split()
        yield name, bytes.fromhex(text)


def describe(messages):
    """What our decoders and printer say of each message, a line each."""
    program = os.path.join(BUILD, 'tests/wire/ofp_text')
    text = ''.join(message.hex() + '\n' for message in messages)
    return subprocess.check_output([program], input=text, text=True).splitlines()


def skip_unless(*commands):
    for command in commands:
        if not shutil.which(command):
            print('1..0 # SKIP no', command)
            sys.exit(0)


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, good, name, *notes):
        self.count += 1
        self.failed += not good
        print('ok' if good else 'not ok', self.count, '-', name, flush=True)
        if not good:
            for note in notes:
                for line in str(note).splitlines():
                    print('#', line)

    def equal(self, got, expected, name):
        self.check(got == expected, name, f'got      {got}', f'expected {expected}')

    def done(self):
        print(f'1..{self.count}')
        sys.exit(1 if self.failed else 0)
