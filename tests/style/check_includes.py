#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom, checked from the #include lines (docs/ARCHITECTURE.md, "Folders").

The folders are layers: each includes itself and those below it. Four rules are narrower:
drivers include the contract (hal/driver.h) of hal/ and nothing above; OpenFlow's wire types
(openflow10.h) stop in ofagent/; a tool's main includes libraries, never another tool; the
governor's policy (lib/governor/) includes shared types alone, so that a program in the kernel can
be built from it.

Prints TAP. The first tests plant violations in a scratch tree and want them found.
"""

import os
import re
import sys
import tempfile

# Lowest first. A file may include headers of its own layer and of lower ones.
LAYERS = ["include/turnout", "lib", "hal", "sw-datapath", "ofagent", "mgmt", "tools"]
# Not part of the product: may include all of it; nothing in it may be included by it.
OUTSIDE = ["tests", "bench"]
WIRE_HEADERS = {"ofagent/openflow10.h", "ofagent/nicira.h"}
# What a driver is written against: driver.h and what it includes.
CONTRACT = {"hal/driver.h", "hal/capability.h", "hal/verdict.h", "hal/reasons.def"}
# Of the system, the governor's policy may have what needs no library.
FREESTANDING = {"assert.h", "stdbool.h", "stddef.h", "stdint.h"}
PURE = "lib/governor/"
# What ports are, for whoever wants to know: below drivers, mgmt/ and tools/.
DISCOVERY = ("drivers/devlink/", "drivers/pci/", "drivers/quirks/")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def folder_of(path):
    """The layer or other top folder that a path (from the tree's top) is in, or None."""
    for folder in LAYERS + OUTSIDE + ["drivers"]:
        if path.startswith(folder + "/"):
            return folder
    return None


def sub_folder(path):
    return "/".join(path.split("/")[:2])


def headers_of(top):
    """Every header of the tree by its path from the top."""
    found = set()
    for folder in LAYERS + OUTSIDE + ["drivers"]:
        for at, _, names in os.walk(os.path.join(top, folder)):
            for name in names:
                if name.endswith((".h", ".def")):
                    found.add(os.path.relpath(os.path.join(at, name), top))
    return found


def resolve(headers, source, name):
    """The header of ours that #include "name" in 'source' means, or None: a system's."""
    for candidate in (name, "include/" + name,
                      os.path.normpath(os.path.join(os.path.dirname(source), name))):
        if candidate in headers:
            return candidate
    return None


def refusal(source, target):
    """Why 'source' may not include 'target', or None if it may."""
    here, there = folder_of(source), folder_of(target)
    if here in OUTSIDE:
        return None
    if there in OUTSIDE:
        return "the product does not include tests or benches"
    if source.startswith(PURE) and not target.startswith((PURE, "include/turnout/")):
        return "the governor's policy includes shared types alone"
    if target in WIRE_HEADERS and here != "ofagent":
        return "OpenFlow's wire types stop in ofagent/"
    if source.startswith(DISCOVERY) and there in ("drivers", "hal"):
        same = sub_folder(source) == sub_folder(target)
        return None if same else "what ports are is found out without drivers"
    if target.startswith(DISCOVERY):
        above = here in ("drivers", "mgmt", "tools")
        return None if above else "only drivers, mgmt/ and tools/ ask what ports are"
    if here == "drivers":
        if there == "drivers":
            same = source == "drivers/builtin.c" or sub_folder(source) == sub_folder(target)
            return None if same else "a driver does not include another driver"
        if there == "hal" and target not in CONTRACT:
            return "of hal/, a driver includes the contract alone"
        if LAYERS.index(there) > LAYERS.index("hal"):
            return "a driver includes nothing above hal/"
        return None
    if there == "drivers" and target != "drivers/builtin.h":
        return "drivers are reached through hal/driver.h"
    if there == "drivers":
        return None if here in ("mgmt", "tools") else "only mgmt/ and tools/ choose drivers"
    if here == there == "tools" and sub_folder(source) != sub_folder(target):
        return "a tool does not include another tool"
    if LAYERS.index(there) > LAYERS.index(here):
        return "%s is below %s" % (here, there)
    return None


def includes_of(path):
    """(line number, quoted, name) of each #include in a file."""
    with open(path, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1) == '"', match.group(2)


def violations(top):
    """'file:line: what' for each #include that is not allowed, and how many were read."""
    headers = headers_of(top)
    found, n_read = [], 0
    for folder in LAYERS + OUTSIDE + ["drivers"]:
        for at, _, names in sorted(os.walk(os.path.join(top, folder))):
            for name in sorted(names):
                if not name.endswith((".c", ".h", ".def", ".inc.c")):
                    continue
                path = os.path.join(at, name)
                source = os.path.relpath(path, top)
                for number, quoted, included in includes_of(path):
                    target = resolve(headers, source, included)
                    if not target:
                        if quoted and included != "config.h":
                            found.append('%s:%d: "%s" is not in the tree'
                                         % (source, number, included))
                        elif source.startswith(PURE) and included not in FREESTANDING:
                            found.append("%s:%d: includes <%s>: the governor's policy needs no "
                                         "library" % (source, number, included))
                        continue
                    n_read += 1
                    why = refusal(source, target)
                    if why:
                        found.append("%s:%d: includes %s: %s" % (source, number, target, why))
    return found, n_read


PLANTED = [
    # (file, what it includes, is it allowed)
    ("lib/a.c", "sw-datapath/packet.h", False),
    ("include/turnout/a.h", "lib/log.h", False),
    ("hal/a.c", "sw-datapath/packet.h", False),
    ("sw-datapath/a.c", "ofagent/ofp.h", False),
    ("ofagent/a.c", "mgmt/server.h", False),
    ("mgmt/a.c", "tools/turnoutd/options.h", False),
    ("mgmt/b.c", "ofagent/openflow10.h", False),
    ("drivers/sim/a.c", "hal/place.h", False),
    ("drivers/sim/b.c", "drivers/tc/flower.h", False),
    ("drivers/sim/c.c", "sw-datapath/packet.h", False),
    ("hal/b.c", "drivers/tc/flower.h", False),
    ("lib/b.c", "tests/wire/peer.h", False),
    ("lib/c.c", "nowhere.h", False),
    ("lib/governor/a.c", "lib/log.h", False),
    ("lib/governor/b.c", "turnout/flow.h", True),
    ("lib/d.c", "turnout/flow.h", True),
    ("drivers/sim/d.c", "hal/driver.h", True),
    ("drivers/pci/a.c", "drivers/tc/flower.h", False),
    ("drivers/pci/b.c", "hal/driver.h", False),
    ("ofagent/c.c", "drivers/pci/pci.h", False),
    ("drivers/sim/e.c", "drivers/pci/pci.h", True),
    ("tools/turnoutctl/a.c", "drivers/pci/pci.h", True),
    ("ofagent/b.c", "ofagent/openflow10.h", True),
    ("tools/turnoutd/main.c", "mgmt/server.h", True),
    ("tests/unit/test_a.c", "ofagent/openflow10.h", True),
]
PLANTED_HEADERS = ["lib/log.h", "include/turnout/flow.h", "hal/driver.h", "hal/place.h",
                   "sw-datapath/packet.h", "ofagent/ofp.h", "ofagent/openflow10.h",
                   "mgmt/server.h", "tools/turnoutd/options.h", "drivers/tc/flower.h",
                   "drivers/pci/pci.h", "tests/wire/peer.h"]


def write(top, path, text):
    full = os.path.join(top, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as out:
        out.write(text)


def self_test():
    """Problems with this script itself, found with planted files; [] if there are none."""
    problems = []
    for path, included, allowed in PLANTED:
        with tempfile.TemporaryDirectory() as top:
            for header in PLANTED_HEADERS:
                write(top, header, "\n")
            write(top, path, '#include "%s"\n' % included)
            found, _ = violations(top)
            if allowed and found:
                problems.append("allowed, yet refused: " + found[0])
            if not allowed and len(found) != 1:
                problems.append("%s including %s was not found" % (path, included))
    return problems


def report(number, name, problems):
    print("%s %d - %s" % ("not ok" if problems else "ok", number, name))
    for problem in problems:
        print("# " + problem)


def main():
    top = os.environ.get("TURNOUT_SRCDIR") or os.path.join(os.path.dirname(__file__), "../..")
    planted = self_test()
    found, n_read = violations(top)
    print("1..3")
    report(1, "planted violations are found, and nothing else", planted)
    report(2, "every #include goes down the layers", found)
    report(3, "there were #include lines to read", [] if n_read > 10 else ["%d" % n_read])
    return 1 if planted or found or n_read <= 10 else 0


if __name__ == "__main__":
    sys.exit(main())
