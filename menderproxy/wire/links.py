"""Local links: URLs on the gateway that stand, signed, for an artifact in a store."""

from __future__ import annotations

import base64
import hmac
import math
import re

import attrs

from menderproxy.wire.store_url import StoreURL

PREFIX = b"/artifacts/"
"""What the path of every local link starts with."""

# Signed along with each link, so that a link of another format never passes for one of this.
_VERSION = b"mender-gateway artifact link 1"
_LINK = re.compile(
    re.escape(PREFIX) + rb"(?P<payload>[A-Za-z0-9_-]+)/(?P<name>[A-Za-z0-9._-]+)"
    rb"\?issued=(?P<issued>[0-9]{1,12})&expire=(?P<expire>[0-9]{1,12})"
    rb"&signature=(?P<signature>[A-Za-z0-9_-]+)"
)
_UNSAFE = re.compile(r"^\.|[^A-Za-z0-9._-]")
_LONGEST_NAME = 64
_SHORTEST_SECRET = 16
_LONGEST_LIFETIME = 1e10


class LinkError(ValueError):
    """A request target that is no local link of ours; the text says why, without secrets."""


@attrs.frozen
class ArtifactLink:
    """
    What a local link stands for.

    :param url: where the artifact lies.
    :param name: what to call it in front of people.
    :param issued: when the link was signed, in seconds since the epoch.
    :param expires: from when on it starts no more downloads, likewise.
    """

    url: StoreURL
    name: str
    issued: int
    expires: int

    def expired(self, now: float) -> bool:
        """Whether the link may no longer start a download."""
        return now >= self.expires

    def within_grace(self, now: float, grace: float) -> bool:
        """
        Whether the link may still continue a download that it started.

        Devices use one link for all resumes of a download, and a refused one makes them fail the
        deployment for good, so a link has to outlive the download's start.

        :param grace: seconds after the link's expiry.
        """
        return now < self.expires + grace


@attrs.frozen
class LinkSigner:
    """
    Makes local links and tells its own from forged ones.

    Everything a link needs is in its text: a restarted gateway, or another one with the same
    secret, serves it as well.

    :param gateway_url: what devices reach the gateway by; may have a path.
    :param secret: HMAC-SHA256 key of at least 16 bytes.
    :param lifetime: for how many seconds a link may start downloads.
    :raises ValueError: for a short secret, or a lifetime that is not positive and finite.
    """

    gateway_url: str
    secret: bytes = attrs.field(repr=False)
    lifetime: float = attrs.field()

    @secret.validator
    def _check_secret(self, _: object, secret: bytes) -> None:
        if len(secret) < _SHORTEST_SECRET:
            raise ValueError(f"the signature secret is shorter than {_SHORTEST_SECRET} bytes")

    @lifetime.validator
    def _check_lifetime(self, _: object, lifetime: float) -> None:
        if not 0 < lifetime < _LONGEST_LIFETIME:
            raise ValueError(f"a link cannot live for {lifetime} seconds")

    def sign(self, url: StoreURL, name: str, now: float) -> str:
        """
        Make the local link for an artifact.

        Behind its host a link holds no ``:``, ``@`` or ``%``: some clients on microcontrollers
        take the first colon after the scheme for the port's.

        :param name: the artifact's name, shown in the link as far as it is harmless.
        :param now: seconds since the epoch.
        """
        payload = _base64url(str(url).encode("ascii"))
        shown = display_name(name).encode("ascii")
        issued, expires = b"%d" % now, b"%d" % math.ceil(now + self.lifetime)
        signature = self._signature(payload, shown, issued, expires)
        query = b"issued=%b&expire=%b&signature=%b" % (issued, expires, signature)
        target = b"%b%b/%b?%b" % (PREFIX, payload, shown, query)
        return self.gateway_url.rstrip("/") + target.decode("ascii")

    def verify(self, target: bytes) -> ArtifactLink:
        """
        Read a link that this gateway signed; its expiry is the caller's to judge.

        :param target: raw request target from ``/artifacts/`` on, with the query.
        :raises LinkError: when any byte differs from what was signed.
        """
        shape = _LINK.fullmatch(target)
        if shape is None:
            raise LinkError("malformed link")
        *signed, signature = shape.group("payload", "name", "issued", "expire", "signature")
        # Texts are compared, not decoded bytes: base64 has several spellings of one value.
        if not hmac.compare_digest(self._signature(*signed), signature):
            raise LinkError("wrong signature")
        payload, name, issued, expires = signed
        return ArtifactLink(
            url=_store_url(payload),
            name=name.decode("ascii"),
            issued=int(issued),
            expires=int(expires),
        )

    def _signature(self, *parts: bytes) -> bytes:
        # No part holds a line feed, so no two lists of parts give the same message.
        message = b"\n".join((_VERSION, *parts))
        return _base64url(hmac.digest(self.secret, message, "sha256"))


def display_name(name: str) -> str:
    """Reduce *name* to 1 to 64 letters, digits, ``.``, ``_`` and ``-``, the first one no dot."""
    return _UNSAFE.sub("_", name)[:_LONGEST_NAME] or "artifact"


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _store_url(payload: bytes) -> StoreURL:
    try:
        return StoreURL.parse(
            base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)).decode("ascii")
        )
    except ValueError as error:
        raise LinkError("the link's store URL is unusable") from error
