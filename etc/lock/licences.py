"""
The page of licences: ``python3 etc/lock/licences.py SBOM > docs/licences.rst``.

SBOM is a bill of materials of exactly what ``gateway.txt`` lists.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# What licences are called where no SPDX expression is given.
CLASSIFIERS = {"License :: OSI Approved :: Apache Software License": "Apache-2.0"}

HEAD = """\
Licences
========

.. Written by ``bash etc/lock/update``.

What the Debian package and the container image bring along, and the licence (as SPDX expression)
that each of them says it is under. The gateway itself is under Apache-2.0. The texts are installed
along, in the folders ``*.dist-info``; `Supply chain <supply-chain.rst>`_ tells where.

.. list-table::
   :header-rows: 1
   :widths: 40 20 40

   * - Distribution
     - Version
     - Licence
"""


def licence(component: Mapping[str, Any]) -> str:
    """
    Give the SPDX expression of a component's licence.

    :raises ValueError: it names none, or by a name that is not known here.
    """
    names = [_spdx(choice) for choice in component.get("licenses", [])]
    if not names or None in names:
        raise ValueError(f"{component['name']}: unknown licence: {component.get('licenses')}")
    return " AND ".join(sorted({str(name) for name in names}))


def _spdx(choice: Mapping[str, Any]) -> str | None:
    if "expression" in choice:
        return str(choice["expression"])
    named: Mapping[str, str] = choice["license"]
    return named.get("id") or CLASSIFIERS.get(named.get("name", ""))


def rows(sbom: Mapping[str, Any]) -> Iterator[str]:
    """Give the rows of the table."""
    for component in sorted(sbom["components"], key=lambda each: str(each["name"]).lower()):
        yield f"   * - {component['name']}"
        yield f"     - {component['version']}"
        yield f"     - {licence(component)}"


if __name__ == "__main__":
    document = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    print(HEAD.rstrip(), *rows(document), sep="\n")
