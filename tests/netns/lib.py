# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: namespaces, virtual Ethernet pairs, the daemon, captures.

A test script makes a Lab, in it hosts and a Switch, and hands its test functions to run().
Everything that a Lab makes carries the process id in its name and is gone when the script
ends, however it ends. Nothing here waits for a time: wait_for() polls for a state, and its
deadline is there only to fail.
"""

import atexit
import contextlib
import ctypes
import errno
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

DEADLINE = 30.0
POLL = 0.02
CLONE_NEWNET = 0x40000000
ETH_P_ALL = 0x0003
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID = 1 << 4

BUILD = os.environ.get("TURNOUT_BUILDDIR", "build/gcc")
SOURCE = os.environ.get("TURNOUT_SRCDIR", os.path.join(os.path.dirname(__file__), "../.."))
LONG = bool(os.environ.get("TURNOUT_LONG"))

_libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """A check that did not hold."""


def check(condition, what):
    if not condition:
        raise Failure(what)


def check_equal(got, wanted, what):
    if got != wanted:
        raise Failure("%s: got %r, wanted %r" % (what, got, wanted))


def wait_for(predicate, what, deadline=DEADLINE):
    """Polls until predicate() is true and returns its value; Failure after the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure("gave up after %g s: %s" % (deadline, what))
        time.sleep(POLL)


def run_command(*argv, ok=True, stdin=None, env=None, timeout=60):
    """Runs a command; returns its CompletedProcess, output as text. With ok, a status other
    than 0 is a Failure."""
    done = subprocess.run([str(a) for a in argv], input=stdin, text=True, timeout=timeout,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, check=False,
                          stdin=None if stdin is not None else subprocess.DEVNULL)
    if ok and done.returncode:
        raise Failure("%s: exit status %d\n%s%s" % (" ".join(map(str, argv)), done.returncode,
                                                    done.stdout, done.stderr))
    return done


def program(name):
    """The path of turnoutd or turnoutctl in the build tree."""
    return os.path.join(BUILD, "tools", name, name)


