#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""turnoutd and turnoutctl as a person and a service manager meet them: options, statuses,
files, signals, privileges, and what is left behind (nothing)."""

import contextlib
import fcntl
import grp
import json
import os
import pty
import re
import signal
import socket
import stat
import struct
import termios

from netns.lib import (BUILD, DEADLINE, Failure, Lab, check, check_equal, run, run_command,
                       wait_for)

TURNOUTD = os.path.join(BUILD, "tools/turnoutd/turnoutd")
TURNOUTCTL = os.path.join(BUILD, "tools/turnoutctl/turnoutctl")
CAP_NET_ADMIN_AND_RAW = 1 << 12 | 1 << 13


class Daemon:
    """turnoutd with its files in the lab's directory, in the foreground or detached."""

    def __init__(self, lab, *options, detach=False, env=None):
        self.lab = lab
        self.control = lab.path("control.sock")
        self.pidfile = lab.path("pid")
        self.log = lab.path("turnoutd.log")
        self.argv = [TURNOUTD, "--rundir", lab.tmp, "--pidfile", self.pidfile, *options]
        self.process = None
        if detach:
            self.pid = None
            done = lab.switch_ns.run(*self.argv, "--detach", "--log-to", self.log)
            check_equal(done.stderr, "", "what a start in the background prints")
            self.pid = self.read_pid()
            lab.detached.append(self.pid)
        else:
            self.process = lab.start("turnoutd", lab.switch_ns, *self.argv, "--log-to", self.log,
                                     env=env)
            wait_for(self.is_ready, "turnoutd is ready")
            self.pid = self.read_pid()

    def is_ready(self):
        if self.process.poll() is not None:
            with open(self.lab.processes[-1][2]) as output:
                raise Failure("turnoutd ended: " + output.read())
        return self.ctl("version", ok=False).returncode == 0

    def read_pid(self):
        with open(self.pidfile) as source:
            return int(source.read())

    def ctl(self, *argv, ok=True):
        return ctl(self.control, *argv, ok=ok)

    def ctl_json(self, *argv):
        return json.loads(self.ctl(*argv, "--json").stdout)

    def read_log(self):
        with open(self.log) as source:
            return source.read()

    def wait_for_log(self, pattern, since=0):
        return wait_for(lambda: re.search(pattern, self.read_log()[since:]),
                        "the log has " + pattern)

    def hang_up(self, pattern="configuration applied"):
        """SIGHUP; returns what was logged until 'pattern' came."""
        since = len(self.read_log())
        os.kill(self.pid, signal.SIGHUP)
        self.wait_for_log(pattern, since)
        return self.read_log()[since:]

    def ports(self, bridge="br0"):
        """{number: name} without LOCAL."""
        bridges = {b["name"]: b for b in self.ctl_json("show")["bridges"]}
        return {p["number"]: p["name"] for p in bridges[bridge]["ports"] if p["number"] != 65534}

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        if self.process:
            check_equal(self.process.wait(timeout=DEADLINE), 0, "the status after SIGTERM")
        else:
            wait_for(lambda: not os.path.exists("/proc/%d" % self.pid), "turnoutd ends")
            self.lab.detached.remove(self.pid)


def ctl(control, *argv, ok=True):
    return run_command(TURNOUTCTL, "--control", control, *argv, ok=ok)


def write(path, text):
    with open(path, "w") as out:
        out.write(text)
    return path


def refused(lab, status, wanted, *options):
    """turnoutd with these options ends with 'status', and every text in 'wanted' on stderr."""
    done = lab.switch_ns.run(TURNOUTD, *options, ok=False)
    check_equal(done.returncode, status, "status of turnoutd %s: %s" % (options, done.stderr))
    for text in wanted:
        check(text in done.stderr, "turnoutd %s: no %r in %r" % (options, text, done.stderr))


