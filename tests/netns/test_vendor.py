#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is installed for vendors and for makers of other systems: the library, its headers and
its pkg-config file; the example driver and program built with nothing else; the driver in
turnoutd, on real devices."""

import os
import re
import shutil
import struct

from netns.lib import BUILD, Capture, Lab, Switch, check, check_equal, run, run_command, wait_for
from netns.vendor import COMPILERS, PREFIX, Installed, make

HEADERS = ["hal/capability.h", "hal/driver.h", "hal/hal.h", "hal/look.h", "hal/text.h", "hal/verdict.h",
           "turnout/action.h", "turnout/byteorder.h", "turnout/field_id.h", "turnout/flow.h",
           "turnout/port.h"]
FRAME = bytes.fromhex("020000000002" "020000000001" "88b5") + bytes(46)
PACKET = "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,dl_type=0x88b5"
OUTPUT = """\
a frame at port 1
  a miss: it is software's
offered ip,in_port=1: taken
offered ip,in_port=2: taken
offered ip,in_port=3: action-unsupported
  The device can't do one of the actions. (set-nw-tos)
  Use an action that 'turnoutctl hw probe' lists for the device.
a frame at port 1
  out of port 2: to 02:..:02
a frame at port 2
  out of port 1: to 02:..:01
a frame at port 3
  a miss: it is software's
the first rule's packets go to port 3 from now on
a frame at port 1
  out of port 3: to 02:..:02
entries:
  example/exact: ip,in_port=1 -> output:3, cookie 0xa1, 2 packets
  example/exact: ip,in_port=2 -> mod_dl_dst:02:00:00:00:00:01,output:1, cookie 0xa2, 1 packets
