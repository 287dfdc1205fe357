"""Reading what lies in ``etc``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
ETC = ROOT / "etc"


@attrs.frozen
class Unit:
    """A unit of systemd, as the names and values of its sections, in their order."""

    sections: dict[str, list[tuple[str, str]]]

    def values(self, section: str, name: str) -> Sequence[str]:
        """Give what *name* is set to, each time that it is."""
        return [value for key, value in self.sections[section] if key == name]

    def value(self, section: str, name: str) -> str:
        """Give what *name* is set to, the only time that it is."""
        [value] = self.values(section, name)
        return value


def unit(name: str) -> Unit:
    """Read a unit of systemd."""
    sections: dict[str, list[tuple[str, str]]] = {}
    settings: list[tuple[str, str]] = []
    for line in (ETC / name).read_text("utf-8").splitlines():
        if line.startswith("["):
            settings = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            settings.append((key, value))
    return Unit(sections)
