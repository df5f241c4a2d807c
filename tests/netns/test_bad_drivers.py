#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Shared objects that are no drivers, and drivers that break their contract: turnoutd says what
is wrong and does not start; or it fences the driver off and forwards on in software."""

import shutil
import struct
import time

from netns.lib import (SOURCE, Capture, Lab, Switch, check, check_equal, program, run, run_command,
                       wait_for)
from netns.vendor import Installed

FRAME = bytes.fromhex("020000000002" "020000000001" "88b5") + bytes(46)
PACKET = "in_port=1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,dl_type=0x88b5"
OPS = ["open", "close", "probe", "port_add", "port_change", "port_del", "submit", "fence", "stats",
       "dump", "flush"]


def build(lab, name, **macros):
    """bad_driver.c with macros; the path of the shared object."""
    shutil.copy(SOURCE + "/tests/netns/bad_driver.c", lab.path(name + ".c"))
    # An initializer that lacks an op sets it again, to NULL.
    options = ["-Wno-override-init"] + ["-D%s=%s" % item for item in macros.items()]
    return lab.installed.compile_driver(lab, name, *options)


def refused(lab, driver, *words, status=1):
    """turnoutd does not start with the driver, and says why."""
    done = run_command(program("turnoutd"), "--control", lab.path("none"), "--rundir", lab.tmp,
                       "--bridge", "br0", "--driver", driver, ok=False)
    check_equal(done.returncode, status, "exit status with %s: %s" % (driver, done.stderr))
    for word in words:
        check(word in done.stderr, "%r in %s" % (word, done.stderr))


def what_is_no_driver_is_refused(lab):
    lab.installed = Installed(lab)
    refused(lab, "/nonexistent/d.so", "/nonexistent/d.so", "No such file", status=2)
    refused(lab, lab.tmp + "/", lab.tmp, "directory")
    with open(lab.path("text.so"), "w", encoding="ascii") as out:
        out.write("no ELF file\n" * 100)
    refused(lab, lab.path("text.so"), "text.so", "ELF header")
    empty = lab.installed.compile_driver(lab, "empty", source="extern int one; int one = 1;\n")
    refused(lab, empty, "empty.so", "no symbol 'turnout_driver'")
    short = lab.installed.compile_driver(
        lab, "short", source="extern const int turnout_driver[3]; const int turnout_driver[3] = { 0 };\n")
    refused(lab, short, "short.so", "12 bytes", "another version")
    undefined = lab.installed.compile_driver(
        lab, "undefined", source="void nobody_has_this(void); void f(void); void f(void) "
                                 "{ nobody_has_this(); }\n")
    refused(lab, undefined, "undefined.so", "nobody_has_this")


def drivers_of_another_kind_are_refused(lab):
    refused(lab, build(lab, "abi", ABI=77), "abi.so", "ABI 77", "this program has 0")
    refused(lab, build(lab, "taken", NAME='"sim"'), "taken.so", "there is a driver 'sim' already")
    for name in ("NULL", '""', '"a:b"', '"none"', '"Upper"', '"%s"' % ("x" * 32)):
        refused(lab, build(lab, "name", NAME=name), "name.so", "driver's name", "a-z")
    good = build(lab, "good")
    shutil.copy(good, lab.path("again.so"))
    done = run_command(program("turnoutd"), "--rundir", lab.tmp, "--bridge", "br0",
                       "--driver", good, "--driver", lab.path("again.so"), ok=False)
    check(done.returncode == 1 and "there is a driver 'bad' already" in done.stderr, done.stderr)


def every_op_that_must_be_there_is_asked_for(lab):
    for op in OPS:
        refused(lab, build(lab, "lacks", LACKS=".%s = NULL" % op), "lacks.so", "'bad' lacks %s()" % op)


def options_are_looked_at(lab):
    good = build(lab, "good")
    refused(lab, good + ":colour=red", "good.so", "unknown option 'colour'", "valid: depth")
    refused(lab, good + ":depth", "good.so", "'depth' is not KEY=VALUE")
    none = build(lab, "none", LACKS=".options_help = NULL")
    refused(lab, none + ":colour=red", "unknown option 'colour'; valid: none")
    silent = build(lab, "silent", OPEN_FAILS="(void) error")
    refused(lab, silent, "silent.so", "it did not say why")
    loud = build(lab, "loud", OPEN_FAILS='snprintf(error, HAL_ERROR_SIZE, "no board in slot 3")')
    refused(lab, loud, "loud.so", "no board in slot 3")


def capabilities_that_make_no_sense_are_refused(lab):
    for change, words in (("return -EIO", "Input/output error"), ("return 4711", "can't tell"),
                          ("caps->n_tables = 99", "99 tables"),
                          ("caps->table[0].field[3] = 9", "mask mode"),
                          ("caps->table[0].field[2] = 0; caps->table[0].required = 4", "required field"),
                          ("caps->table[0].required = 1u << 31", "required field"),
                          ("caps->table[0].actions = 1u << 31", "action"),
                          ("caps->table[0].counters = 7", "counters"),
                          ("caps->table[0].outputs = 0xff", "output"),
                          ("memset(caps->table[0].name, 120, HAL_NAME_SIZE)", "name"),
                          ("caps->n_tables = 2; caps->table[1] = caps->table[0]", "another table")):
        refused(lab, build(lab, "probe", PROBE=change), "probe.so", words)


def ports_may_be_refused(lab):
    def start(change):
        return run_command("ip", "netns", "exec", lab.switch_ns.name, program("turnoutd"),
                           "--control", lab.path("none"), "--rundir", lab.tmp, "--bridge", "br0",
                           "--driver", build(lab, "port", PORT=change),
                           "--port", "p1,driver=bad", ok=False)
    done = start('snprintf(error, HAL_ERROR_SIZE, "slot 3 has it"); return -EBUSY')
    check(done.returncode == 1 and "p1" in done.stderr and "slot 3 has it" in done.stderr, done.stderr)
    done = start("return 4711")
    check(done.returncode == 1 and "4711, which is no error" in done.stderr, done.stderr)


# --- at work ---------------------------------------------------------------------------------


def log_of(lab):
    _, _, path = [p for p in lab.processes if p[0] == "turnoutd"][-1]
    with open(path, encoding="utf-8", errors="replace") as text:
        return text.read()


def forwards(lab):
    """Frames with a number, sent now, arrive once each, in order."""
    lab.number = getattr(lab, "number", 0) + 1
    frames = [FRAME[:-4] + struct.pack("!HH", lab.number, i) for i in range(50)]
    with Capture(lab.hosts[1]) as capture:
        lab.hosts[0].send("eth0", *frames)
        got = capture.until(frames[-1])
    check_equal([f for f in got if f[:14] == FRAME[:14]], frames[:-1], "frames that came out")


def device(lab):
    return lab.switch.ctl_json("hw", "show")["devices"][0]


def start(lab, **macros):
    """A switch with a bad driver at two ports, and a flow that traffic makes worth an entry."""
    if lab.switch:
        lab.switch.stop()
    lab.switch = Switch(lab, ["p1@1,driver=bad", "p2@2,driver=bad"],
                        options=["--driver", build(lab, "bad", **macros)])
    lab.switch.ofctl("add-flow", "priority=10,in_port=1,dl_type=0x88b5,actions=output:2")


def fenced(lab, *words, reason="driver-fault", contract=True):
    """Traffic brings the driver to break its contract: it is fenced off, which is said, and
    counted, and the flow is forwarded on."""
    def is_fenced():
        lab.hosts[0].send("eth0", *[FRAME] * 100)
        return device(lab)["fenced"]
    wait_for(is_fenced, "the driver is fenced off")
    why = device(lab)["why_fenced"]
    for word in words:
        check(word in why, "%r in %s" % (word, why))
    check("FENCED" in lab.switch.ctl("hw", "show").stdout, "in text")
    check("bad: fenced off (%s): " % reason in log_of(lab) and words[0] in log_of(lab), log_of(lab))
    explained = lab.switch.ctl_json("hw", "explain", PACKET)
    check_equal((explained["state"], explained["reason"]["name"]), ("software", reason), "explained")
    counters = lab.switch.counters()
    check(counters["hal_fenced"] == 1 and (counters["hal_contract"] >= 1) == contract, counters)
    forwards(lab)
    check(not lab.switch.ctl_json("hw", "entries")["entries"], "no entry is left")


def a_good_one_is_not_fenced(lab):
    lab.switch = None
    start(lab)
    def in_hardware():
        lab.hosts[0].send("eth0", *[FRAME] * 100)
        return device(lab)["tables"][0]["entries"] == 1
    wait_for(in_hardware, "the flow is in hardware")
    check_equal(lab.switch.ctl("hw", "audit").returncode, 0, "an audit")
    check_equal(device(lab)["fenced"], False, "fenced")


def a_completion_twice(lab):
    start(lab, COMPLETE="bad.host->complete(bad.host, &c, 1); bad.host->complete(bad.host, &c, 1)")
    fenced(lab, "it completed a change", "was not on its way")


def a_completion_of_what_is_not_there(lab):
    start(lab, COMPLETE="c.cookie = 12345; bad.host->complete(bad.host, &c, 1)")
    fenced(lab, "cookie 0x3039", "was not on its way")


def a_completion_of_another_kind(lab):
    start(lab, COMPLETE="c.kind = HAL_REMOVE; bad.host->complete(bad.host, &c, 1)")
    fenced(lab, "kind 2", "was not on its way")


def wild_errors(lab):
    for error in ("4711", "-4711", "-EPERM", "-ENOENT"):
        start(lab, COMPLETE="c.error = %s; bad.host->complete(bad.host, &c, 1)" % error)
        fenced(lab, "it completed a change", "can't end so")
    start(lab, STATS="return 4711")
    fenced(lab, "stats() said 4711, which is no error")


def words_without_an_end(lab):
    start(lab, COMPLETE="memset(c.verdict.words, 120, sizeof c.verdict.words); c.error = -EOPNOTSUPP; "
          "bad.host->complete(bad.host, &c, 1)")
    def is_refused():
        lab.hosts[0].send("eth0", *[FRAME] * 100)
        reason = lab.switch.ctl_json("hw", "explain", PACKET)["reason"]
        return reason and reason["name"] == "driver-refused" and reason
    words = wait_for(is_refused, "the flow is refused")["words"]
    check_equal(set(words), {"x"}, "the driver's words")
    check_equal(device(lab)["fenced"], False, "fenced")
    forwards(lab)


def more_accepted_than_offered(lab):
    start(lab, SUBMIT="n += 5")
    fenced(lab, "it accepted 6 changes of 1")


def an_event_that_is_none(lab):
    start(lab, SUBMIT='bad.host->event(bad.host, (enum hal_event_kind) 99, "boo")')
    fenced(lab, "an event of kind 99")


def entries_that_cannot_be(lab):
    for change, words in (("d.entry.match = NULL", "without a match"),
                          ("d.entry.table = 3", "a table that is none"),
                          ("actions.list.len = 5000", "more actions")):
        start(lab, DUMP=change, SUBMIT='bad.host->event(bad.host, HAL_EVENT_LOST, "look")')
        fenced(lab, words)


def a_table_without_an_end(lab):
    start(lab, DUMP="bad.at[0].used = true; *position = 0", SUBMIT='bad.host->event(bad.host, '
          'HAL_EVENT_LOST, "look")')
    fenced(lab, "again and again")


def capabilities_that_change_to_nonsense(lab):
    start(lab, PROBE="caps->n_tables = bad.n++ ? 99 : 1",
          SUBMIT='bad.host->event(bad.host, HAL_EVENT_RESET, "again")')
    fenced(lab, "99 tables", contract=False)


def no_answer(lab):
    start(lab, COMPLETE="(void) c")
    fenced(lab, "no answer to a change", reason="device-mute", contract=False)
    lab.switch.ctl("hw", "audit", "--repair", ok=False)
    fenced_again = wait_for(lambda: not device(lab)["fenced"], "a repair tries it again")
    check(fenced_again, "it is tried")


def an_op_that_does_not_return(lab):
    start(lab, SUBMIT="for (;;) { pause(); }")
    fenced(lab, "it does not return", reason="device-mute", contract=False)
    begun = time.monotonic()
    for command in (["show"], ["hw", "show"], ["hw", "entries"], ["flows"], ["hw", "audit"]):
        lab.switch.ctl(*command)
    lab.switch.ctl("hw", "audit", "--repair", ok=False)
    lab.switch.ctl("del-port", "p2")
    lab.switch.ctl("add-port", "p2@2")
    check(time.monotonic() - begun < 10, "turnoutd answers meanwhile")
    forwards(lab)
    lab.switch.stop()
    check("it does not return" in log_of(lab), log_of(lab))
    lab.switch = None


HANG = "for (;;) { pause(); }"


def a_start_that_does_not_return(lab):
    refused(lab, build(lab, "open", OPEN_FAILS=HANG), "does not return from open()")
    done = run_command("ip", "netns", "exec", lab.switch_ns.name, program("turnoutd"), "--control",
                       lab.path("none"), "--rundir", lab.tmp, "--bridge", "br0", "--driver",
                       build(lab, "port", PORT=HANG), "--port", "p1,driver=bad", ok=False)
    check(done.returncode == 1 and "does not return from port_add()" in done.stderr, done.stderr)


def a_port_op_that_does_not_return(lab):
    lab.switch = None
    start(lab, PORT="if (bad.count++ >= 4) " + HANG, STATS="out[0].packets = 0")
    begun = time.monotonic()
    lab.switch.ofctl("mod-port", "p2", "no-flood")
    wait_for(lambda: device(lab)["fenced"], "it is fenced off")
    check("does not return from port_change()" in device(lab)["why_fenced"], device(lab))
    lab.switch.ctl("hw", "audit", "--repair", ok=False)
    check(time.monotonic() - begun < 10, "turnoutd answers meanwhile")
    forwards(lab)
    lab.switch.stop()
    lab.switch = None


def a_look_that_does_not_return(lab):
    for op, command in (("DESCRIBE", ["hw", "probe"]), ("OCCUPANCY", ["hw", "show"])):
        start(lab, **{op: HANG})
        begun = time.monotonic()
        lab.switch.ctl(*command)
        fenced(lab, "does not return from %s()" % op.lower(), reason="device-mute", contract=False)
        check(time.monotonic() - begun < 10, "turnoutctl is answered")
        forwards(lab)
        lab.switch.stop()
        lab.switch = None


def a_fence_that_does_not_return(lab):
    start(lab, COMPLETE="(void) c", FENCE=HANG)
    wait_for(lambda: (lab.hosts[0].send("eth0", *[FRAME] * 100), device(lab)["fenced"])[1],
             "it is fenced off")
    check("the fence failed, its ports go down" in log_of(lab), log_of(lab))
    lab.switch.ctl("show")
    lab.switch.stop()
    lab.switch = None


def an_end_that_does_not_return(lab):
    for op in ("FLUSH", "CLOSE"):
        start(lab, **{op: HANG})
        begun = time.monotonic()
        lab.switch.stop()
        check(time.monotonic() - begun < 10, "it ends")
        check("does not return from %s()" % op.lower() in log_of(lab), log_of(lab))
        lab.switch = None


WORKS = "usleep(50000); bad.host->working(bad.host);"


def an_end_that_takes_its_time(lab):
    start(lab, FLUSH="for (unsigned i = 0; i < 50; i++) { %s }" % WORKS)
    begun = time.monotonic()
    lab.switch.stop()
    check(time.monotonic() - begun >= 2, "it waits for who gives signs of life")
    check("does not return" not in log_of(lab), log_of(lab))
    start(lab, FLUSH="for (;;) { %s }" % WORKS)
    begun = time.monotonic()
    lab.switch.stop()
    check(9 < time.monotonic() - begun < 20, "not for ever")
    check("does not return from flush()" in log_of(lab), log_of(lab))
    lab.switch = None


def counters_that_go_back(lab):
    start(lab, STATS="bad.count = bad.count ? 3 : 1000; out[0] = "
          "(struct hal_counters) { bad.count, bad.count * 60 }")
    def is_said():
        lab.hosts[0].send("eth0", *[FRAME] * 100)
        return "bad: a counter went back from 1000 to 3" in log_of(lab)
    wait_for(is_said, "it is said")
    check(lab.switch.counters()["hal_counters_backwards"] >= 1, "counted")
    before = lab.switch.ctl_json("flows")["flows"][0]["packets"]
    forwards(lab)
    wait_for(lambda: lab.switch.ctl_json("flows")["flows"][0]["packets"] >= before + 50, "counters go on")


if __name__ == "__main__":
    run(Lab(hosts=2), what_is_no_driver_is_refused, drivers_of_another_kind_are_refused,
        every_op_that_must_be_there_is_asked_for, options_are_looked_at,
        capabilities_that_make_no_sense_are_refused, ports_may_be_refused, a_good_one_is_not_fenced,
        a_completion_twice, a_completion_of_what_is_not_there, a_completion_of_another_kind,
        wild_errors, words_without_an_end, more_accepted_than_offered, an_event_that_is_none,
        entries_that_cannot_be, a_table_without_an_end, capabilities_that_change_to_nonsense,
        no_answer, an_op_that_does_not_return, a_start_that_does_not_return,
        a_port_op_that_does_not_return, a_look_that_does_not_return,
        a_fence_that_does_not_return, an_end_that_does_not_return,
        an_end_that_takes_its_time,
        counters_that_go_back)