def options_are_answered(lab):
    done = lab.switch_ns.run(TURNOUTD, "--help")
    check("--fail-mode MODE" in done.stdout, done.stdout)
    check(re.match(r"turnoutd \d+\.\d+\.\d+\n$", lab.switch_ns.run(TURNOUTD, "--version").stdout),
          "--version")
    refused(lab, 2, ["unknown option 'colour'", "fail-mode"], "--colour")
    refused(lab, 2, ["there is no bridge"])
    refused(lab, 2, ["valid: none"], "--driver", "fast", "--bridge", "br0")
    refused(lab, 2, ["'p1' is in bridge 'br0'"], "--bridge", "br0", "--port", "p1",
            "--bridge", "br1", "--port", "p1")
    refused(lab, 2, ["number 1 is that of 'p1'"], "--bridge", "br0", "--port", "p1@1",
            "--port", "p2@1")


def a_configuration_is_checked(lab):
    path = write(lab.path("check.conf"), "bridge br0\nport p1@1\nport nowhere\n")
    done = lab.switch_ns.run(TURNOUTD, "--config", path, "--check-config")
    check("valid" in done.stdout, done.stdout)
    write(path, "bridge br0\n\nprot p1\n")
    refused(lab, 2, [path + ":3: unknown option 'prot'", "port"], "--config", path,
            "--check-config")
    refused(lab, 2, [path + ":3: unknown option 'prot'"], "--config", path)
    refused(lab, 2, ["No such file"], "--config", lab.path("none.conf"))
    check(not os.path.exists("/sys/class/net/br0"), "nothing was made")


def it_says_why_it_cannot_start(lab):
    files = ["--rundir", lab.tmp]
    lab.switch_ns.ip("link", "add", "taken", "type", "veth", "peer", "name", "taken-peer")
    refused(lab, 1, ["taken"], *files, "--bridge", "taken")
    refused(lab, 1, ["lo"], *files, "--bridge", "br0", "--port", "lo")
    refused(lab, 1, ["no-such-group"], *files, "--bridge", "br0", "--control-group",
            "no-such-group")
    refused(lab, 1, ["directory"], "--rundir", "/proc/none", "--bridge", "br0")
    refused(lab, 1, ["log"], *files, "--bridge", "br0", "--log-to", "/proc/none/log")
    write(lab.path("file"), "")
    refused(lab, 1, ["not a socket"], *files, "--bridge", "br0", "--control", lab.path("file"))
    done = lab.switch_ns.run("setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw",
                             TURNOUTD, *files, "--bridge", "br0", ok=False)
    check_equal(done.returncode, 1, "status without CAP_NET_RAW")
    check("CAP_NET_RAW" in done.stderr, done.stderr)
    # In the background too, the message is seen and the status is its own.
    done = lab.switch_ns.run(TURNOUTD, *files, "--detach", "--bridge", "taken", ok=False)
    check_equal(done.returncode, 1, "status of a start in the background that fails")
    check("taken" in done.stderr, done.stderr)
    lab.switch_ns.ip("link", "del", "taken")
    left = [name for name in os.listdir(lab.tmp) if not name.endswith((".log", ".conf", "file"))]
    check_equal(left, [], "files left behind")


def it_detaches_when_it_is_ready(lab):
    daemon = Daemon(lab, "--bridge", "br0", "--port", "p1", detach=True)
    # No waiting: it is ready now.
    check_equal(daemon.ctl_json("version")["pid"], daemon.pid, "the process id")
    for fd in range(3):
        # By what they are: names are told from another mount namespace.
        check_equal(os.stat("/proc/%d/fd/%d" % (daemon.pid, fd)).st_rdev,
                    os.stat("/dev/null").st_rdev, "descriptor %d" % fd)
    check(os.path.samefile("/proc/%d/cwd" % daemon.pid, "/proc/%d/root" % daemon.pid),
          "the working directory is the root")
    with open("/proc/%d/stat" % daemon.pid) as source:
        session = int(source.read().rpartition(")")[2].split()[3])
    check(session not in (daemon.pid, os.getsid(0)), "it is in a session of its own, not leading it")
    lab.daemon = daemon


