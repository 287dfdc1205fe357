"""
What came of an audit: ``python3 .ci/audit_results.py NAME FILE``, FILE being pip-audit's JSON.

A vulnerability is an error, and so is a distribution that was not looked at while others were. When
none was, the service that knows of vulnerabilities can't be reached from here, which is said, and
is no error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

NOT_CHECKED = "not checked for vulnerabilities: nobody to be asked can be reached"


def complaints(report: str) -> list[str]:
    """
    Give one line for each thing that is wrong.

    :param report: what pip-audit printed; nothing when it could ask nobody.
    :raises LookupError: nothing was checked.
    """
    found = json.loads(report)["dependencies"] if report.strip() else []
    if all("skip_reason" in each for each in found):
        raise LookupError(NOT_CHECKED)
    lines = []
    for each in found:
        if "skip_reason" in each:
            lines.append(f"{each['name']}: not checked: {each['skip_reason']}")
            continue
        for one in each["vulns"]:
            fixed = ", ".join(one["fix_versions"]) or "no version"
            lines.append(f"{each['name']} {each['version']}: {one['id']}, fixed in {fixed}")
    return lines


if __name__ == "__main__":
    name, path = sys.argv[1:]
    try:
        wrong = complaints(Path(path).read_text("utf-8"))
    except LookupError as error:
        print(f"{name}: SKIPPED: {error}")
    else:
        print(f"{name}: {len(wrong)} complaints", *wrong, sep="\n  ")
        sys.exit(bool(wrong))
