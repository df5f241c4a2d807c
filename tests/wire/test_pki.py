#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""turnoutctl pki: what it makes, as other libraries see it, and what it refuses."""

import datetime
import ipaddress
import json
import os
import shutil
import ssl
import stat
import subprocess
import sys
import tempfile
import traceback
import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CTL = os.path.join(os.environ.get("TURNOUT_BUILDDIR", "build"), "tools/turnoutctl/turnoutctl")
TMP = tempfile.mkdtemp(prefix="turnout-test.")
DIR = os.path.join(TMP, "pki")
warnings.simplefilter("ignore")


def path(name):
    return os.path.join(DIR, name)


def pki(*argv, status=0):
    done = subprocess.run([CTL, "pki", *argv, "--dir", DIR], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == status, (argv, done)
    return done.stderr if status else done.stdout


def cert(name):
    with open(path(name + "-cert.pem"), "rb") as source:
        return x509.load_pem_x509_certificate(source.read())


def extension(of, kind):
    return of.extensions.get_extension_for_class(kind)


def files():
    return {name: open(path(name), "rb").read() for name in sorted(os.listdir(DIR))}


def shake_hands(server, client, host=None):
    """Both ends with certificates, in memory; returns the server's."""
    contexts = [ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)]
    for context, name in zip(contexts, (server, client)):
        context.load_cert_chain(path(name + "-cert.pem"), path(name + "-privkey.pem"))
        context.load_verify_locations(path("ca-cert.pem"))
        context.check_hostname = context is contexts[1] and host is not None
        context.verify_mode = ssl.CERT_REQUIRED
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [contexts[0].wrap_bio(to_server, to_client, server_side=True),
            contexts[1].wrap_bio(to_client, to_server, server_hostname=host)]
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return ends[1].getpeercert(), ends[0].getpeercert()


def init_makes_a_ca():
    text = pki("init", "The lab")
    assert text.splitlines()[:2] == [path("ca-key.pem"), path("ca-cert.pem")], text
    ca = cert("ca")
    assert ca.subject == ca.issuer and "CN=The lab" in text
    assert extension(ca, x509.BasicConstraints).value.ca
    assert extension(ca, x509.BasicConstraints).critical
    assert extension(ca, x509.KeyUsage).value.key_cert_sign
    assert isinstance(ca.public_key().curve, ec.SECP256R1)
    days = (ca.not_valid_after - datetime.datetime.utcnow()).total_seconds() / 86400
    assert 3649 < days <= 3650, days
    assert ca.not_valid_before <= datetime.datetime.utcnow()


def req_makes_a_key_and_a_request():
    text = pki("req", "s1", "s1.example", "192.0.2.7", "2001:db8::1")
    with open(path("s1-req.pem"), "rb") as source:
        req = x509.load_pem_x509_csr(source.read())
    assert req.is_signature_valid
    assert req.subject.rfc4514_string() == "CN=s1"
    names = extension(req, x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["s1", "s1.example"], names
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("192.0.2.7"),
                                                         ipaddress.ip_address("2001:db8::1")]
    assert "DNS:s1.example" in text and "192.0.2.7" in text, text
    with open(path("s1-privkey.pem"), "rb") as source:
        key = serialization.load_pem_private_key(source.read(), None)
    assert key.public_key().public_numbers() == req.public_key().public_numbers()