def a_second_one_is_refused(lab):
    pid = "process %d" % lab.daemon.pid
    refused(lab, 3, ["already running", pid], "--rundir", lab.tmp, "--bridge", "br1")
    refused(lab, 3, ["already running", pid], "--rundir", lab.path("other"),
            "--pidfile", lab.daemon.pidfile, "--bridge", "br1")
    refused(lab, 3, [pid], "--detach", "--rundir", lab.tmp, "--bridge", "br1")
    check_equal(lab.daemon.ctl_json("version")["pid"], lab.daemon.pid, "the first goes on")


def what_a_killed_one_left_is_taken_over(lab):
    os.kill(lab.daemon.pid, signal.SIGKILL)
    wait_for(lambda: not os.path.exists("/proc/%d" % lab.daemon.pid), "it is dead")
    lab.detached.remove(lab.daemon.pid)
    check(os.path.exists(lab.daemon.control) and os.path.exists(lab.daemon.pidfile), "files stay")
    daemon = Daemon(lab, "--bridge", "br0", "--port", "p1", detach=True)
    check_equal(daemon.ports(), {1: "p1"}, "ports")
    daemon.stop()
    check(not os.path.exists(daemon.control) and not os.path.exists(daemon.pidfile), "files go")


def it_keeps_two_capabilities(lab):
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))[:2]))
    daemon = Daemon(lab, "--cpu", cpus, "--bridge", "br0", "--port", "p1")
    tasks = os.listdir("/proc/%d/task" % daemon.pid)
    check(len(tasks) >= 2, "it has workers: %s" % tasks)
    for task in tasks:
        with open("/proc/%d/task/%s/status" % (daemon.pid, task)) as source:
            fields = dict(line.split(":\t", 1) for line in source.read().splitlines()
                          if ":\t" in line)
        for name in "CapEff", "CapPrm", "CapBnd":
            check_equal(int(fields[name], 16), CAP_NET_ADMIN_AND_RAW, "%s of %s" % (name, task))
        check_equal(int(fields["CapInh"], 16), 0, "CapInh of " + task)
        check_equal(int(fields["CapAmb"], 16), 0, "CapAmb of " + task)
        check_equal(fields["NoNewPrivs"], "1", "NoNewPrivs of " + task)
    # Which is enough for what comes later.
    daemon.ctl("add-port", "p2")
    check_equal(daemon.ports(), {1: "p1", 2: "p2"}, "ports")
    daemon.stop()


def the_control_socket_has_its_mode(lab):
    daemon = Daemon(lab, "--bridge", "br0")
    check_equal(stat.S_IMODE(os.stat(daemon.control).st_mode), 0o600, "the mode")
    daemon.stop()
    group = grp.getgrgid(1)
    daemon = Daemon(lab, "--bridge", "br0", "--control-group", group.gr_name)
    check_equal(stat.S_IMODE(os.stat(daemon.control).st_mode), 0o660, "the mode with a group")
    check_equal(os.stat(daemon.control).st_gid, group.gr_gid, "the group")
    daemon.stop()


def sighup_applies_the_difference(lab):
    path = write(lab.path("t.conf"), "bridge br0\nport p1@1 p2@2\nlisten ptcp:6700\nbridge br1\n")
    daemon = Daemon(lab, "--config", path)
    lab.switch_ns.run("ovs-ofctl", "add-flow", "unix:" + lab.path("br0.mgmt"), "actions=normal")
    lab.hosts[0].ping(lab.hosts[1].address)
    write(path, "bridge br0\nport p1@1 p3@3\nfdb-max 99\nlisten ptcp:6701\nbridge br2\nport p2@7\n")
    daemon.hang_up()
    check_equal(daemon.ports(), {1: "p1", 3: "p3"}, "br0's ports")
    check_equal(daemon.ports("br2"), {7: "p2"}, "br2's ports")
    links = lab.switch_ns.ip("-br", "link").stdout
    check("br1" not in links and "br2" in links, links)
    check(not os.path.exists(lab.path("br1.mgmt")) and os.path.exists(lab.path("br2.mgmt")),
          "management sockets")
    check(lab.listens(6701) and not lab.listens(6700), "listeners")
    check_equal(daemon.ctl_json("show", "br0")["bridges"][0]["flows"]["count"], 1, "flows stay")
    lab.hosts[0].ping(lab.hosts[2].address)
    lab.daemon, lab.config = daemon, path


