# SPDX-License-Identifier: Apache-2.0
"""Turnout installed into a scratch directory, and what is built against it there: as a vendor
who has the package, not the sources, builds a driver."""

import os
import shutil
import subprocess

from netns.lib import BUILD, SOURCE, check, run_command

PREFIX = "/usr/local"
COMPILERS = ["gcc", "clang"]
WARNINGS = "-O1 -g -Wall -Wextra -Werror"


def make(directory, *arguments, env=None, ok=True):
    """make in a directory, without what a make above this test has put in the environment."""
    env = {k: v for k, v in (env or os.environ).items() if k not in ("MAKEFLAGS", "MFLAGS",
                                                                      "MAKELEVEL")}
    return run_command("make", "-s", "-C", directory, *arguments, env=env, ok=ok, timeout=600)


class Installed:
    """'make install' of the build tree under lab.tmp."""

    def __init__(self, lab):
        self.root = lab.path("root")
        make(BUILD, "install", "DESTDIR=" + self.root, "prefix=" + PREFIX)
        self.libdir = self.root + PREFIX + "/lib"
        self.includedir = self.root + PREFIX + "/include"
        self.env = dict(os.environ, PKG_CONFIG_SYSROOT_DIR=self.root,
                        PKG_CONFIG_LIBDIR=self.libdir + "/pkgconfig",
                        LD_LIBRARY_PATH=self.libdir)
        self.sanitizer = self._sanitizer()

    def files(self):
        return sorted(os.path.relpath(os.path.join(at, name), self.root)
                      for at, _, names in os.walk(self.root) for name in names)

    def _sanitizer(self):
        """What a program that uses the library must be linked with, as the library is."""
        names = run_command("nm", "-D", self.libdir + "/libturnout-hal.so").stdout
        for name, option in (("__asan_", "-fsanitize=address,undefined"), ("__tsan_", "-fsanitize=thread")):
            if name in names:
                return option
        return ""

    def flags(self, *options):
        return run_command("pkg-config", *options, "turnout-hal", env=self.env).stdout.split()

    def build(self, lab, name, compiler="gcc"):
        """Builds examples/NAME away from the sources; returns where."""
        there = lab.path("example-%s-%s" % (name, compiler))
        shutil.rmtree(there, ignore_errors=True)
        shutil.copytree(os.path.join(SOURCE, "examples", name), there)
        make(there, "clean")
        sanitizer = self.sanitizer if name == "program" else ""
        make(there, "CC=" + compiler, "CFLAGS=%s %s" % (WARNINGS, sanitizer), env=self.env)
        return there

    def compile_driver(self, lab, name, *options, source=None, compiler="gcc"):
        """A shared object NAME.so of C text, or of a file; returns its path."""
        path = lab.path(name + ".so")
        if source is not None:
            with open(lab.path(name + ".c"), "w", encoding="utf-8") as out:
                out.write(source)
        done = subprocess.run([compiler, "-std=gnu11", *WARNINGS.split(), "-fPIC", "-shared",
                               *self.flags("--cflags"), *options, "-o", path, lab.path(name + ".c")],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        check(done.returncode == 0, done.stdout)
        return path
