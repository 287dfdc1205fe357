"""Certificates of devices, made with ``openssl`` as Mender's documentation tells its users to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Literal, get_args

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .processes import Reactor, run

KeyType = Literal["rsa2048", "ec256", "ed25519"]
KEY_TYPES: tuple[KeyType, ...] = get_args(KeyType)

_KEY_OPTIONS: dict[KeyType, tuple[str, ...]] = {
    "rsa2048": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "ec256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "ed25519": ("-algorithm", "ED25519"),
}
# The same for each: a foreign one cannot be told by its name.
_AUTHORITY = "/O=Fleet/CN=Device authority"
_DAYS = 730


@attrs.frozen
class DeviceCertificate:
    """
    A certificate and its private key, as PEM files.

    :param serial: its serial number.
    """

    path: Path
    key: Path
    serial: int

    @property
    def x509(self) -> x509.Certificate:
        """The certificate itself."""
        return x509.load_pem_x509_certificate(self.path.read_bytes())

    @property
    def pubkey(self) -> str:
        """Its public key, as the server writes it."""
        form = PublicFormat.SubjectPublicKeyInfo
        return self.x509.public_key().public_bytes(Encoding.PEM, form).decode()


@attrs.frozen
class DeviceAuthority:
    """
    An authority that vouches for devices; made by :func:`device_authority`.

    :param path: its own certificate, a PEM file.
    """

    path: Path
    _key: Path
    _reactor: Reactor = attrs.field(repr=False)
    # Hexadecimal digits that are letters, so that nobody can take them for decimal ones.
    _serials: Iterator[int] = attrs.field(factory=lambda: count(0xFACADE), repr=False)

    async def issue(self, key_type: KeyType = "ec256", *, days: int = _DAYS) -> DeviceCertificate:
        """
        Issue a certificate for a new key: X.509 version 1, which knows no extensions.

        :param days: how long it is valid; a negative number, and it has expired.
        """
        serial = next(self._serials)
        stem = self.path.parent / f"device-{serial:x}"
        key, request, path = (stem.with_suffix(suffix) for suffix in (".key", ".csr", ".pem"))
        await make_key(self._reactor, key_type, key)
        subject = ("-subj", f"/O=Fleet/CN={key_type} device")
        await self._openssl("req", "-new", "-key", key, *subject, "-out", request)
        issuer = ("-CA", self.path, "-CAkey", self._key)
        terms = ("-set_serial", f"0x{serial:x}", "-days", days)
        await self._openssl("x509", "-req", "-in", request, *issuer, *terms, "-out", path)
        return DeviceCertificate(path, key, serial)

    async def _openssl(self, *arguments: object) -> None:
        await run(self._reactor, "openssl", *map(str, arguments))


async def device_authority(reactor: Reactor, directory: Path) -> DeviceAuthority:
    """
    Make an authority; all of them have the same name.

    :param directory: for its files; it is created.
    """
    directory.mkdir(parents=True)
    key, path = directory / "authority.key", directory / "authority.pem"
    await make_key(reactor, "ec256", key)
    terms = ("-subj", _AUTHORITY, "-days", str(10 * _DAYS))
    command = ("openssl", "req", "-new", "-x509", "-key", str(key), *terms, "-out", str(path))
    await run(reactor, *command)
    return DeviceAuthority(path, key, reactor)


async def make_key(reactor: Reactor, key_type: KeyType, path: Path) -> None:
    """Make a private key, a PEM file that is not encrypted."""
    await run(reactor, "openssl", "genpkey", *_KEY_OPTIONS[key_type], "-out", str(path))