def a_bad_file_changes_nothing(lab):
    write(lab.config, "bridge br0\nport p1@1\nfail-mode open\n")
    text = lab.daemon.hang_up("refused")
    check(lab.config + ":3: fail-mode: unknown mode 'open'; valid: secure standalone" in text, text)
    check_equal(lab.daemon.ports(), {1: "p1", 3: "p3"}, "ports")
    counters = {c["name"]: c["value"] for c in lab.daemon.ctl_json("counters")["counters"]}
    check_equal(counters["config_refused"], 1, "config_refused")


def what_cannot_change_says_so(lab):
    write(lab.config, "cache-entries 4096\ncontrol /tmp/x\nbridge br0\nport p1@1\nbridge br3\n")
    text = lab.daemon.hang_up()
    check(os.path.exists(lab.path("br3.mgmt")), "a bridge is added")
    check("cache-entries can't change" in text and "control can't change" in text, text)
    check_equal(lab.daemon.ports(), {1: "p1"}, "the rest is applied")


def what_fails_is_said_and_tried_again(lab):
    write(lab.config, "bridge br0\nport p1@1 lo@2 p2@3\n")
    text = lab.daemon.hang_up("but for 1 thing")
    check("bridge br0: port lo" in text, text)
    check_equal(lab.daemon.ports(), {1: "p1", 3: "p2"}, "the rest is applied")
    check("port lo" in lab.daemon.hang_up("but for 1 thing"), "it is tried again")


def logs_are_opened_again(lab):
    old = lab.path("old.log")
    os.rename(lab.daemon.log, old)
    size = os.path.getsize(old)
    write(lab.config, "log debug\nbridge br0\nport p1@1\n")
    os.kill(lab.daemon.pid, signal.SIGHUP)
    wait_for(lambda: os.path.exists(lab.daemon.log), "a new log")
    lab.daemon.wait_for_log("configuration applied")
    lab.daemon.stop()
    check("ending on SIGTERM" in lab.daemon.read_log(), "the end is in the new log")
    check_equal(os.path.getsize(old), size, "the size of the old log")


def a_device_may_come_later(lab):
    daemon = Daemon(lab, "--bridge", "br0", "--port", "late@4", "--port", "p1@1")
    check(re.search("WARN.*late does not exist", daemon.read_log()), daemon.read_log())
    check_equal(daemon.ports(), {1: "p1", 4: "late"}, "ports")

    def link():
        return [p["link"] for p in daemon.ctl_json("ports")["ports"] if p["number"] == 4][0]

    check_equal(link(), "down", "its link")
    lab.switch_ns.ip("link", "add", "late", "type", "veth", "peer", "name", "late-peer")
    lab.switch_ns.ip("link", "set", "late-peer", "up")
    lab.switch_ns.ip("link", "set", "late", "up")
    wait_for(lambda: link() == "up", "the port is up")
    refused = daemon.ctl("add-port", "later", ok=False)
    check(refused.returncode == 1 and "later" in refused.stderr, refused.stderr)
    daemon.stop()
    lab.switch_ns.ip("link", "del", "late")


def state_of(lab):
    """What the daemon might change of its devices."""
    ns = lab.switch_ns
    links = re.sub(r"\d+ (bytes|packets)", "", ns.ip("-d", "link").stdout)
    sysctls = [ns.run("sysctl", "-n", "net.ipv6.conf.%s.disable_ipv6" % p).stdout
               for p in ("p1", "p2")]
    return links, sysctls, ns.run("tc", "qdisc").stdout


def sigterm_undoes_everything(lab):
    before = state_of(lab)
    # Only the lab's own files are there already.
    files = set(os.listdir(lab.tmp))
    for number in signal.SIGTERM, signal.SIGINT:
        daemon = Daemon(lab, "--bridge", "br0", "--port", "p1", "p2", "--listen",
                        "punix:" + lab.path("listener"), "ptcp:6700")
        check(state_of(lab) != before, "a port changes something")
        check(os.path.exists(lab.path("listener")), "it listens")
        os.kill(daemon.pid, number)
        check_equal(daemon.process.wait(timeout=DEADLINE), 0, "the status")
        after = state_of(lab)
        for was, now in zip(before, after):
            check_equal(now, was, "what is left after signal %d" % number)
        left = {f for f in set(os.listdir(lab.tmp)) - files if not f.endswith(".log")}
        check_equal(left, set(), "files left behind")
        check("ended" in daemon.read_log(), "the log ends")


