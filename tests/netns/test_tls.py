#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OpenFlow under TLS, with Python's ssl at the other end: whom the switch believes and refuses,
and that nobody is held up by those who are slow, many or hostile."""

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
import warnings

from netns.lib import (Failure, Lab, Switch, check, check_equal, program, run, run_command,
                       wait_for)
from netns.pki import Pki, context
from netns import rawof

PORT = 6653
HELLO = struct.pack("!BBHI", 1, 0, 8, 1)
warnings.simplefilter("ignore", DeprecationWarning)


def tls_options(identity, ca, *more):
    return ["--private-key", identity.key_path, "--certificate", identity.cert_path,
            "--ca-cert", ca.cert_path if hasattr(ca, "cert_path") else ca, *more]


def log_of(lab):
    with open(lab.processes[-1][2], errors="replace") as source:
        return source.read()


def wait_log(lab, pattern, what):
    wait_for(lambda: re.search(pattern, log_of(lab)), "%s in the log: %s" % (pattern, what))


def rows(lab, target):
    """`turnoutctl controllers`, the rows of a target."""
    bridge = lab.switch.ctl_json("controllers")["bridges"][0]
    return [row for row in bridge["connections"] if row["target"] == target]


def listener_error(lab):
    return next(row for row in rows(lab, lab.listener) if row["listener"])["last_error"]


def wait_listener(lab, pattern, what):
    """The log is limited; this is not."""
    wait_for(lambda: re.search(pattern, listener_error(lab)),
             "%s: %s in: %s" % (what, pattern, listener_error(lab)))


def raw_socket(lab, port=PORT):
    with lab.switch_ns.inside():
        sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    return sock


def dial(lab, how, port=PORT):
    """A TLS connection to the switch, shaken hands."""
    return how.wrap_socket(raw_socket(lab, port))


def works(sock):
    """It speaks OpenFlow; returns a rawof.Peer on it."""
    peer = rawof.Peer(sock)
    kind, body = peer.ask(rawof.ECHO_REQUEST, b"under TLS")
    check_equal((kind, body), (rawof.ECHO_REPLY, b"under TLS"), "the echo")
    return peer


def refused(lab, how, pattern, port=PORT):
    """The switch ends the connection before HELLO and says why."""
    try:
        sock = dial(lab, how, port)
        sock.settimeout(30)
        check(not sock.recv(1), "the switch says something")
    except (ssl.SSLError, ConnectionError) as problem:
        got = str(problem)
    else:
        got = "closed"
    wait_listener(lab, pattern, got)
    lab.bystander.ask(rawof.ECHO_REQUEST, b"")
    return got


def it_starts(lab):
    lab.pki = Pki(lab.path("pki"))
    lab.other = Pki(lab.path("other"), "other-ca")
    lab.identity = lab.pki.issue("switch", ["127.0.0.1"])
    lab.client = lab.pki.issue("controller")
    lab.listener = "pssl:%d:127.0.0.1" % PORT
    lab.plain = "ptcp:6654:127.0.0.1"
    lab.switch = Switch(lab, ["p1@1"], listeners=[lab.listener, lab.plain],
                        options=tls_options(lab.identity, lab.pki.ca, "--inactivity-probe", "0"))
    lab.good = context(False, lab.client, lab.pki.ca)
    lab.bystander = works(dial(lab, lab.good))


def the_state_is_shown(lab):
    row = next(r for r in rows(lab, lab.listener) if not r["listener"])
    check_equal(row["tls"]["protocol"], "TLSv1.3", "protocol")
    check_equal(row["tls"]["peer_subject"], "CN=controller", "subject")
    check_equal(row["tls"]["cipher"], lab.bystander.sock.cipher()[0], "cipher")
    check_equal(next(r for r in rows(lab, lab.listener) if r["listener"])["tls"], None, "listener")
    text = lab.switch.ctl("controllers").stdout
    check("TLSv1.3" in text and "CN=controller" in text, text)


def tls_1_2_works_and_older_is_refused(lab):
    how = context(False, lab.client, lab.pki.ca)
    how.maximum_version = ssl.TLSVersion.TLSv1_2
    peer = works(dial(lab, how))
    check_equal(peer.sock.version(), "TLSv1.2", "version")
    peer.sock.close()
    for version in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1):
        refused(lab, context(False, lab.client, lab.pki.ca, version), "unsupported protocol")


def who_shows_no_certificate_is_refused(lab):
    got = refused(lab, context(False, None, lab.pki.ca), "peer did not return a certificate")
    check("certificate required" in got.lower().replace("_", " "), got)


def who_shows_a_wrong_certificate_is_refused(lab):
    refused(lab, context(False, lab.other.issue("stranger"), lab.pki.ca),
            r"the peer's certificate \(CN=stranger\): unable to get local issuer")
    refused(lab, context(False, lab.pki.issue("old", begin=-9, end=-2), lab.pki.ca),
            r"\(CN=old\): certificate has expired")
    refused(lab, context(False, lab.pki.issue("young", begin=2, end=9), lab.pki.ca),
            r"\(CN=young\): certificate is not yet valid")
    check(re.match(r"127\.0\.0\.1:\d+: TLS handshake: .*not yet valid", listener_error(lab)),
          listener_error(lab))
    wait_log(lab, r"127\.0\.0\.1:\d+: TLS handshake: .*not yet valid", "it is")
    check(lab.switch.counters()["tls_handshake_failed"] >= 6, "it is counted")


def we_are_checked_as_well(lab):
    sock = raw_socket(lab)
    try:
        context(False, lab.client, lab.other.ca).wrap_socket(sock)
    except ssl.SSLCertVerificationError:
        pass
    else:
        raise Failure("the switch's certificate passes for another CA's")
    wait_listener(lab, "the peer refuses: tlsv1 alert unknown ca", "the alert")


def plaintext_on_the_tls_port_is_refused(lab):
    sock = raw_socket(lab)
    sock.sendall(HELLO * 4)
    while True:
        try:
            if not sock.recv(4096):
                break
        except ConnectionError:
            break
    wait_listener(lab, "wrong version number.*without TLS", "the hint")


def tls_on_the_plaintext_port_is_refused(lab):
    try:
        dial(lab, lab.good, 6654)
    except (ssl.SSLError, ConnectionError):
        pass
    else:
        raise Failure("a handshake with a plain port")
    wait_for(lambda: "does the peer speak TLS?" in rows(lab, lab.plain)[0]["last_error"], "the hint")
    works(raw_socket(lab, 6654)).sock.close()


def read_until(client, text, wanted):
    """What a program has written, up to 'wanted' or its end; 'text' is what was read before."""
    while wanted not in text:
        more = os.read(client.stdout.fileno(), 4096)
        if not more:
            break
        text += more
    return text


def renegotiation_is_refused(lab):
    """Python can't ask for one; openssl can."""
    client = lab.switch_ns.start(
        "timeout", "30", "openssl", "s_client", "-connect", "127.0.0.1:%d" % PORT, "-tls1_2",
        "-cert", lab.client.cert_path, "-key", lab.client.key_path, "-CAfile",
        lab.pki.ca.cert_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    # The switch's HELLO first: data in the middle of a handshake is an error of the client's.
    text = read_until(client, b"", b"\x01\x00\x00\x08")
    client.stdin.write(b"R\n")
    client.stdin.flush()         # it stays open: at its end the client would not wait
    text = read_until(client, text, b"no renegotiation")
    client.stdin.close()
    client.terminate()
    client.wait()
    client.stdout.close()
    check(b"RENEGOTIATING" in text and b"no renegotiation" in text, text[-900:])


def it_ends_with_close_notify(lab):
    """The switch closes after an answer to a bad HELLO: Python raises on a missing ending."""
    sock = dial(lab, lab.good)
    sock.sendall(struct.pack("!BBHI", 1, 5, 8, 1))
    text = b""
    while True:
        data = sock.recv(4096)
        if not data:
            break
        text += data
    check_equal(text[8:][:2], b"\x01\x01", "HELLO, then ERROR, then a clean end")
    sock.close()


def what_was_sent_before_the_end_is_done(lab):
    before = lab.switch.counters()["tls_unclean_close"]
    for clean in (True, False):
        sock = dial(lab, lab.good)
        body = rawof.Peer.flow_mod_body(priority=1 + clean, fields=rawof.match(in_port=1))
        sock.sendall(HELLO + struct.pack("!BBHI", 1, rawof.FLOW_MOD, 8 + len(body), 1) + body)
        check_equal(sock.recv(8)[:2], b"\x01\x00", "HELLO")
        if clean:
            sock.unwrap().close()
        else:
            sock.close()
    wait_for(lambda: len(lab.switch.flows()) == 2, "both flows are there")
    wait_for(lambda: lab.switch.counters()["tls_unclean_close"] == before + 1, "one is counted")
    lab.switch.ofctl("del-flows")


def a_handshake_in_single_bytes_holds_nobody_up(lab):
    """The client hello trickles in; others work meanwhile."""
    left, right = socket.socketpair()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = lab.good.wrap_bio(incoming, outgoing)
    left.close()
    right.close()
    sock = raw_socket(lab)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    done = False
    while not done:
        try:
            client.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            pass
        for byte in outgoing.read():
            sock.sendall(bytes([byte]))
        lab.bystander.ask(rawof.ECHO_REQUEST, b"")
        if not done:
            incoming.write(sock.recv(65536))
    client.write(HELLO)
    sock.sendall(outgoing.read())
    data = b""
    while len(data) < 8:
        incoming.write(sock.recv(65536))
        try:
            data += client.read(8)
        except ssl.SSLWantReadError:
            pass
    check_equal(data[:2], b"\x01\x00", "HELLO")
    sock.close()


def half_open_handshakes_are_bounded_and_end(lab):
    """300 connections that say nothing: 128 stay, the oldest go, others still get in, and the
    rest is dropped in time."""
    idle = []
    for _ in range(300):
        idle.append(raw_socket(lab))
    works(dial(lab, lab.good)).sock.close()
    check(lab.switch.counters()["tls_handshake_evicted"] >= 300 - 128, "the oldest made room")
    for sock in idle:
        try:
            while sock.recv(4096):
                pass
        except ConnectionError:
            pass
        sock.close()
    wait_listener(lab, "TLS handshake: not done within 5000 ms", "the deadline")
    lab.bystander.ask(rawof.ECHO_REQUEST, b"")


def many_handshakes_let_messages_through(lab):
    """Four threads shake hands as fast as they can; an echo's answer never takes long."""
    stop, made = threading.Event(), []

    def shake():
        while not stop.is_set():
            sock = dial(lab, lab.good)
            sock.recv(8)
            sock.unwrap().close()
            made.append(1)

    threads = [threading.Thread(target=shake) for _ in range(4)]
    for thread in threads:
        thread.start()
    worst = 0
    try:
        while len(made) < 400:
            begin = time.monotonic()
            lab.bystander.ask(rawof.ECHO_REQUEST, b"")
            worst = max(worst, time.monotonic() - begin)
            check(all(thread.is_alive() for thread in threads), "a handshake failed")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    check(worst < 2, "an echo took %.3f s" % worst)


def new_files_are_used_after_sighup(lab):
    """A live connection stays; what follows needs the new CA; wrong files change nothing."""
    def load(key, cert, ca):
        for source, target in ((key, lab.identity.key_path), (cert, lab.identity.cert_path),
                               (ca, lab.pki.ca.cert_path)):
            with open(source, "rb") as data, open(target, "wb") as out:
                out.write(data.read())
        lab.switch.process.send_signal(signal.SIGHUP)

    keep = Pki(lab.path("keep"), "keep-ca")
    old_client = lab.good
    ours = lab.other.issue("new-switch")
    paths = [lab.identity.key_path, lab.identity.cert_path, lab.pki.ca.cert_path]
    saved = [open(path, "rb").read() for path in paths]
    load(ours.key_path, ours.cert_path, lab.other.ca.cert_path)
    wait_log(lab, "key and certificates loaded again", "the reload")
    lab.bystander.ask(rawof.ECHO_REQUEST, b"")
    works(dial(lab, context(False, lab.other.issue("newcomer"), lab.other.ca))).sock.close()
    refused(lab, context(False, lab.client), r"\(CN=controller\): unable to get local issuer")

    with open(lab.identity.key_path, "w") as out:
        out.write("no key\n")
    lab.switch.process.send_signal(signal.SIGHUP)
    wait_log(lab, r"TLS: private key \S+: .*; the key and certificates stay as they were", "kept")
    works(dial(lab, context(False, lab.other.issue("newcomer"), lab.other.ca))).sock.close()
    load(keep.ca.key_path, ours.cert_path, lab.other.ca.cert_path)
    wait_log(lab, r"is not that of certificate", "a key of another certificate")
    check_equal(lab.switch.counters()["tls_files_refused"], 2, "refused")
    for path, data in zip(paths, saved):
        with open(path, "wb") as out:
            out.write(data)
    os.chmod(paths[0], 0o644)
    lab.switch.process.send_signal(signal.SIGHUP)
    wait_log(lab, "everybody on this host can read it", "the warning")
    os.chmod(paths[0], 0o600)
    wait_for(lambda: dials(lab, old_client), "the first files again")
    lab.bystander.ask(rawof.ECHO_REQUEST, b"")


def dials(lab, how):
    try:
        works(dial(lab, how)).sock.close()
    except (ssl.SSLError, ConnectionError):
        return False
    return True


def a_big_dump_reaches_a_slow_reader(lab):
    """100,000 flows, taken in small pieces, while somebody else works; all arrive once."""
    flows = ("priority=%d,in_port=%d,dl_dst=02:00:00:%02x:%02x:%02x,actions=drop"
             % (i % 7 + 1, i % 3 + 1, i >> 16, i >> 8 & 255, i & 255) for i in range(100000))
    lab.switch.ofctl("add-flows", "-", stdin="\n".join(flows) + "\n")
    peer = works(dial(lab, lab.good))
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    body = struct.pack("!HH", 1, 0) + rawof.match() + struct.pack("!BxH", 0xFF, rawof.NONE)
    peer.send(rawof.STATS_REQUEST, body)
    data, count, more, reads = b"", 0, True, 0
    while more:
        while len(data) < 12 or len(data) < struct.unpack_from("!H", data, 2)[0]:
            data += peer.sock.recv(3000)
            reads += 1
            if reads % 500 == 0:
                lab.bystander.ask(rawof.ECHO_REQUEST, b"")
        size, = struct.unpack_from("!H", data, 2)
        message, data = data[:size], data[size:]
        if message[1] != rawof.STATS_REPLY:
            continue
        more = struct.unpack_from("!H", message, 10)[0] & 1
        at = 12
        while at < size:
            at += struct.unpack_from("!H", message, at)[0]
            count += 1
    check_equal(count, 100000, "flows")
    peer.sock.close()
    lab.switch.ofctl("del-flows")


def ovs_ofctl_speaks_tls_with_us(lab):
    done = lab.switch_ns.run("ovs-ofctl", "-O", "OpenFlow10",
                             "--private-key=" + lab.client.key_path,
                             "--certificate=" + lab.client.cert_path,
                             "--ca-cert=" + lab.pki.ca.cert_path,
                             "show", "ssl:127.0.0.1:%d" % PORT)
    check("OFPT_FEATURES_REPLY" in done.stdout, done.stdout)


# --- the switch connects ---------------------------------------------------------------------

class Server:
    """A controller's end that shakes hands with everybody who comes, in a thread."""

    def __init__(self, lab, how, address="127.0.0.1"):
        with lab.switch_ns.inside():
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            self.listener = socket.create_server((address, 0), family=family)
        self.port = self.listener.getsockname()[1]
        self.how = how
        self.good, self.bad = [], []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            try:
                sock.settimeout(30)
                self.good.append(works(self.how.wrap_socket(sock, server_side=True)
                                       if self.how else sock))
            except (ssl.SSLError, OSError, EOFError, Failure) as problem:
                self.bad.append(problem)
                sock.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def servers_are_judged(lab):
    """One switch and a controller of each kind."""
    lab.switch.stop()
    ca = lab.pki.ca
    named = lab.pki.issue("by-name", ["localhost"])
    kinds = {
        "right": ("127.0.0.1", lab.pki.issue("plain"), None),
        "right address": ("127.0.0.1", lab.pki.issue("by-address", ["127.0.0.1"]), None),
        "right name": ("localhost", named, None),
        "name and address": ("127.0.0.1", named, None),
        "wrong address": ("127.0.0.1", lab.pki.issue("elsewhere", ["192.0.2.1"]),
                          "IP address mismatch, it is not for 127.0.0.1"),
        "wrong name": ("localhost", lab.pki.issue("other", ["other.example"]),
                       "hostname mismatch, it is not for localhost"),
        "no name": ("localhost", lab.pki.issue("controller"), "hostname mismatch"),
        "wrong CA": ("127.0.0.1", lab.other.issue("foreign"), "unable to get local issuer"),
        "expired": ("127.0.0.1", lab.pki.issue("past", begin=-9, end=-2), "certificate has expired"),
        "young": ("127.0.0.1", lab.pki.issue("future", begin=2, end=9), "not yet valid"),
        "other CA for us": ("127.0.0.1", lab.pki.issue("picky"), "the peer refuses: .*unknown ca"),
        "plain": ("127.0.0.1", None, "wrong version number"),
        "old": ("127.0.0.1", lab.pki.issue("old-server"), "protocol version|unsupported protocol"),
    }
    servers, targets = {}, {}
    for kind, (host, identity, _) in kinds.items():
        theirs = lab.other.ca if kind == "other CA for us" else ca
        how = identity and context(True, identity, theirs,
                                   ssl.TLSVersion.TLSv1_1 if kind == "old" else None)
        servers[kind] = Server(lab, how)
        targets[kind] = "ssl:%s:%d" % (host, servers[kind].port)
    lab.switch = Switch(lab, ["p1@1"], controllers=list(targets.values()),
                        options=tls_options(lab.identity, ca, "--max-backoff", "1"))
    for kind, (_, _, error) in kinds.items():
        if not error:
            wait_for(lambda kind=kind: servers[kind].good, kind + " is connected with")
            row = rows(lab, targets[kind])[0]
            check_equal((row["state"], row["tls"]["protocol"]), ("active", "TLSv1.3"), kind)
            continue
        wait_for(lambda target=targets[kind], error=error: re.search(
            error, rows(lab, target)[0]["last_error"]), "%s: %s" % (kind, error))
        wait_for(lambda kind=kind: servers[kind].bad, kind + " saw it")
        check(not servers[kind].good, kind)
    for server in servers.values():
        server.close()


def a_silent_server_is_given_up(lab):
    lab.switch.stop()
    with lab.switch_ns.inside():
        listener = socket.create_server(("127.0.0.1", 0))
    target = "ssl:127.0.0.1:%d" % listener.getsockname()[1]
    lab.switch = Switch(lab, ["p1@1"], controllers=[target],
                        options=tls_options(lab.identity, lab.pki.ca, "--inactivity-probe", "1",
                                            "--max-backoff", "1"))
    wait_for(lambda: rows(lab, target)[0]["state"] == "tls-handshake", "it waits")
    wait_for(lambda: "not done within 1000 ms" in rows(lab, target)[0]["last_error"], "given up")
    listener.close()


def the_ca_is_learnt_once(lab):
    """--peer-ca-bootstrap: the first server's CA is kept, and the next of another CA refused."""
    lab.switch.stop()
    path = lab.path("learnt.pem")
    server = Server(lab, context(True, lab.pki.issue("first"), lab.pki.ca))
    target = "ssl:127.0.0.1:%d" % server.port
    lab.switch = Switch(lab, ["p1@1"], controllers=[target],
                        options=tls_options(lab.identity, path, "--peer-ca-bootstrap",
                                            "--max-backoff", "1"))
    wait_for(lambda: server.good, "it is connected with, at the second time")
    with open(path) as learnt, open(lab.pki.ca.cert_path) as given:
        check_equal(learnt.read(), given.read(), "the CA that was kept")
    wait_log(lab, "trusted from now on.*fingerprint is right: [0-9a-f]{64}", "the warning")
    check_equal(lab.switch.counters()["tls_ca_learnt"], 1, "counted")
    server.how = context(True, lab.other.issue("second"), lab.pki.ca)
    server.good.pop().sock.close()
    wait_for(lambda: "unable to get local issuer" in rows(lab, target)[0]["last_error"],
             "another CA's is refused now")
    server.close()


def names_are_looked_up_and_checked(lab):
    """controller.example is in the hosts file of the switch's namespace alone; the first of its
    addresses has nobody listening."""
    lab.switch.stop()
    folder = "/etc/netns/" + lab.switch_ns.name
    server = Server(lab, context(True, lab.pki.issue("named", ["controller.example"]), lab.pki.ca))
    other = Server(lab, context(True, lab.pki.issue("misnamed", ["example"]), lab.pki.ca))
    good, bad, unknown = ["ssl:%s:%d" % (name, port) for name, port in (
        ("controller.example", server.port), ("controller.example", other.port),
        ("nobody.invalid", server.port))]
    os.makedirs(folder)
    try:
        for name, text in (("hosts", "127.0.0.9 controller.example\n127.0.0.1 controller.example\n"),
                           ("resolv.conf", "nameserver 127.0.0.1\n"),
                           ("nsswitch.conf", "hosts: files\n")):
            with open(os.path.join(folder, name), "w") as out:
                out.write(text)
        lab.switch = Switch(lab, ["p1@1"], controllers=[good, bad, unknown],
                            options=tls_options(lab.identity, lab.pki.ca, "--max-backoff", "1"))
    finally:
        shutil.rmtree(folder)
        with contextlib.suppress(OSError):
            os.rmdir("/etc/netns")
    wait_for(lambda: server.good, "it is found and connected with")
    wait_for(lambda: "hostname mismatch, it is not for controller.example"
             in rows(lab, bad)[0]["last_error"], "its certificate is for another name")
    wait_for(lambda: "nobody.invalid can't be looked up: " in rows(lab, unknown)[0]["last_error"],
             "an unknown name")
    check(lab.switch.counters()["resolver_failed"], "it is counted")
    server.close()
    other.close()


def the_walkthrough_of_the_manual_works(lab):
    """turnoutctl pki, turnoutd, ovs-ofctl with its default settings."""
    lab.switch.stop()
    folder = lab.path("walk")

    def path(name):
        return os.path.join(folder, name)

    for words in (["init"], ["req", "s1"], ["sign", "s1"], ["req", "controller", "192.0.2.1"],
                  ["sign", "controller"]):
        run_command(program("turnoutctl"), "pki", *words, "--dir", folder)
    lab.switch = Switch(lab, ["p1@1"], listeners=[lab.listener],
                        options=["--private-key", path("s1-privkey.pem"),
                                 "--certificate", path("s1-cert.pem"),
                                 "--ca-cert", path("ca-cert.pem")])
    check("can read it" not in log_of(lab), "the key is private")
    ofctl = ["ovs-ofctl", "--private-key=" + path("controller-privkey.pem"),
             "--certificate=" + path("controller-cert.pem"), "--ca-cert=" + path("ca-cert.pem")]
    target = "ssl:127.0.0.1:%d" % PORT
    lab.switch_ns.run(*ofctl, "add-flow", target, "priority=7,in_port=1,actions=drop")
    text = lab.switch_ns.run(*ofctl, "dump-flows", target).stdout
    check("priority=7,in_port=1 actions=drop" in text.replace('"p1"', "1"), text)
    check("1(p1): addr:" in lab.switch_ns.run(*ofctl, "show", target).stdout, "show")


def a_key_that_only_root_s_rights_open_is_told_about(lab):
    """TLS that comes with a SIGHUP, and a key that can be read before privileges are given up, but
    not after."""
    lab.switch.stop()
    config, key = lab.path("turnoutd.conf"), lab.path("key.pem")
    tls = ["private-key " + key, "certificate " + lab.identity.cert_path,
           "ca-cert " + lab.pki.ca.cert_path]

    def configure(*lines):
        with open(config, "w") as out:
            out.write("\n".join(lines) + "\nbridge br1\nlisten punix:%s%s\n"
                      % (lab.path("sock"), " pssl:%d" % PORT if lines else ""))

    configure()
    shutil.copy(lab.identity.key_path, key)
    os.chmod(key, 0o600)
    lab.switch = Switch(lab, options=["--config", config])
    configure(*tls)
    lab.switch.process.send_signal(signal.SIGHUP)
    wait_for(lambda: lab.listens(PORT), "it listens under TLS now")
    bystander = works(dial(lab, lab.good))

    os.chown(key, 65534, 65534)
    lab.switch.process.send_signal(signal.SIGHUP)
    wait_log(lab, "private key %s: Permission denied; the key and certificates stay" % key, "kept")
    bystander.ask(rawof.ECHO_REQUEST, b"")
    works(dial(lab, lab.good)).sock.close()
    lab.switch.stop()
    lab.switch.start()
    wait_log(lab, r"%s was read with privileges.*unless user 0 may read it" % key, "the warning")
    works(dial(lab, lab.good)).sock.close()


def without_bootstrap_or_files_it_does_not_start(lab):
    lab.switch.stop()

    def start(*options):
        done = lab.switch_ns.run(lab.switch.argv[0], "--control", lab.path("c2"), "--rundir",
                                 lab.tmp, "--bridge", "br0", *options, ok=False)
        check(done.returncode, "it started with " + " ".join(options))
        return done.stderr

    check("TLS needs private-key" in start("--listen", "pssl:"), "no files at all")
    identity = lab.identity
    text = start(*tls_options(identity, lab.path("absent.pem")))
    check("CA certificate %s: No such file" % lab.path("absent.pem") in text, text)
    text = start(*tls_options(lab.pki.ca, lab.pki.ca)[:3], identity.cert_path, "--ca-cert",
                 lab.pki.ca.cert_path)
    check("is not that of certificate" in text, text)
    text = start("--private-key", identity.cert_path, "--certificate", identity.cert_path,
                 "--ca-cert", lab.pki.ca.cert_path)
    check("private key %s: " % identity.cert_path in text, text)
    text = start("--private-key", identity.key_path, "--certificate", identity.key_path,
                 "--ca-cert", lab.pki.ca.cert_path)
    check("there is no PEM certificate in it" in text, text)
    text = start(*tls_options(identity, identity))
    check("it is not a CA's" in text, text)


if __name__ == "__main__":
    run(Lab(hosts=1), it_starts, the_state_is_shown, tls_1_2_works_and_older_is_refused,
        who_shows_no_certificate_is_refused, who_shows_a_wrong_certificate_is_refused,
        we_are_checked_as_well, plaintext_on_the_tls_port_is_refused,
        tls_on_the_plaintext_port_is_refused, renegotiation_is_refused, it_ends_with_close_notify,
        what_was_sent_before_the_end_is_done, a_handshake_in_single_bytes_holds_nobody_up,
        half_open_handshakes_are_bounded_and_end, many_handshakes_let_messages_through,
        new_files_are_used_after_sighup, a_big_dump_reaches_a_slow_reader,
        ovs_ofctl_speaks_tls_with_us, servers_are_judged, a_silent_server_is_given_up,
        the_ca_is_learnt_once, names_are_looked_up_and_checked, the_walkthrough_of_the_manual_works,
        a_key_that_only_root_s_rights_open_is_told_about,
        without_bootstrap_or_files_it_does_not_start)