class Namespace:
    """A network namespace. 'name' is its full name, as ip netns knows it."""

    def __init__(self, name):
        self.name = name
        run_command("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def delete(self):
        run_command("ip", "netns", "del", self.name, ok=False)

    def ip(self, *argv, ok=True):
        return run_command("ip", "-n", self.name, *argv, ok=ok)

    def run(self, *argv, **options):
        return run_command("ip", "netns", "exec", self.name, *argv, **options)

    def start(self, *argv, **options):
        """A process in the namespace; the caller ends it, or the lab does (Lab.start)."""
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, argv)], **options)

    def sysctl(self, key, value):
        self.run("sysctl", "-qw", "%s=%s" % (key, value))

    @contextlib.contextmanager
    def inside(self):
        """This thread is in the namespace within the with statement: for making sockets."""
        old = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        new = os.open("/run/netns/" + self.name, os.O_RDONLY)
        try:
            if _libc.setns(new, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns " + self.name)
            yield
        finally:
            _libc.setns(old, CLONE_NEWNET)
            os.close(old)
            os.close(new)

    def packet_socket(self, device):
        with self.inside():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.bind((device, ETH_P_ALL))
        sock.setblocking(False)
        return sock

    def send(self, device, *frames):
        """Sends frames (bytes, or scapy packets) out of a device, in order."""
        with self.inside():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sock.bind((device, 0))
        with sock:
            for frame in frames:
                wait_for(lambda: sent(sock, bytes(frame)), "the device takes a frame")


def sent(sock, frame):
    """False if the queue to the other end is full at the moment."""
    try:
        sock.send(frame)
    except OSError as error:
        if error.errno != errno.ENOBUFS:
            raise
        return False
    return True


class Host(Namespace):
    """A namespace with one device, eth0, whose other end is a port of the switch."""

    def __init__(self, name, number, switch_ns, port, address):
        super().__init__(name)
        self.number = number
        self.port = port
        self.mac = "02:00:00:00:00:%02x" % number
        self.address = address
        self.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        self.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        self.plug(switch_ns)

    def plug(self, switch_ns):
        """Makes the pair and brings both ends up."""
        run_command("ip", "link", "add", self.port, "netns", switch_ns.name,
                    "type", "veth", "peer", "name", "eth0", "netns", self.name)
        self.ip("link", "set", "eth0", "address", self.mac)
        self.ip("addr", "add", self.address + "/24", "dev", "eth0")
        self.ip("link", "set", "eth0", "up")
        switch_ns.ip("link", "set", self.port, "up")

    def ping(self, address, count=1, size=56, interval=0.02, ok=True, options=()):
        """True if every echo is answered. With ok, anything else is a Failure."""
        done = self.run("ping", "-n", "-q", "-c", count, "-i", interval, "-s", size, "-W", 5,
                        *options, address, ok=False)
        match = re.search(r"(\d+) packets transmitted, (\d+) received", done.stdout)
        answered = bool(match) and match.group(1) == match.group(2) == str(count)
        if ok and not answered:
            raise Failure("ping %s from host %d: %s" % (address, self.number, done.stdout))
        return answered

    def forget_neighbours(self):
        self.ip("neigh", "flush", "all")


class Capture:
    """Frames that a device of a namespace receives from now on, tags included."""

    def __init__(self, namespace, device="eth0"):
        self.sock = namespace.packet_socket(device)
        self.what = "%s %s" % (namespace.name, device)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def next(self, deadline=DEADLINE):
        """The next frame as bytes, or None when there is none by the deadline (seconds)."""
        end = time.monotonic() + deadline
        while True:
            left = end - time.monotonic()
            if not select.select([self.sock], [], [], max(0.0, left))[0]:
                return None
            data, control, _, address = self.sock.recvmsg(70000, 256)
            if address[2] != PACKET_OUTGOING:
                return self._with_tag(data, control)

    @staticmethod
    def _with_tag(data, control):
        for level, kind, value in control:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, tpid = struct.unpack_from("IIIHHHH", value)
                if status & TP_STATUS_VLAN_VALID:
                    return data[:12] + struct.pack("!HH", tpid or 0x8100, tci) + data[12:]
        return data

    def expect(self, accept, what, deadline=DEADLINE):
        """The first frame for which accept(bytes) is true; frames before it are passed over."""
        end = time.monotonic() + deadline
        others = 0
        while True:
            frame = self.next(max(0.0, end - time.monotonic()))
            if frame is None:
                raise Failure("%s: no frame came in %g s: %s (%d others did)"
                              % (self.what, deadline, what, others))
            if accept(frame):
                return frame
            others += 1

    def until(self, marker, deadline=DEADLINE):
        """Every frame that comes before the one that equals 'marker'."""
        frames = []
        end = time.monotonic() + deadline
        while True:
            frame = self.next(max(0.0, end - time.monotonic()))
            if frame is None:
                raise Failure("%s: the marker did not come in %g s" % (self.what, deadline))
            if frame == bytes(marker):
                return frames
            frames.append(frame)


class Switch:
    """turnoutd in the lab's switch namespace, and its tools."""

    def __init__(self, lab, ports=(), bridge="br0", controllers=(), listeners=(), options=()):
        self.lab = lab
        self.bridge = bridge
        self.control = lab.path("control")
        self.rundir = lab.tmp
        self.management = "unix:" + lab.path(bridge + ".mgmt")
        argv = [program("turnoutd"), "--control", self.control, "--rundir", self.rundir,
                "--log-to", "stderr", "--bridge", bridge]
        for port in ports:
            argv += ["--port", port]
        for target in controllers:
            argv += ["--controller", target]
        for target in listeners:
            argv += ["--listen", target]
        self.argv = argv + list(options)
        self.process = None
        self.start()

    def start(self):
        self.process = self.lab.start("turnoutd", self.lab.switch_ns, *self.argv)
        wait_for(self._answers, "turnoutd answers")

    def _answers(self):
        status = self.process.poll()
        if status is not None:
            raise Failure("turnoutd ended with status %d" % status)
        return self.ctl("show", ok=False).returncode == 0

    def stop(self):
        """Ends it with SIGTERM; it must end cleanly."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=DEADLINE)
        check_equal(status, 0, "turnoutd's exit status after SIGTERM")

    def ctl(self, *argv, ok=True):
        return run_command(program("turnoutctl"), "--control", self.control, *argv, ok=ok)

    def ctl_json(self, *argv):
        return json.loads(self.ctl(*argv, "--json").stdout)

    def ofctl(self, command, *argv, ok=True, stdin=None, timeout=60):
        """ovs-ofctl COMMAND SWITCH ARGUMENT..., over the management socket."""
        return self.lab.switch_ns.run("ovs-ofctl", "-O", "OpenFlow10", command, self.management,
                                      *argv, ok=ok, stdin=stdin, timeout=timeout)

    def flows(self, *argv):
        """The flows as ovs-ofctl prints them, one a line, without the reply's heading."""
        lines = self.ofctl("dump-flows", *argv).stdout.splitlines()
        return [line.strip() for line in lines if "actions=" in line]

    def replace_flows(self, *flows):
        self.ofctl("del-flows")
        for flow in flows:
            self.ofctl("add-flow", flow)

    def counters(self):
        """Counter values by name."""
        return numbers_of(self.ctl_json("counters"))


def numbers_of(tree):
    """The numbers in a JSON tree by name: {"name": n} or {"name": ..., "value": n} rows."""
    found = {}
    if isinstance(tree, dict):
        if isinstance(tree.get("name"), str):
            for key in ("value", "count"):
                if isinstance(tree.get(key), int):
                    found[tree["name"]] = tree[key]
        for key, value in tree.items():
            if isinstance(value, bool):
                continue
            if isinstance(value, int):
                found.setdefault(key, value)
            else:
                found.update(numbers_of(value))
    elif isinstance(tree, list):
        for value in tree:
            found.update(numbers_of(value))
    return found


class Lab:
    """Owns namespaces, processes and a scratch directory, and takes them down."""

    def __init__(self, hosts=0, ipv6=False):
        """With 'ipv6' the stack of the switch's namespace speaks IPv6, on LOCAL too."""
        self.prefix = "tn%d" % os.getpid()
        self.tmp = tempfile.mkdtemp(prefix="turnout-test.")
        self.namespaces = []
        self.processes = []  # (what, Popen, log path)
        atexit.register(self.close)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda n, _: sys.exit(128 + n))
        self.switch_ns = self.namespace("sw")
        if not ipv6:
            self.switch_ns.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        self.hosts = [self.host(n) for n in range(1, hosts + 1)]

    def path(self, name):
        return os.path.join(self.tmp, name)

    def namespace(self, name):
        namespace = Namespace("%s-%s" % (self.prefix, name))
        self.namespaces.append(namespace)
        return namespace

    def host(self, number):
        """Host 'number': 10.0.0.number on eth0, behind the switch's device pNUMBER."""
        host = Host("%s-h%d" % (self.prefix, number), number, self.switch_ns, "p%d" % number,
                    "10.0.0.%d" % number)
        self.namespaces.append(host)
        return host

    def start(self, what, namespace, *argv, env=None):
        """A process that lives as long as the lab; its output goes to a log of its name."""
        log = self.path("%s.%d.log" % (what, len(self.processes)))
        with open(log, "wb") as out:
            process = namespace.start(*argv, stdout=out, stderr=subprocess.STDOUT, env=env)
        self.processes.append((what, process, log))
        return process

    def start_controller(self, app, port=6653):
        """os-ken with an application, listening in the switch's namespace."""
        process = self.start("controller", self.switch_ns, "/usr/bin/osken-manager",
                             "--ofp-listen-host", "127.0.0.1", "--ofp-tcp-listen-port", port, app)
        wait_for(lambda: self.listens(port), "the controller listens")
        return process

    def listens(self, port):
        with self.switch_ns.inside():
            sock = socket.socket()
        with sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    def logs(self, lines=15):
        """The ends of all logs, for diagnostics."""
        text = []
        for what, process, log in self.processes:
            with open(log, errors="replace") as source:
                tail = source.read().splitlines()[-lines:]
            text.append("%s (pid %d, status %s):" % (what, process.pid, process.poll()))
            text += ["  " + line for line in tail]
        return "\n".join(text)

    def sanitizer_reports(self):
        """Lines of the logs in which a sanitizer complains."""
        found = []
        for what, _, log in self.processes:
            with open(log, errors="replace") as source:
                found += ["%s: %s" % (what, line.rstrip()) for line in source
                          if re.search(r"ERROR: \w*Sanitizer|WARNING: \w*Sanitizer|runtime error:",
                                       line)]
        return found

    def close(self):
        """Takes everything down, undisturbed by a second signal."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for _, process, _ in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for _, process, _ in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for namespace in self.namespaces:
            namespace.delete()
        self.processes, self.namespaces = [], []
        shutil.rmtree(self.tmp, ignore_errors=True)


def _too_long(*_):
    raise Failure("the test took too long")


def sanitizers_are_silent(lab):
    """The last test of each script; says little in a build without sanitizers."""
    reports = lab.sanitizer_reports()
    check(not reports, "\n".join(reports))


def run(lab, *tests, seconds_each=180):
    """Runs test functions (each is given the lab) in order and prints TAP. Exits."""
    signal.signal(signal.SIGALRM, _too_long)
    tests += (sanitizers_are_silent,)
    print("1..%d" % len(tests), flush=True)
    failed = 0
    for number, test in enumerate(tests, 1):
        name = test.__name__.replace("_", " ")
        signal.alarm(seconds_each)
        try:
            test(lab)
        except Exception as problem:  # pylint: disable=broad-except
            failed += 1
            print("not ok %d - %s" % (number, name))
            text = str(problem) if isinstance(problem, Failure) else traceback.format_exc()
            for line in (text + "\n" + lab.logs()).splitlines():
                print("# " + line)
        else:
            print("ok %d - %s" % (number, name))
        finally:
            signal.alarm(0)
        sys.stdout.flush()
    lab.close()
    sys.exit(1 if failed else 0)
