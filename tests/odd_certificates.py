"""Certificates with any content, weak and damaged ones too, and lists of revoked ones."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes as Key
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.certificates import DAY, Identity, key_pem, new_key, pem_of

AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)
NO_AUTHORITY = x509.BasicConstraints(ca=False, path_length=None)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.1"), b"\x05\x00")
"""An extension that nobody knows, in an arc that is kept free for examples."""

KEYS: dict[str, Callable[[], Key]] = {
    "ec_p224": partial(ec.generate_private_key, ec.SECP224R1()),
    "ec_p256": partial(ec.generate_private_key, ec.SECP256R1()),
    "ec_p384": partial(ec.generate_private_key, ec.SECP384R1()),
    "ec_p521": partial(ec.generate_private_key, ec.SECP521R1()),
    "rsa_2048": cache(lambda: rsa.generate_private_key(65537, 2048)),
    "rsa_3072": cache(lambda: rsa.generate_private_key(65537, 3072)),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ec_p192": partial(ec.generate_private_key, ec.SECP192R1()),
    "rsa_1024": cache(lambda: rsa.generate_private_key(65537, 1024)),
    "dsa_2048": cache(lambda: dsa.generate_private_key(2048)),
}
"""How each kind of key is made; those that take long are made only once."""

WEAK = ("ec_p192", "rsa_1024", "dsa_2048")
UNSPEAKABLE = ("ec_p192", "ec_p224", "dsa_2048")
"""The kinds of keys that TLS 1.3 can't sign with: a device shows no certificate then."""

_PURPOSES = {
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "code": ExtendedKeyUsageOID.CODE_SIGNING,
    "mail": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}

_NOT_CRITICAL = (
    x509.ExtendedKeyUsage,
    x509.SubjectAlternativeName,
    x509.SubjectKeyIdentifier,
    x509.AuthorityKeyIdentifier,
)


class Unavailable(Exception):
    """The ``openssl`` of this machine can't make such a certificate; the text says why."""


def signed(
    subject: str | x509.Name,
    issuer: Identity | None,
    *extensions: x509.ExtensionType,
    key: Key | None = None,
    since: timedelta = -2 * DAY,
    until: timedelta | datetime = DAY,
    serial: int | None = None,
) -> Identity:
    """
    Make a certificate.

    :param subject: its common name, or its whole name.
    :param issuer: ``None`` for one that signs itself.
    :param since: the start of its validity, from now on.
    :param until: the end of its validity, from now on, or altogether.
    """
    key = key or new_key()
    name = _common_name(subject) if isinstance(subject, str) else subject
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now + since)
        .not_valid_after(until if isinstance(until, datetime) else now + until)
    )
    for each in extensions:
        builder = builder.add_extension(each, critical=not isinstance(each, _NOT_CRITICAL))
    issuer_key = issuer.key if issuer else key
    edwards = isinstance(issuer_key, ed25519.Ed25519PrivateKey)
    certificate = builder.sign(issuer_key, None if edwards else hashes.SHA256())
    return Identity(certificate, key, _chain_above(issuer))


def authority(
    name: str,
    issuer: Identity | None = None,
    *extensions: x509.ExtensionType,
    key: Key | None = None,
    since: timedelta = -2 * DAY,
    until: timedelta = DAY,
) -> Identity:
    """Make the certificate of an authority, a root unless it has an issuer."""
    return signed(name, issuer, AUTHORITY, *extensions, key=key, since=since, until=until)


def usage(*bits: str) -> x509.KeyUsage:
    """Make a keyUsage with these bits set, such as ``key_cert_sign``."""
    known = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{bit: bit in bits for bit in known})


def purpose(*names: str) -> x509.ExtendedKeyUsage:
    """Make an extendedKeyUsage for some of ``client``, ``server``, ``code``, ``mail``, ``any``."""
    return x509.ExtendedKeyUsage([_PURPOSES[name] for name in names])


def by_openssl(
    subject: str, issuer: Identity, *options: str, key: Key | None = None, authority: bool = False
) -> Identity:
    """
    Make a certificate with the ``openssl`` command, as Mender's documentation tells its users to.

    Devices get X.509 version 1 without any extension, which is what the command makes unless it
    is told otherwise, or is a recent one. It still signs with SHA-1 and MD5, which the library
    that we use elsewhere refuses to do.

    :param options: of ``openssl x509``, such as ``-sha1``.
    :raises Unavailable: there is no such command, or it does something else.
    """
    key = key or new_key()
    serial = str(x509.random_serial_number())
    with TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "key").write_bytes(key_pem(key))
        (folder / "ca.key").write_bytes(issuer.key_pem)
        (folder / "ca.crt").write_bytes(pem_of(issuer.certificate))
        (folder / "extensions").write_text("basicConstraints=critical,CA:TRUE")
        _openssl(folder, "req", "-new", "-key", "key", "-subj", f"/CN={subject}", "-out", "csr")
        sign = ["x509", "-req", "-in", "csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-out", "crt"]
        sign += ["-extfile", "extensions"] if authority else []
        _openssl(folder, *sign, "-set_serial", serial, *options)
        certificate = x509.load_pem_x509_certificate((folder / "crt").read_bytes())
    if certificate.version is not (x509.Version.v3 if authority else x509.Version.v1):
        raise Unavailable("this openssl makes X.509 version 3 only")
    return Identity(certificate, key, _chain_above(issuer))


def with_bit_flipped(identity: Identity) -> Identity:
    """Damage the last bit of a certificate, which is one of its signature."""
    der = bytearray(identity.certificate.public_bytes(Encoding.DER))
    der[-1] ^= 1
    return attrs.evolve(identity, certificate=x509.load_der_x509_certificate(bytes(der)))


def revocation_list(issuer: Identity, *revoked: Identity, until: timedelta = DAY) -> bytes:
    """Make an authority's list of revoked certificates, as PEM."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now - 2 * DAY)
        .next_update(now + until)
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    for each in revoked:
        serial = each.certificate.serial_number
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - DAY)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _chain_above(issuer: Identity | None) -> tuple[x509.Certificate, ...]:
    """What a device sends besides its own certificate: all above it except the root."""
    if issuer is None or issuer.certificate.issuer == issuer.certificate.subject:
        return ()
    return (issuer.certificate, *issuer.issuers)


def _openssl(folder: Path, *arguments: str) -> None:
    try:
        subprocess.run(("openssl", *arguments), cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        raise Unavailable("there is no openssl command") from None
    except subprocess.CalledProcessError as error:
        raise Unavailable(error.stderr.decode(errors="replace").strip()) from None