def a_service_manager_is_told(lab):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(DEADLINE)
    manager.bind(lab.path("notify"))

    def expect(pattern):
        text = manager.recv(4096).decode()
        check(re.fullmatch(pattern, text), "%r is not %s" % (text, pattern))

    env = dict(os.environ, NOTIFY_SOCKET=lab.path("notify"))
    daemon = Daemon(lab, "--bridge", "br0", env=env)
    expect("READY=1\nSTATUS=.*1")
    os.kill(daemon.pid, signal.SIGHUP)
    expect(r"RELOADING=1\nMONOTONIC_USEC=\d+")
    expect("READY=1\nSTATUS=.*1")
    daemon.stop()
    expect("STOPPING=1")
    manager.close()
    os.unlink(lab.path("notify"))


def ovs_ofctl_finds_the_bridge(lab):
    lab.daemon = Daemon(lab, "--bridge", "br0", "--port", "p1@1", "p2@2", "p3@3",
                        "--listen", "ptcp:6700:127.0.0.1")
    env = dict(os.environ, OVS_RUNDIR=lab.tmp)
    text = run_command("ovs-ofctl", "show", "br0", env=env).stdout
    check("1(p1)" in text and "LOCAL(br0)" in text, text)
    run_command("ovs-ofctl", "add-flow", "br0", "priority=9,in_port=1,actions=output:2", env=env)
    run_command("ovs-ofctl", "add-flow", "br0", "priority=8,actions=normal", env=env)


def turnoutctl_has_statuses(lab):
    daemon = lab.daemon

    def expect(status, text, *argv, control=daemon.control):
        done = ctl(control, *argv, ok=False)
        check_equal(done.returncode, status, "status of turnoutctl %s: %s" % (argv, done.stderr))
        check(text in done.stderr, "turnoutctl %s: no %r in %r" % (argv, text, done.stderr))

    expect(1, "turnoutd is not running", "show", control=lab.path("nothing"))
    expect(2, "unknown command", "shwo")
    expect(2, "unknown option", "show", "--jsno")
    expect(2, "no command")
    expect(2, "needs a value", "show", "--control")
    expect(2, "usage: turnoutctl trace", "trace")
    expect(2, "usage: turnoutctl show", "show", "br0", "br1")
    expect(1, "no bridge 'br7'", "show", "br7")
    expect(2, "nonsense", "flows", "nonsense=1")
    expect(2, "tp_src", "trace", "tp_src=5")
    expect(2, "not a port number", "add-port", "p4@0")
    expect(1, "taken", "add-port", "p4@1")
    expect(1, "no port", "del-port", "p4")
    expect(2, "error warn info debug", "log-level", "loud")
    check_equal(ctl(daemon.control, "--help").returncode, 0, "status of --help")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(lab.path("stale"))
    expect(1, "turnoutd is not running", "show", control=lab.path("stale"))
    os.unlink(lab.path("stale"))


