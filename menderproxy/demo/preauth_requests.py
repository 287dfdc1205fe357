"""Which device is to be let in as soon as it comes, and with which key."""

from __future__ import annotations

import json

import attrs

from menderproxy.demo.auth_requests import canonical_identity, canonical_pem, load_public_key


@attrs.frozen
class PreauthRequest:
    """
    The order to let a device in that shows a certain key.

    :param identity: canonical JSON text.
    :param pubkey: the key in its canonical PEM form.
    :param force: whether that holds for a device that is known already, too.
    """

    identity: str
    pubkey: str
    force: bool

    @classmethod
    def parse(cls, body: bytes) -> PreauthRequest:
        """
        Read a request's body.

        :raises ValueError: when something is missing or malformed; says what.
        """
        try:
            fields = json.loads(body)
            identity, pem = fields["identity_data"], fields["pubkey"].encode()
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError("invalid JSON, or identity_data or pubkey missing") from None
        if not isinstance(identity, dict) or not identity:
            raise ValueError("identity_data must be a JSON object that is not empty")
        force = fields.get("force") or False
        if not isinstance(force, bool):
            raise ValueError("force must be true or false")
        return cls(canonical_identity(identity), canonical_pem(load_public_key(pem)), force)
