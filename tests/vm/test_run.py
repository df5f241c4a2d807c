#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/vm/run itself: what it passes on, and how it ends when the machine does not do well."""

import os
import signal
import subprocess
import tempfile

from netns.lib import SOURCE, check, check_equal, run

RUN = os.path.join(SOURCE, "tests/vm/run")


class Place:
    """A folder below /tmp, which the machine has in memory of its own."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="turnout-vm.", dir="/tmp")

    def script(self, *lines):
        path = os.path.join(self.folder.name, "script.sh")
        with open(path, "w", encoding="ascii") as out:
            out.write("\n".join(lines) + "\n")
        return path

    def boot(self, *lines, options=(), arguments=()):
        return subprocess.run([RUN, *options, self.script(*lines), *arguments], text=True,
                              capture_output=True, check=False, timeout=120,
                              cwd=self.folder.name, env=dict(os.environ, TURNOUT_SEED="a b"))

    def close(self):
        self.folder.cleanup()

    @staticmethod
    def logs():
        return ""

    @staticmethod
    def sanitizer_reports():
        return []


def the_program_is_where_it_was(place):
    share = tempfile.mkdtemp(dir=place.folder.name)
    done = place.boot("pwd", 'echo "$1|$TURNOUT_SEED|$TURNOUT_VM"', "echo x > scratch",
                      'ls "$TURNOUT_SIMNIC" >/dev/null && uname -r > /vm/result', "exit 37",
                      options=["-d", share], arguments=["one two"])
    check_equal(done.stdout, place.folder.name + "\none two|a b|1\n", "its output")
    check_equal(done.returncode, 37, "its exit status")
    check_equal(os.listdir(share), ["result"], "what it left in /vm")
    check(not os.path.exists(os.path.join(place.folder.name, "scratch")), "all else is lost")


def a_warning_of_the_kernel_fails_the_run(place):
    done = place.boot('echo "WARNING: planted" >/dev/kmsg')
    check_equal(done.returncode, 1, "the status")
    check("planted" in done.stdout, "the words: " + done.stdout)


def a_crash_is_told_from_a_result(place):
    done = place.boot("echo c >/proc/sysrq-trigger", "exit 0")
    check_equal(done.returncode, 125, "the status")
    check("Kernel panic" in done.stdout, "the kernel's words are shown")


def time_is_limited(place):
    check_equal(place.boot("sleep 100", options=["-t", "8"]).returncode, 124, "the status")


def a_signal_ends_the_machine(place):
    with subprocess.Popen([RUN, place.script("echo up", "sleep 100")], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        check_equal(process.stdout.readline(), "up\n", "the machine runs")
        process.send_signal(signal.SIGTERM)
        # The end of its output is that of the machine, too.
        process.stdout.read()
        check_equal(process.wait(30), 143, "the status")


def a_program_that_is_not_there(_):
    done = subprocess.run([RUN, "/no/such/program"], capture_output=True, check=False, text=True)
    check_equal(done.returncode, 125, "the status")
    check("there is no /no/such/program" in done.stderr, "the words: " + done.stderr)


def main():
    run(Place(), the_program_is_where_it_was, a_warning_of_the_kernel_fails_the_run,
        a_crash_is_told_from_a_result, time_is_limited, a_signal_ends_the_machine,
        a_program_that_is_not_there)


if __name__ == "__main__":
    main()
