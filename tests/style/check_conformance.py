#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every test that docs/OPENFLOW.md names exists, and no part says "no" without a reason.

Prints TAP.
"""

import os
import re
import sys

TOP = os.environ.get("TURNOUT_SRCDIR") or os.path.join(os.path.dirname(__file__), "../..")
HEADING = "## Every part, and the test that shows it"


def table_rows(text):
    """(part, verdict, test) of each row below the heading."""
    section = text.split(HEADING, 1)[1].split("\n## ", 1)[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 3 and cells[1] not in ("", "---"):
            yield cells


def functions_of(name):
    path = os.path.join(TOP, name if "/" in name else os.path.join("tests/netns", name))
    with open(path, encoding="utf-8") as source:
        return set(re.findall(r"^\s*def (\w+)", source.read(), re.M))


def faults(rows):
    for part, verdict, test in rows:
        named = re.findall(r"`([\w/]+\.py): (\w+)`", test)
        for name, function in named:
            try:
                if function not in functions_of(name):
                    yield "%s: there is no %s in %s" % (part, function, name)
            except OSError as error:
                yield "%s: %s" % (part, error)
        if verdict == "yes" and not named:
            yield "%s: no test is named" % part
        if verdict not in ("yes", "no", "refused"):
            yield "%s: '%s' is no verdict" % (part, verdict)
        if verdict == "no" and len(test) < 20:
            yield "%s: no reason is given" % part


def main():
    with open(os.path.join(TOP, "docs/OPENFLOW.md"), encoding="utf-8") as doc:
        rows = list(table_rows(doc.read()))
    found = list(faults(rows))
    planted = list(faults([["a", "yes", "`test_nxm.py: no_such_test`"], ["b", "no", ""],
                           ["c", "yes", "surely"], ["d", "maybe", "`no_file.py: x`"]]))
    print("1..3")
    print("%s 1 - each part of OpenFlow names tests that exist" % ("not ok" if found else "ok"))
    for fault in found:
        print("# " + fault)
    print("%s 2 - there are %d parts" % ("ok" if len(rows) > 60 else "not ok", len(rows)))
    print("%s 3 - planted faults are found" % ("ok" if len(planted) == 5 else "not ok"))
    return 1 if found or len(planted) != 5 else 0


if __name__ == "__main__":
    sys.exit(main())
