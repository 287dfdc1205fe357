"""
Every kind of certificate that a device may come with, and what becomes of the device.

``python -m tests.certificate_zoo DIRECTORY`` writes them as files, for trying them by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from cryptography import x509

from menderproxy.listen.refusal import Reason
from tests.certificates import DAY, pem_of
from tests.odd_certificates import (
    AUTHORITY,
    KEYS,
    NO_AUTHORITY,
    UNKNOWN,
    UNSPEAKABLE,
    WEAK,
    Unavailable,
    authority,
    by_openssl,
    purpose,
    revocation_list,
    signed,
    usage,
    with_bit_flipped,
)
from tests.specimens import (
    GRACE,
    HOUR,
    Specimen,
    alone,
    anchored,
    before,
    below,
    by_command,
    chain,
    cross_signed,
    device,
    device_in_bundle,
    expired_intermediate,
    identified_root,
    intermediate,
    limited_names,
    limited_path,
    of_identified,
    of_kind,
    renewed_root,
    revoked,
    root,
    root_by_command,
    sending,
    stranger,
    twice_signed,
    two_of_a_name,
    under_root,
)

Maker = Callable[[], Specimen]
"""Makes a specimen; raises ``Unavailable`` where this machine can't."""

FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

ACCEPTED: dict[str, Maker] = {
    **{
        f"{key}_by_{kind}": partial(of_kind, key, kind)
        for key in KEYS
        if key not in UNSPEAKABLE + WEAK
        for kind in ("ec_p256", "rsa_2048", "ed25519")
    },
    "version_1_rsa_2048": partial(by_command, key="rsa_2048"),
    "version_1_ec_p256": partial(by_command, key="ec_p256"),
    "version_1_ed25519": partial(by_command, key="ed25519"),
    # What it may be used for.
    "no_extensions": lambda: before(device()),
    "no_authority": lambda: before(device(NO_AUTHORITY)),
    "client": lambda: before(device(purpose("client"))),
    "client_and_server": lambda: before(device(purpose("client", "server"))),
    "any_purpose": lambda: before(device(purpose("any"))),
    "any_purpose_and_server": lambda: before(device(purpose("any", "server"))),
    "digital_signature": lambda: before(device(usage("digital_signature"))),
    "intermediate_for_clients": lambda: below(under_root(AUTHORITY, purpose("client"))),
    "intermediate_for_any_purpose": lambda: below(under_root(AUTHORITY, purpose("any"))),
    # The way to the root.
    "intermediate_sent": lambda: below(intermediate()),
    "intermediate_in_bundle": lambda: alone(root(), intermediate()),
    "intermediate_as_anchor": lambda: alone(intermediate()),
    "intermediate_as_anchor_and_sent": lambda: before(device(by=intermediate()), intermediate()),
    "first_of_two_roots": lambda: before(device(), root(), stranger()),
    "second_of_two_roots": lambda: before(device(), stranger(), root()),
    "first_of_two_of_a_name": partial(two_of_a_name, 0),
    "second_of_two_of_a_name_identified": partial(two_of_a_name, 1, identified=True),
    "root_sent": lambda: before(sending(device(), root())),
    "stranger_sent": lambda: before(sending(device(), stranger())),
    "cross_signed": cross_signed,
    "twice_signed_known_first": partial(twice_signed, known_first=True),
    "chain_of_9": partial(chain, 9),
    "path_length_kept": limited_path,
    "name_permitted": partial(limited_names, "device.factory.example"),
    # Names and numbers.
    "serial_1": lambda: before(device(serial=1)),
    "serial_of_20_octets": lambda: before(device(serial=(1 << 159) - 1)),
    "subject_in_utf_8": lambda: before(device(name="Gerät 設備")),
    "subject_empty": lambda: before(device(name=x509.Name([]))),
    # Time.
    "expired_within_grace": lambda: before(device(until=-HOUR), grace=GRACE),
    "any_purpose_within_grace": lambda: before(device(purpose("any"), until=-HOUR), grace=GRACE),
    "valid_until_9999": lambda: before(device(until=FOREVER)),
    "beside_expired_root": lambda: before(device(), authority("old", until=-HOUR), root()),
    "renewed_root": renewed_root,
    # The signature of what is trusted by itself is of no matter.
    "root_version_1": partial(root_by_command, version_1=True),
    "root_signed_with_sha_1": partial(root_by_command, "-sha1"),
    # Revocation.
    "other_serial_blacklisted": lambda: before(device(serial=0xA1), blacklist=b"0A10\n"),
    "other_revoked": lambda: before(device(), lists=revocation_list(root(), device())),
}
"""The kinds that get in."""

