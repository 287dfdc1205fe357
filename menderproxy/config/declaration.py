"""How a field of the configuration declares what sets it and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from menderproxy.config.kinds import Kind

REQUIRED = attrs.NOTHING
"""The default of a setting that has none."""

_DECLARED = "declared"
_FIRST_OFFICIAL, _FIRST_OURS = "1.0", "0.1"


@attrs.frozen(kw_only=True)
class Setting:
    """
    How a field is set.

    :param key: in its section of the file; empty when only the environment can set it.
    :param default: as the file would write it; ``None`` for no value at all.
    :param environment: names of its variable, the usual one first.
    :param root_key: where early versions had it in the file, at the root.
    :param implied_by: root keys that switch it on when nothing else says how it is: early versions
        had no switch for what these set.
    :param secret: whether its value must never be shown.
    :param extension: whether the official gateway knows nothing of it.
    :param items: class of the objects in a list of objects.
    :param since: version that brought it, of this gateway for an extension, else of the official
        one; by default the first.
    """

    key: str
    kind: Kind
    default: object
    environment: tuple[str, ...] = ()
    root_key: str = ""
    implied_by: tuple[str, ...] = ()
    secret: bool = False
    extension: bool = False
    items: type[attrs.AttrsInstance] | None = None
    since: str = attrs.field()

    @since.default
    def _first(self) -> str:
        return _FIRST_OURS if self.extension else _FIRST_OFFICIAL


@attrs.frozen
class Section:
    """
    How a nested section is set.

    :param key: in the enclosing section; empty when nothing of it is in the file.
    :param cls: class of its value.
    :param switch: key that a bare ``true`` or ``false`` in the section's place sets.
    """

    key: str
    cls: type[attrs.AttrsInstance]
    switch: str = ""


def setting(key: str, kind: Kind, default: object, *environment: str, **more: Any) -> Any:
    """Declare a field that one value sets; *more* goes to :class:`Setting`."""
    declared = Setting(key=key, kind=kind, default=default, environment=environment, **more)
    unread = default in (None, REQUIRED, "")
    return attrs.field(
        default=default if unread else kind.from_json(default),
        repr=not declared.secret,
        metadata={_DECLARED: declared},
    )


def section(key: str, cls: type[attrs.AttrsInstance], switch: str = "") -> Any:
    """Declare a field that holds a section."""
    return attrs.field(factory=cls, metadata={_DECLARED: Section(key, cls, switch)})


def declarations(cls: type[attrs.AttrsInstance]) -> Iterator[tuple[str, Setting | Section]]:
    """Give the name and the declaration of each field that can be set."""
    for field in attrs.fields(cls):
        if _DECLARED in field.metadata:
            yield field.name, field.metadata[_DECLARED]


def catalogue(cls: type[attrs.AttrsInstance], path: str = "") -> Iterator[tuple[str, Setting]]:
    """Give every setting of *cls* and of the sections in it, each with its path in the file."""
    for _, declared in declarations(cls):
        below = join(path, declared.key)
        if isinstance(declared, Section):
            yield from catalogue(declared.cls, below)
        else:
            yield below, declared


def join(path: str, key: str) -> str:
    """Write the path of *key* in the section at *path*."""
    return f"{path}.{key}" if path and key else path or key