def turnoutctl_shows_what_is_there(lab):
    daemon = lab.daemon
    lab.hosts[0].ping(lab.hosts[1].address, count=3)
    text = daemon.ctl("show").stdout
    check(re.search(r"look-ups: hit:\d+ missed:\d+ lost:0", text), text)
    check(re.search(r"LOCAL +br0", text) and re.search(r" 2 +p2 +up", text), text)
    text = daemon.ctl("flows").stdout
    check(re.search(r"cookie=0x0, duration=\d.*table=0, n_packets=\d+, n_bytes=\d+.*"
                    r"priority=9,in_port=1 actions=output:2\n", text), text)
    for argv in ["in_port=1"], ["br0"], ["br0", "in_port=1"]:
        wanted = 1 if "in_port=1" in argv else 2
        check_equal(daemon.ctl("flows", *argv).stdout.count("\n"), wanted, "flows %s" % argv)
    text = daemon.ctl("cache").stdout
    check(re.search(r"^in_port\(1\),.*eth_type\(0x0800\).*, packets:\d+, bytes:\d+, used:\d+\."
                    r"\d{3}s, actions:2$", text, re.M), text)
    check(re.search(r"^ +2 +0  02:00:00:00:00:02 ", daemon.ctl("fdb").stdout, re.M),
          daemon.ctl("fdb").stdout)
    check("ptcp:6700:127.0.0.1" in daemon.ctl("controllers").stdout, "controllers")
    check("sent to: 2 (p2)" in daemon.ctl("trace", "arp,in_port=1").stdout, "trace")
    text = daemon.ctl("trace", "br0", "arp,in_port=3,dl_dst=02:00:00:00:00:02").stdout
    check("beats" not in text and "is behind port 2 (p2)" in text and "sent to: 2 (p2)" in text,
          text)
    check(re.search(r"^\w+ +\d+  ", daemon.ctl("counters", "--all").stdout, re.M), "counters")
    daemon.ctl("log-level", "debug")
    daemon.ctl("log-level", "info")
    lab.switch_ns.ip("link", "add", "p9", "type", "veth", "peer", "name", "p9-peer")
    for argv in (["show"], ["ports"], ["flows"], ["cache"], ["fdb"], ["controllers"],
                 ["counters"], ["trace", "in_port=1"], ["version"], ["add-port", "p9@9"],
                 ["del-port", "9"], ["log-level", "info"]):
        check(isinstance(daemon.ctl_json(*argv), dict), "--json of %s" % argv)
    lab.switch_ns.ip("link", "del", "p9")


def on_terminal(columns, *argv):
    """What the command prints on a terminal that is so wide."""
    pid, fd = pty.fork()
    if not pid:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.environ["LC_ALL"] = "C.UTF-8"
        os.execv(argv[0], argv)
    text = b""
    try:
        while True:
            piece = os.read(fd, 65536)
            if not piece:
                break
            text += piece
    except OSError:
        pass   # the other end is closed
    os.close(fd)
    check_equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, "status of %s" % (argv,))
    return text.decode().splitlines()


def tables_fit_the_terminal(lab):
    for command in "ports", "controllers", "counters --all", "show":
        argv = [TURNOUTCTL, "--control", lab.daemon.control, *command.split()]
        whole = run_command(*argv).stdout
        check("\u2026" not in whole, "what is piped is not cut")
        for columns in 30, 60, 300:
            for line in on_terminal(columns, *argv):
                # The lines above the table of `show` are no table.
                fits = len(line) <= columns or (command == "show" and ": " in line)
                check(fits, "%s in %d columns: %r" % (command, columns, line))
        cut = "\n".join(on_terminal(30, *argv))
        check("\u2026" in cut or command == "show", "a cut is shown: " + cut)


def it_ends(lab):
    lab.daemon.stop()


class CliLab(Lab):
    """A lab that also ends what went to the background."""

    def __init__(self, hosts):
        self.detached = []
        super().__init__(hosts=hosts)

    def close(self):
        for pid in self.detached:
            with contextlib.suppress(ProcessLookupError):    # a failed test may have ended it
                os.kill(pid, signal.SIGKILL)
        self.detached = []
        super().close()


if __name__ == "__main__":
    run(CliLab(hosts=3), options_are_answered, a_configuration_is_checked,
        it_says_why_it_cannot_start, it_detaches_when_it_is_ready, a_second_one_is_refused,
        what_a_killed_one_left_is_taken_over, it_keeps_two_capabilities,
        the_control_socket_has_its_mode, sighup_applies_the_difference,
        a_bad_file_changes_nothing, what_cannot_change_says_so,
        what_fails_is_said_and_tried_again, logs_are_opened_again, a_device_may_come_later,
        sigterm_undoes_everything, a_service_manager_is_told, ovs_ofctl_finds_the_bridge,
        turnoutctl_has_statuses, turnoutctl_shows_what_is_there, tables_fit_the_terminal, it_ends)
