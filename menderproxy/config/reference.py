"""
The reference of all settings as reStructuredText, made of what declares them.

``python3 -m menderproxy.config.reference`` writes the page that is in ``docs``.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from textwrap import wrap

import attrs

from menderproxy.config.declaration import REQUIRED, Section, Setting, declarations, join
from menderproxy.config.model import GatewayConfig

_WIDTH = 100
_NOTHING = "\N{EN DASH}"
_TOP = """\
.. Written by python3 -m menderproxy.config.reference; change menderproxy/config instead.

All settings
============

`Configuration <configuration.rst>`_ says how the values are written. *Since* is the version of the
official gateway whose documentation first has a key, or for an *extension*, which that one does not
know, the version of this gateway. The official variables came with 2.0; those of proxies with 2.1,
those of metrics with 2.2.
"""
_HEAD = """
.. list-table::
   :header-rows: 1
   :widths: 30 16 12 10 32

   * - Key, variable
     - Value
     - Default
     - Since
     - Meaning
"""


def reference() -> str:
    """
    Write the page.

    :raises KeyError: a setting has no meaning in the docstring of its class.
    """
    sections = sorted(_sections(GatewayConfig), key=lambda each: not each[0])
    return _TOP + "".join(part(cls, path) for path, cls in sections)


def _sections(
    cls: type[attrs.AttrsInstance], path: str = ""
) -> Iterator[tuple[str, type[attrs.AttrsInstance]]]:
    """Give each class that has settings of its own, with its path in the file."""
    fields = [declared for _, declared in declarations(cls)]
    if any(isinstance(each, Setting) for each in fields):
        yield path, cls
    for each in fields:
        if isinstance(each, Section):
            yield from _sections(each.cls, join(path, each.key))


def part(cls: type[attrs.AttrsInstance], path: str) -> str:
    """
    Write what there is to say of one section.

    :param path: of the section in the file.
    :raises KeyError: one of its settings has no meaning in its docstring.
    """
    summary, meanings = _documentation(cls)
    settings = [(name, each) for name, each in declarations(cls) if isinstance(each, Setting)]
    in_file = any(each.key for _, each in settings)
    title = path or ("At the top of the file" if in_file else "In the environment only")
    rows = "".join(_row(join(path, each.key), each, meanings[name]) for name, each in settings)
    return f"\n{title}\n{'-' * len(title)}\n\n{_filled(summary, '')}{_HEAD}{rows}"


def _documentation(cls: type[attrs.AttrsInstance]) -> tuple[str, dict[str, str]]:
    """Read a docstring: its first sentence, without the path, and what it says of each field."""
    first, *fields = re.split(r"^:ivar ", inspect.getdoc(cls) or "", flags=re.MULTILINE)
    summary = re.sub(r"^``[\w.]+``: ", "", first.strip())
    return _sentence(summary), dict(" ".join(field.split()).split(": ", 1) for field in fields)


def _row(path: str, declared: Setting, meaning: str) -> str:
    key, *names = [name for name in (path, *declared.environment) if name]
    unset = declared.default in (None, REQUIRED, "", [])
    if declared.root_key:
        meaning += f" Early versions had it at the top of the file, as ``{declared.root_key}``."
    cells = (
        declared.kind.expects,
        _NOTHING if unset else f"``{json.dumps(declared.default)}``",
        f"*extension,* {declared.since}" if declared.extension else declared.since,
        _sentence(meaning),
    )
    lines = [f"   * - | ``{key}``\n", *(f"       | ``{name}``\n" for name in names)]
    return "".join([*lines, *(_filled(cell, "     ", "     - ") for cell in cells)])


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _filled(text: str, indent: str, first: str = "") -> str:
    lines = wrap(
        text,
        _WIDTH,
        initial_indent=first or indent,
        subsequent_indent=indent and f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    print(reference(), end="")
