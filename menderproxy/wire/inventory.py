"""The inventory that a device reports: a JSON list of attributes, and what is added to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import attrs

SYSTEM_ID = "mender_gateway_system_id"
"""Name of the attribute that says which system a device is part of."""

IS_GATEWAY = "mender_is_gateway"
"""Name of the attribute by which the server knows gateways: never to be added to a device's."""

MOST_ATTRIBUTES = 100
"""How many attributes a device may have: of one more the Mender Server takes none."""

MOST_BYTES = 1024 * 1024
"""How long a request to the Mender Server's inventory may be."""

Attributes = Mapping[str, str | float | Sequence[str | float]]
"""Values by name, in the order in which they are added."""

_WHITE_SPACE = b" \t\r\n"


@attrs.frozen
class CompletedInventory:
    """
    An inventory with all that there was room for.

    :param body: the device's own bytes, in one piece or with the additions in between.
    :param left_out: names of the attributes that would have made it more than the server takes.
    """

    body: bytes = attrs.field(repr=False)
    left_out: tuple[str, ...] = ()


def add_attributes(body: bytes, attributes: Attributes) -> CompletedInventory:
    """
    Add to an inventory what its device does not report by itself.

    The device's own attributes win, ``mender_gateway_system_id`` among them, and every byte of
    theirs stays as it was. Of an attribute given twice the server keeps the last one, so that
    adding what is there already would override it.

    :param attributes: when there is too little room, the first ones are added.
    :raises ValueError: *body* is no list of attributes.
    """
    names = _names(body)
    reported = frozenset(names)
    missing = [name for name in attributes if name not in reported]
    room = max(0, MOST_ATTRIBUTES - len(names))
    added = [{"name": name, "value": attributes[name]} for name in missing[:room]]
    completed = _append(body, added, separator=b"," if names else b"")
    if len(completed) > MOST_BYTES:
        return CompletedInventory(body, tuple(missing))
    return CompletedInventory(completed, tuple(missing[room:]))


def attribute_names(body: bytes) -> frozenset[str]:
    """
    Tell what a device reports.

    :raises ValueError: *body* is no list of attributes.
    """
    return frozenset(_names(body))


def _append(body: bytes, added: Sequence[object], separator: bytes) -> bytes:
    if not added:
        return body
    # The last bracket of a valid list is the one that closes it.
    end = len(body[: body.rindex(b"]")].rstrip(_WHITE_SPACE))
    items = json.dumps(added, separators=(",", ":"))[1:-1].encode("ascii")
    return body[:end] + separator + items + body[end:]


def _names(body: bytes) -> list[str]:
    """Give the names of all attributes, those given twice included."""
    try:
        attributes = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_members,
            parse_int=float,  # int() refuses very long ones
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(attributes, list):
        raise ValueError("not a list")
    return [_name(attribute) for attribute in attributes]


def _members(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Read an object as the server does: capitals don't matter, and a null sets nothing."""
    return {key.lower(): value for key, value in pairs if value is not None}


def _name(attribute: object) -> str:
    name = attribute.get("name") if isinstance(attribute, dict) else None
    if not isinstance(name, str):
        raise ValueError("an attribute without a name")
    name.encode("utf-8")  # Half of a surrogate pair: the server would read another name.
    return name


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