REFUSED: dict[Reason, dict[str, Maker]] = {
    Reason.NO_CERTIFICATE: {"none": lambda: before(None)},
    Reason.EXPIRED: {
        "expired": lambda: before(device(until=-HOUR)),
        "expired_beyond_grace": lambda: before(
            device(since=-9 * DAY, until=-DAY - HOUR), grace=GRACE
        ),
    },
    Reason.NOT_YET_VALID: {
        "not_yet_valid": lambda: before(device(since=HOUR)),
        "not_yet_valid_with_grace": lambda: before(device(since=HOUR), grace=GRACE),
    },
    Reason.UNKNOWN_AUTHORITY: {
        "of_stranger": lambda: before(device(by=stranger())),
        "of_stranger_expired": lambda: before(device(by=stranger(), until=-HOUR), grace=GRACE),
        "of_stranger_sent": lambda: before(
            sending(device(by=stranger()), stranger()), culprit=stranger()
        ),
        "of_namesake_identified": lambda: before(
            of_identified(identified_root()), identified_root()
        ),
        "self_signed": lambda: before(signed("device", None)),
        "self_signed_as_root": lambda: before(signed(root().certificate.subject, None)),
        "intermediate_missing": alone,
        # OpenSSL goes up the first way that the names allow, and does not come back to try others.
        "twice_signed_known_last": partial(twice_signed, known_first=False),
    },
    Reason.BAD_SIGNATURE: {
        "bit_flipped": lambda: before(with_bit_flipped(device())),
        "bit_flipped_expired": lambda: before(with_bit_flipped(device(until=-HOUR)), grace=GRACE),
        # OpenSSL tries only one authority of a name, unless certificates say whose key is meant.
        "second_of_two_of_a_name": partial(two_of_a_name, 1),
        "of_namesake": lambda: before(device(by=identified_root()), identified_root()),
    },
    Reason.AUTHORITY_EXPIRED: {
        "expired_intermediate_with_grace": partial(expired_intermediate, DAY),
        "expired_intermediate_and_device": partial(expired_intermediate, -HOUR),
        "expired_root": lambda: anchored(authority("root", until=-HOUR)),
        "expired_intermediate": lambda: below(under_root(AUTHORITY, until=-HOUR)),
    },
    Reason.AUTHORITY_AS_CLIENT: {
        "root_as_device": lambda: before(root()),
        "intermediate_as_device": lambda: before(intermediate()),
        "authority_as_device": lambda: before(device(AUTHORITY, purpose("client"))),
        "authority_for_any_purpose": lambda: before(device(AUTHORITY, purpose("any"))),
        "key_for_everything": lambda: before(device(usage("digital_signature", "key_cert_sign"))),
        "in_bundle": device_in_bundle,
    },
    Reason.WRONG_PURPOSE: {
        "server": lambda: before(device(purpose("server"))),
        "server_expired": lambda: before(device(purpose("server"), until=-HOUR), grace=GRACE),
        "code": lambda: before(device(purpose("code"))),
        "server_code_and_mail": lambda: before(device(purpose("server", "code", "mail"))),
        "key_for_certificates_only": lambda: before(device(usage("key_cert_sign"))),
        "key_for_encryption_only": lambda: before(device(usage("key_encipherment"))),
        "intermediate_for_servers": lambda: below(under_root(AUTHORITY, purpose("server"))),
    },
    Reason.CHAIN: {
        "path_length_broken": partial(limited_path, "lower"),
        "of_no_authority": lambda: below(under_root(NO_AUTHORITY)),
        "of_device": lambda: below(under_root()),
        "of_device_for_any_purpose": lambda: below(under_root(purpose("any"))),
        "of_version_1_device": lambda: below(by_openssl("intermediate", root())),
        "of_device_with_usage": lambda: below(under_root(usage("key_cert_sign"))),
        "of_device_in_bundle": lambda: anchored(device()),
        "intermediate_for_crls_only": lambda: below(under_root(AUTHORITY, usage("crl_sign"))),
        "chain_of_10": partial(chain, 10),
        "chain_of_20": partial(chain, 20),
        "name_not_permitted": partial(limited_names, "device.example"),
    },
    Reason.MALFORMED: {
        "unknown_critical_extension": lambda: before(device(UNKNOWN)),
        "unknown_critical_extension_above": lambda: below(under_root(AUTHORITY, UNKNOWN)),
    },
    Reason.WEAK_KEY: {
        **{key: partial(of_kind, key, "ec_p256") for key in WEAK},
        "of_intermediate_with_rsa_1024": lambda: below(
            under_root(AUTHORITY, key=KEYS["rsa_1024"]())
        ),
        "of_root_with_rsa_1024": lambda: anchored(authority("root", key=KEYS["rsa_1024"]())),
    },
    Reason.WEAK_SIGNATURE: {
        "sha_1": partial(by_command, "-sha1"),
        "md5_by_rsa": partial(by_command, "-md5", by="rsa_2048"),
        "sha_1_by_rsa": partial(by_command, "-sha1", by="rsa_2048"),
        "of_intermediate_signed_with_sha_1": lambda: below(
            by_openssl("intermediate", root(), "-sha1", authority=True)
        ),
    },
    # TLS itself has no use for this curve any more.
    Reason.HANDSHAKE: {"ec_p224": partial(of_kind, "ec_p224", "ec_p256")},
    Reason.BLACKLISTED: {
        "blacklisted": lambda: before(device(serial=0xA1), blacklist=b"A1"),
        "blacklisted_expired": lambda: before(
            device(serial=0xA1, until=-HOUR), blacklist=b"A1", grace=GRACE
        ),
        "intermediate_blacklisted": lambda: before(
            device(by=intermediate()),
            blacklist=b"%X" % intermediate().certificate.serial_number,
        ),
    },
    Reason.REVOKED: {
        "revoked": partial(revoked, DAY),
        "revoked_on_old_list": partial(revoked, -HOUR),
        "intermediate_revoked": lambda: before(
            device(by=intermediate()), lists=revocation_list(root(), intermediate())
        ),
    },
    Reason.NO_REVOCATION_LIST: {
        "only_an_old_list": lambda: before(device(), lists=revocation_list(root(), until=-HOUR)),
        "other_issuers_list": lambda: before(
            device(), root(), stranger(), lists=revocation_list(stranger())
        ),
        "intermediate_without_list": lambda: before(
            device(by=intermediate()), lists=revocation_list(root())
        ),
    },
}
"""The kinds that are kept out, by the reason for it."""


def kinds() -> Iterator[tuple[str, Maker, Reason | None]]:
    """List all kinds: name, how it is made, why it is refused."""
    yield from ((name, make, None) for name, make in ACCEPTED.items())
    for reason, makers in REFUSED.items():
        yield from ((name, make, reason) for name, make in makers.items())


def write(specimen: Specimen, folder: Path) -> None:
    """Write all of a specimen as files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "authorities.pem").write_bytes(b"".join(map(pem_of, specimen.bundle)))
    (folder / "blacklist").write_bytes(specimen.blacklist)
    (folder / "revocation-lists.pem").write_bytes(specimen.lists)
    if specimen.identity is not None:
        (folder / "device.pem").write_bytes(specimen.identity.chain_pem)
        (folder / "device.key").write_bytes(specimen.identity.key_pem)


def main(directory: str) -> None:
    """Write all kinds, each into a directory of its name, and tell what becomes of each."""
    for name, make, reason in kinds():
        try:
            write(make(), Path(directory) / name)
        except Unavailable as error:
            print(f"{name}: not made: {error}")
        else:
            print(f"{name}: {'accepted' if reason is None else f'refused: {reason.value}'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
