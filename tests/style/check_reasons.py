#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""turnout-reasons(7) says of every reason what hal/reasons.def says, and of no other; the pages
that lead to it do."""

import os
import re
import sys

SOURCE = os.environ.get("TURNOUT_SRCDIR", os.path.join(os.path.dirname(__file__), "../.."))
REASON = re.compile(r'^HAL_REASON\((\d+), (\w+), "([^"]+)",\s*"([^"]+)",\s*"([^"]+)"\)', re.M)
SECTION = re.compile(r"^\.Ss (\d+) (\S+)\n(.+)\n\.Pp\nRemedy: (.+)\n"
                     r"\.Bd -literal -offset indent\nreason: ([a-z-]+).*\n\.Ed\n", re.M)


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8") as source:
        return source.read()


def table_is_sound(rows):
    """Numbers ascend, names are those of the identifiers."""
    numbers = [int(row[0]) for row in rows]
    bad = ["%s: numbers must ascend" % row[2] for row, before, number
           in zip(rows[1:], numbers, numbers[1:]) if number <= before]
    return bad + ["%s is not the name of %s" % (row[2], row[1]) for row in rows
                  if row[2] != row[1].lower().replace("_", "-")]


def page_is_complete(rows, page):
    sections = SECTION.findall(page)
    bad = []
    if len(sections) != len(re.findall(r"^\.Ss", page, re.M)):
        bad.append("a section is not: text, Remedy, example")
    for (number, _, name, summary, remedy), section in zip(rows, sections):
        wanted = (number, name, summary, remedy, name)
        bad += ["%s: '%s' should be '%s'" % (name, have, want)
                for have, want in zip(section, wanted) if have != want]
    if [row[2] for row in rows] != [section[1] for section in sections]:
        bad.append("the sections are not those of hal/reasons.def, in its order")
    return bad


def pages_lead_to_it():
    return ["%s does not refer to it" % name for name in ("turnoutctl.8", "turnoutd.8")
            if ".Xr turnout-reasons 7" not in read("man/" + name)]


def main():
    text = read("hal/reasons.def")
    rows = REASON.findall(text)
    bad = table_is_sound(rows) + page_is_complete(rows, read("man/turnout-reasons.7"))
    if len(rows) != len(re.findall(r"^HAL_REASON", text, re.M)):
        bad.append("hal/reasons.def has a row that can't be read")
    bad += pages_lead_to_it()
    print("1..1")
    for line in bad:
        print("# turnout-reasons(7): " + line)
    print("%sok 1 - turnout-reasons(7) is what hal/reasons.def is" % ("not " if bad else ""))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