def sign_makes_a_certificate():
    text = pki("sign", "s1")
    there, ca = cert("s1"), cert("ca")
    ca.public_key().verify(there.signature, there.tbs_certificate_bytes,
                           ec.ECDSA(hashes.SHA256()))
    assert there.issuer == ca.subject and there.subject.rfc4514_string() == "CN=s1"
    assert not extension(there, x509.BasicConstraints).value.ca
    usage = list(extension(there, x509.ExtendedKeyUsage).value)
    assert usage == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH], usage
    names = extension(there, x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["s1", "s1.example"]
    days = (there.not_valid_after - datetime.datetime.utcnow()).total_seconds() / 86400
    assert 364 < days <= 365, days
    assert "until " in text and "DNS:s1.example" in text, text


def keys_are_private_whatever_the_umask():
    old = os.umask(0)
    try:
        pki("req", "open")
    finally:
        os.umask(old)
    for name in ("ca-key.pem", "s1-privkey.pem", "open-privkey.pem"):
        assert stat.S_IMODE(os.stat(path(name)).st_mode) == 0o600, name
    assert stat.S_IMODE(os.stat(DIR).st_mode) == 0o700


def nothing_is_overwritten():
    before = files()
    for argv in (("init",), ("req", "s1"), ("sign", "s1")):
        text = pki(*argv, status=1)
        assert "is there already, and is not overwritten" in text, text
    assert files() == before
    os.rename(path("s1-privkey.pem"), path("away"))
    assert "s1-req.pem is there already" in pki("req", "s1", status=1)
    assert not os.path.exists(path("s1-privkey.pem")), "no key without its request"
    os.rename(path("away"), path("s1-privkey.pem"))


def a_connection_is_possible_with_them():
    pki("req", "controller", "of.example", "127.0.0.1")
    pki("sign", "controller")
    server, client = shake_hands("controller", "s1", "of.example")
    assert server["subject"] == ((("commonName", "controller"),),), server
    assert client["subject"] == ((("commonName", "s1"),),), client
    shake_hands("controller", "s1", "127.0.0.1")
    try:
        shake_hands("controller", "s1", "other.example")
    except ssl.SSLCertVerificationError:
        pass
    else:
        raise AssertionError("a name that is not in it")


def days_are_heeded_and_bounded():
    pki("req", "short")
    pki("sign", "short", "--days", "3")
    there = cert("short")
    days = (there.not_valid_after - datetime.datetime.utcnow()).total_seconds() / 86400
    assert 2 < days <= 3, days
    pki("req", "long")
    pki("sign", "long", "--days=36500")
    assert cert("long").not_valid_after == cert("ca").not_valid_after, "not longer than the CA"
    for days in ("0", "-1", "36501", "x", "1d", ""):
        assert "--days is a number" in pki("sign", "short", "--days=" + days, status=2)


def strange_names_are_refused():
    for name in ("", "-x", ".hidden", "a/b", "../up", "a b", "a,IP:1.2.3.4", "ca", "x" * 65, "ü"):
        assert "can't be a name" in pki("req", name, status=2), name
    for host in ("a b", "a,b", "", "DNS:x", "1.2.3.4/24"):
        assert "neither a host name nor an address" in pki("req", "ok", host, status=2), host
    assert not os.path.exists(path("ok-privkey.pem"))
    for argv in (("make",), ("req",), ("sign",), ("sign", "a", "b"), ("init", "a", "b"),
                 ("req", "a", "--days", "3")):
        assert "usage" in pki(*argv, status=2), argv


def what_others_ask_for_is_signed_or_refused():
    """Requests made elsewhere: an RSA key is fine; a weak one, a forged or no request is not; and
    nobody becomes a CA by asking."""
    def request(name, key, forged=False):
        builder = (x509.CertificateSigningRequestBuilder()
                   .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
                   .add_extension(x509.BasicConstraints(ca=True, path_length=None), True))
        data = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        if forged:
            data = data[:-1] + bytes([data[-1] ^ 1])
        pem = ssl.DER_cert_to_PEM_cert(data).replace("CERTIFICATE", "CERTIFICATE REQUEST")
        with open(path(name + "-req.pem"), "w") as out:
            out.write(pem)

    request("foreign", rsa.generate_private_key(65537, 2048))
    pki("sign", "foreign")
    assert not extension(cert("foreign"), x509.BasicConstraints).value.ca
    request("weak", rsa.generate_private_key(65537, 1024))
    assert "its key is too weak" in pki("sign", "weak", status=2)
    request("forged", rsa.generate_private_key(65537, 2048), forged=True)
    assert "its signature is wrong" in pki("sign", "forged", status=2)
    shutil.copy(path("ca-cert.pem"), path("nonsense-req.pem"))
    assert "there is no certificate request in it" in pki("sign", "nonsense", status=1)
    assert "absent-req.pem: No such file" in pki("sign", "absent", status=1)
    for name in ("weak", "forged", "nonsense", "absent"):
        assert not os.path.exists(path(name + "-cert.pem")), name


def a_wrong_ca_signs_nothing():
    os.rename(path("ca-key.pem"), path("away"))
    assert "ca-key.pem: No such file" in pki("sign", "open", status=1)
    shutil.copy(path("s1-privkey.pem"), path("ca-key.pem"))
    assert "not the key of the CA's certificate" in pki("sign", "open", status=2)
    os.rename(path("away"), path("ca-key.pem"))


def json_tells_the_same():
    answer = json.loads(pki("req", "j1", "--json"))
    assert answer["files"] == [path("j1-privkey.pem"), path("j1-req.pem")], answer
    assert answer["not_after"] is None and answer["names"] == "DNS:j1", answer
    answer = json.loads(pki("sign", "j1", "--json"))
    assert answer["files"] == [path("j1-cert.pem")] and answer["subject"] == "CN=j1", answer
    assert answer["not_after"].endswith("GMT"), answer


def openssl_agrees():
    for name in ("s1", "controller", "foreign"):
        done = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", path("ca-cert.pem"),
                               path(name + "-cert.pem")], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done


def main():
    tests = (init_makes_a_ca, req_makes_a_key_and_a_request, sign_makes_a_certificate,
             keys_are_private_whatever_the_umask, nothing_is_overwritten,
             a_connection_is_possible_with_them, days_are_heeded_and_bounded,
             strange_names_are_refused, what_others_ask_for_is_signed_or_refused,
             a_wrong_ca_signs_nothing, json_tells_the_same, openssl_agrees)
    failed = 0
    print("1..%d" % len(tests))
    for number, test in enumerate(tests, 1):
        try:
            test()
            print("ok %d - %s" % (number, test.__name__))
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print("not ok %d - %s" % (number, test.__name__))
            print("# " + traceback.format_exc().replace("\n", "\n# "))
    shutil.rmtree(TMP, ignore_errors=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
