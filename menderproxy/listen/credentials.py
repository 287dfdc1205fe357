"""All files that TLS depends on, read together; each keeps its last good content."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

import attrs
from cryptography import x509
from twisted.internet.ssl import CertificateOptions

from menderproxy.listen.authorities import ambiguous_names, describe, revoked_authorities
from menderproxy.listen.blacklist import Blacklist
from menderproxy.listen.identity import (
    CertificateError,
    ClientAuthorities,
    ServerIdentity,
    read_certificates,
    read_file,
    read_identity,
)
from menderproxy.listen.revocation import Revocation
from menderproxy.listen.revocation_lists import RevocationListError, RevocationLists
from menderproxy.listen.tls import server_options

T = TypeVar("T")

_AUTHORITIES = "Features.mTLS.CACertificate"
_BLACKLIST = "Features.mTLS.BlacklistPath"
_LISTS = "Features.mTLS.CRLPath"


@attrs.frozen(kw_only=True)
class CredentialFiles:
    """
    Where everything is, and what is done with it.

    :param authorities: empty when devices need no certificate.
    :param blacklist: may be empty.
    :param revocation_lists: a file or a directory of files; may be empty.
    :param strict: whether devices whose authority has no list in force are refused.
    """

    certificate: str
    key: str
    minimum_version: str = "1.2"
    authorities: str = ""
    blacklist: str = ""
    revocation_lists: str = ""
    strict: bool = True

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them."""
        paths = self.certificate, self.key, self.authorities, self.blacklist, self.revocation_lists
        return tuple(path for path in paths if path)


@attrs.frozen(kw_only=True)
class Credentials:
    """
    What the files say, or said when they last made sense.

    :param bundle: all certificates of the authorities' file.
    :param authorities: those of them that are not revoked.
    :param options: made of identity and authorities.
    :param problems: a line for each file, or line of one, that was passed over.
    :param kept: whether some of it is older than its file.
    """

    identity: ServerIdentity
    bundle: tuple[x509.Certificate, ...]
    authorities: ClientAuthorities | None
    options: CertificateOptions = attrs.field(eq=False, repr=False)
    blacklist: Blacklist
    lists: RevocationLists | None
    strict: bool
    problems: tuple[str, ...] = ()
    kept: bool = False

    @property
    def revocation(self) -> Revocation:
        """What is revoked."""
        return Revocation(self.blacklist, self.lists, self.strict)


def read_credentials(files: CredentialFiles, last: Credentials | None = None) -> Credentials:
    """
    Read all files.

    :param last: what to keep to where a file is not there, half written, or wrong.
    :raises CertificateError: a file can't be used and there is nothing to keep to; names the file
        and says why.
    """
    return _Reading(files, last).read()


@attrs.define
class _Reading:
    """One time that all files are read."""

    _files: CredentialFiles
    _last: Credentials | None
    _problems: list[str] = attrs.field(factory=list)
    _kept: bool = False

    def read(self) -> Credentials:
        identity = self._or_last(self._identity, lambda last: last.identity)
        bundle = self._or_last(self._bundle, lambda last: last.bundle)
        blacklist = self._or_last(self._blacklist, lambda last: last.blacklist)
        lists = self._or_last(lambda: self._lists(bundle), lambda last: last.lists)
        authorities = None
        if self._files.authorities:
            authorities = self._in_force(bundle, Revocation(blacklist, lists, self._files.strict))
        try:
            options = _options(self._files, identity, authorities)
        except CertificateError as error:
            identity = self._keep(error).identity
            options = _options(self._files, identity, authorities)
        return Credentials(
            identity=identity,
            bundle=bundle,
            authorities=authorities,
            options=options,
            blacklist=blacklist,
            lists=lists,
            strict=self._files.strict,
            problems=tuple(self._problems),
            kept=self._kept,
        )

    def _or_last(self, read: Callable[[], T], part: Callable[[Credentials], T]) -> T:
        try:
            return read()
        except CertificateError as error:
            return part(self._keep(error))

    def _keep(self, error: CertificateError) -> Credentials:
        if self._last is None:
            raise error
        self._problems.append(f"{error}: what it said before remains in force")
        self._kept = True
        return self._last

    def _identity(self) -> ServerIdentity:
        return read_identity(self._files.certificate, self._files.key)

    def _bundle(self) -> tuple[x509.Certificate, ...]:
        if not self._files.authorities:
            return ()
        return read_certificates(_AUTHORITIES, self._files.authorities)

    def _in_force(
        self, bundle: tuple[x509.Certificate, ...], revocation: Revocation
    ) -> ClientAuthorities:
        where = f"{_AUTHORITIES}: {self._files.authorities}"
        revoked = revoked_authorities(bundle, revocation)
        for each, why in revoked.items():
            self._problems.append(f"{where}: {describe(each)}: not trusted: {why}")
        for name in ambiguous_names(bundle):
            self._problems.append(
                f"{where}: two authorities of the name {name}: devices whose certificates don't"
                " tell which one issued them are taken for the first one's"
            )
        return ClientAuthorities(tuple(each for each in bundle if each not in revoked))

    def _blacklist(self) -> Blacklist:
        if not self._files.blacklist:
            return Blacklist.parse(b"")
        blacklist = Blacklist.parse(read_file(_BLACKLIST, self._files.blacklist))
        for remark in blacklist.remarks:
            self._problems.append(f"{_BLACKLIST}: {self._files.blacklist}: {remark}")
        return blacklist

    @property
    def _has_lists(self) -> bool:
        last = None if self._last is None else self._last.lists
        return last is not None and bool(last.expires)

    def _lists(self, trusted: Sequence[x509.Certificate]) -> RevocationLists | None:
        if not self._files.revocation_lists:
            return None
        try:
            contents = _contents(self._files.revocation_lists)
        except CertificateError as error:
            if self._has_lists:
                raise
            # To fetch them may be a job of its own: until then, the policy decides.
            self._problems.append(str(error))
            contents = []
        try:
            return RevocationLists.load(contents, trusted)
        except RevocationListError as error:
            raise CertificateError(f"{_LISTS}: {error}") from None


def _options(
    files: CredentialFiles, identity: ServerIdentity, authorities: ClientAuthorities | None
) -> CertificateOptions:
    try:
        return server_options(identity, files.minimum_version, authorities)
    except ValueError as error:
        raise CertificateError(f"HTTPS.ServerCertificate: {files.certificate}: {error}") from None


def _contents(path: str) -> list[tuple[str, bytes]]:
    """The file, or those of the directory; hidden ones may be half written."""
    # Path.is_dir would raise what it can't look into.
    if not os.path.isdir(path):
        return [(path, read_file(_LISTS, path))]
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        raise CertificateError(f"{_LISTS}: {path}: {error.strerror}") from None
    files = [os.path.join(path, name) for name in names if not name.startswith(".")]
    return [(file, read_file(_LISTS, file)) for file in files if not os.path.isdir(file)]
