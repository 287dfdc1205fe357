"""
The commands in the documentation that are marked as runnable.

A comment ``.. run: NAME`` marks the next literal block; each of its lines is a command, unless
the line before ends in a backslash. Continuous integration runs them as they stand there, so that
the documentation can't promise what doesn't work::

    python3 -m tests.runnable README.rst tests

prints the commands of that block; without names, those of every marked block.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

_BLOCK = re.compile(
    r"^\.\. run: (?P<name>\S+)\n\n"
    r"(?:\S.*\n)*?(?:.*::)\n\n"
    r"(?P<commands>(?:[ ]+\S.*\n|\n(?=[ ]))+)",
    re.MULTILINE,
)
_MARK = re.compile(r"^ *\.\. run: ", re.MULTILINE)
_CONTINUATION = re.compile(r"\\\n\s*")


def runnable(text: str) -> dict[str, list[str]]:
    """
    Find the marked commands of a document.

    :returns: the commands of each block, by its name.
    :raises ValueError: a mark has no block, or two have one name.
    """
    blocks = [
        (block["name"], _CONTINUATION.sub("", dedent(block["commands"])).split("\n"))
        for block in _BLOCK.finditer(text)
    ]
    named = {name: [line for line in lines if line] for name, lines in blocks}
    if len(named) != len(_MARK.findall(text)):
        raise ValueError("a '.. run: NAME' comment without a block, or with another's name")
    return named


def main(arguments: Sequence[str]) -> None:
    """Print the commands of one document, one a line."""
    path, *names = arguments
    blocks = runnable(Path(path).read_text("utf-8"))
    for name in names or blocks:
        print("\n".join(blocks[name]))


if __name__ == "__main__":
    main(sys.argv[1:])
