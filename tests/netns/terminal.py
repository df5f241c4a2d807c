# SPDX-License-Identifier: Apache-2.0
"""turnoutctl on a terminal."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

from netns.lib import DEADLINE, Failure, check, program


class Terminal:
    """turnoutctl on a terminal of so many rows and columns; its screen."""

    def __init__(self, lab, rows, columns, *argv):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ.update(LC_ALL="C.UTF-8", TERM="xterm")
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execv(program("turnoutctl"), ["turnoutctl", "--control", lab.switch.control, *argv])
        self.raw = b""

    def read(self, until, what):
        end = time.monotonic() + DEADLINE
        while not until(self.raw):
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise Failure("%s: %r" % (what, self.raw[-2000:]))
            try:
                self.raw += os.read(self.fd, 1 << 16)
            except OSError:
                break
        return self.raw.decode()

    def screens(self, count):
        """The first whole screens: lists of lines."""
        text = self.read(lambda raw: raw.count(b"\033[J") >= count, "screens")
        parts = text.split("\033[J")
        for part in parts[:-1]:
            check("\033[H" in part, "each begins at the top: %r" % part)
        return [part.split("\033[H")[1].replace("\r", "").replace("\033[K", "").splitlines()
                for part in parts[:count]]

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def mode(self):
        """How the terminal treats what is typed."""
        return termios.tcgetattr(self.fd)[3] & (termios.ICANON | termios.ECHO)

    def is_as_before(self):
        return self.mode() == termios.ICANON | termios.ECHO

    def wait(self, before_it_closes=lambda: None):
        """Its exit status."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            if select.select([self.fd], [], [], 0)[0]:
                try:
                    self.raw += os.read(self.fd, 1 << 16)
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                before_it_closes()
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        raise Failure("it does not end")
