# SPDX-License-Identifier: Apache-2.0
"""Keys and certificates for the tests of TLS: good ones, and each kind of bad one."""

import datetime
import ipaddress
import os
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Identity:
    """A private key and its certificate, with the paths of their files."""

    def __init__(self, folder, name, key, cert):
        self.key, self.cert = key, cert
        self.key_path = os.path.join(folder, name + "-key.pem")
        self.cert_path = os.path.join(folder, name + "-cert.pem")
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
        with open(os.open(self.key_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                  "wb") as out:
            out.write(pem)
        with open(self.cert_path, "wb") as out:
            out.write(cert.public_bytes(serialization.Encoding.PEM))


class Pki:
    """A certificate authority that files what it makes in a folder."""

    def __init__(self, folder, name="ca"):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.ca = self._make(name, None, is_ca=True)

    def issue(self, name, hosts=(), begin=-1, end=30):
        """A certificate for these DNS names and addresses, valid from 'begin' to 'end', in days
        from now."""
        return self._make(name, self.ca, hosts, begin, end)

    def _make(self, name, issuer, hosts=(), begin=-1, end=30, is_ca=False):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(subject)
                   .issuer_name(issuer.cert.subject if issuer else subject)
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now + begin * DAY).not_valid_after(now + end * DAY)
                   .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), True))
        if hosts:
            names = [self._name(host) for host in hosts]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        cert = builder.sign(issuer.key if issuer else key, hashes.SHA256())
        return Identity(self.folder, name, key, cert)

    @staticmethod
    def _name(host):
        try:
            return x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            return x509.DNSName(host)


def context(server, identity=None, ca=None, version=None):
    """An ssl.SSLContext that shows 'identity' and wants the peer's to be signed by 'ca'."""
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    there.check_hostname = False
    there.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
    if ca:
        there.load_verify_locations(ca.cert_path)
    if identity:
        there.load_cert_chain(identity.cert_path, identity.key_path)
    if version:
        there.set_ciphers("ALL:@SECLEVEL=0")
        there.minimum_version = there.maximum_version = version
    return there