device of example: 2 of 4 entries in use; added 2, changed 1, removed 0
rule 0xa1: 2 packets, 120 bytes in hardware
rule 0xa2: 1 packets, 60 bytes in hardware
rule 0xa3: 0 packets, 0 bytes in hardware
"""


def all_is_installed_and_uninstalled(lab):
    lab.installed = Installed(lab)
    there = lab.installed.files()
    for name in HEADERS + ["hal/reasons.def"]:
        check("usr/local/include/turnout/" + name in there, name)
    version = lab.installed.flags("--modversion")[0]
    real = "libturnout-hal.so.0." + version
    for name in ("libturnout-hal.a", real, "libturnout-hal.so.0", "libturnout-hal.so",
                 "pkgconfig/turnout-hal.pc"):
        check("usr/local/lib/" + name in there, name)
    link = os.readlink(lab.installed.libdir + "/libturnout-hal.so")
    check_equal(link, real, "what the link for linkers points to")
    check_equal(lab.installed.flags("--cflags", "--libs"),
                ["-I%s/turnout" % lab.installed.includedir, "-L" + lab.installed.libdir,
                 "-lturnout-hal"], "flags")
    soname = re.search(r"SONAME.*\[(.*)\]", run_command("readelf", "-d", lab.installed.libdir
                                                        + "/libturnout-hal.so").stdout).group(1)
    check_equal(soname, "libturnout-hal.so.0", "soname")
    other = lab.path("other")
    shutil.copytree(lab.installed.root, other, symlinks=True)
    make(BUILD, "uninstall", "DESTDIR=" + other, "prefix=" + PREFIX)
    left = [name for _, _, names in os.walk(other) for name in names]
    check_equal(left, [], "files after uninstall")


def declared(lab):
    """The functions that the installed headers declare."""
    with open(lab.path("all.c"), "w", encoding="utf-8") as out:
        out.writelines('#include "%s"\n' % name for name in HEADERS)
    run_command("gcc", "-fsyntax-only", *lab.installed.flags("--cflags"), "-aux-info",
                lab.path("all.X"), lab.path("all.c"))
    with open(lab.path("all.X"), encoding="utf-8") as lines:
        return {name for line in lines if "/turnout/" in line
                for name in re.findall(r"\b(hal_[a-z0-9_]+) \(", line)}


def the_libraries_export_what_the_headers_declare(lab):
    wanted = declared(lab)
    check(len(wanted) > 30 and "hal_new" in wanted, sorted(wanted))
    shared = run_command("nm", "-D", "--defined-only", lab.installed.libdir + "/libturnout-hal.so")
    names = {line.split()[-1].split("@")[0] for line in shared.stdout.splitlines()}
    ours = {name for name in names if not name.startswith(("TURNOUT_HAL_", "__", "_init", "_fini"))}
    check_equal(ours, wanted, "exported by the shared library")
    static = run_command("nm", "-g", "--defined-only", lab.installed.libdir + "/libturnout-hal.a")
    names = {line.split()[-1] for line in static.stdout.splitlines() if len(line.split()) == 3}
    ours = {name for name in names if not name.startswith("__")}
    check_equal(ours, wanted, "exported by the static library")


def every_header_stands_alone(lab):
    cflags = lab.installed.flags("--cflags")
    compilers = [[c, "-xc", "-std=gnu11"] for c in COMPILERS] + [[c, "-xc", "-std=gnu2x"] for c in COMPILERS]
    compilers += [[c, "-xc++"] for c in ("g++", "clang++") if shutil.which(c)]
    for name in HEADERS:
        with open(lab.path("alone.c"), "w", encoding="utf-8") as out:
            out.write('#include "%s"\n#include "%s"\n' % (name, name))
        for compiler in compilers:
            run_command(*compiler, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *cflags,
                        lab.path("alone.c"))


def the_examples_build_with_every_compiler(lab):
    for compiler in COMPILERS:
        lab.driver = lab.installed.build(lab, "driver", compiler) + "/turnout-example.so"
        needs = run_command("readelf", "-d", lab.driver).stdout
        check("turnout" not in re.sub("SONAME.*", "", needs), "a driver links with nothing of ours")
        if compiler == "gcc" or not lab.installed.sanitizer:
            lab.program = lab.installed.build(lab, "program", compiler) + "/offload"
        there = run_command("nm", "-D", "--defined-only", lab.driver).stdout.split()
        check_equal([name for name in there if "turnout" in name or "example" in name],
                    ["turnout_driver"], "what the driver exports")


def the_program_offloads_without_a_daemon(lab):
    done = run_command(lab.program, lab.driver + ":entries=4", env=lab.installed.env)
    check_equal((done.stdout, done.stderr), (OUTPUT, ""), "what it prints")
    done = run_command(lab.program, lab.driver + ":depth=4", env=lab.installed.env, ok=False)
    check_equal((done.returncode, done.stderr),
                (1, "offload: example: unknown option 'depth'; valid: entries\n"), "a bad option")


def it_links_statically_too(lab):
    source = os.path.dirname(lab.program) + "/offload.c"
    run_command("gcc", *lab.installed.sanitizer.split(), "-o", lab.path("static"), source,
                *lab.installed.flags("--cflags"), lab.installed.libdir + "/libturnout-hal.a",
                *[flag for flag in lab.installed.flags("--libs", "--static")
                  if flag not in ("-lturnout-hal",)])
    done = run_command(lab.path("static"), lab.driver + ":entries=4")
    check_equal(done.stdout, OUTPUT, "what it prints")


def the_driver_passes_the_conformance_body(lab):
    """Of the source tree: 'make check' builds it."""
    done = run_command(os.path.join(BUILD, "tests/property/test_hardware"), "--frames", "200000",
                       env=dict(os.environ, TURNOUT_DRIVER=lab.driver + ":entries=1000"), ok=False,
                       timeout=150)
    check(done.returncode == 0 and "not ok" not in done.stdout, done.stdout[-2000:])
    check(re.search(r"able: .* [1-9]\d*% of them forwarded by the device", done.stdout), done.stdout[:500])


# --- in turnoutd ----------------------------------------------------------------------------


def send(lab, n=100, frame=FRAME):
    lab.hosts[0].send("eth0", *[frame] * n)
    lab.sent += n


def hardware(lab):
    return [e for e in lab.switch.ctl_json("hw", "entries")["entries"] if e["state"] == "hardware"]


def turnoutd_forwards_by_it(lab):
    lab.switch = Switch(lab, ["p1@1,driver=example", "p2@2,driver=example", "p3@3"],
                        options=["--driver", lab.driver + ":entries=100"])
    lab.sent = 0
    lab.switch.ofctl("add-flow", "priority=10,in_port=1,dl_type=0x88b5,actions=output:2")
    with Capture(lab.hosts[1]) as capture:
        def hot():
            send(lab)
            return any(e["packets"] >= 100 for e in hardware(lab))
        wait_for(hot, "the driver forwards, and counts")
        last = FRAME[:-4] + struct.pack("!I", 7)
        lab.hosts[0].send("eth0", last)
        lab.sent += 1
        check_equal(len(capture.until(last)), lab.sent - 1, "frames that came out")
    wait_for(lambda: lab.switch.ctl_json("flows")["flows"][0]["packets"] == lab.sent,
             "flow statistics have all of them")
    why = lab.switch.ctl_json("hw", "explain", PACKET)
    check_equal((why["state"], why["entry"]["device"], why["entry"]["table"], why["entry"]["actions"]),
                ("hardware", "example", "exact", "output:2"), "explained")
    device = lab.switch.ctl_json("hw", "show")["devices"][0]
    check_equal(device["facts"], {"kind": "memory of the process", "masks": "1 of 8"}, "facts")
    check("\n  kind: memory of the process\n" in lab.switch.ctl("hw", "show").stdout, "facts as text")
    check_equal((device["driver"], device["options"], device["tables"][0]["entries"],
                 device["tables"][0]["capacity"]), ("example", "entries=100", 1, 100), "shown")


def it_rewrites_addresses(lab):
    lab.switch.ofctl("mod-flows", "in_port=1,dl_type=0x88b5,"
                     "actions=mod_dl_src:02:00:00:00:00:99,output:2")
    changed = FRAME[:6] + bytes.fromhex("020000000099") + FRAME[12:]
    with Capture(lab.hosts[1]) as capture:
        def by_hardware():
            before = sum(e["packets"] for e in hardware(lab))
            send(lab, 10)
            capture.expect(lambda frame: frame == changed, "a rewritten frame")
            return hardware(lab) and sum(e["packets"] for e in hardware(lab)) >= before + 10
        wait_for(by_hardware, "the driver rewrites")


def what_it_cannot_do_is_explained(lab):
    lab.switch.ofctl("add-flow", "priority=20,in_port=1,ip,actions=mod_nw_tos:32,output:2")
    why = lab.switch.ctl_json("hw", "explain", "in_port=1,ip,nw_dst=10.0.0.2")
    check_equal((why["state"], why["reason"]["name"], why["reason"]["action"]),
                ("software", "action-unsupported", "set-nw-tos"), "explained")
    lab.switch.ofctl("add-flow", "priority=20,in_port=1,dl_type=0x88b6,actions=output:3")
    why = lab.switch.ctl_json("hw", "explain", PACKET.replace("88b5", "88b6"))
    check_equal(why["reason"]["name"], "output-special", "a port without the driver")
    lab.switch.ofctl("add-flow", "priority=30,in_port=1,udp,actions=dec_ttl,output:2")
    why = lab.switch.ctl_json("hw", "explain", "in_port=1,udp,nw_dst=10.0.0.2")["reason"]
    check_equal((why["name"], why["action"]), ("per-packet", "dec-ttl"), "an action of Nicira's")


if __name__ == "__main__":
    run(Lab(hosts=3), all_is_installed_and_uninstalled, the_libraries_export_what_the_headers_declare,
        every_header_stands_alone, the_examples_build_with_every_compiler,
        the_program_offloads_without_a_daemon, it_links_statically_too,
        the_driver_passes_the_conformance_body, turnoutd_forwards_by_it,
        it_rewrites_addresses, what_it_cannot_do_is_explained)
