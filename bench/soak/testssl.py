"""
``python -m bench.soak.testssl``: testssl.sh judges the HTTPS listener, with mutual TLS and without.

Takes two minutes each. Exits with 1 if it finds anything worse than LOW beyond what is expected of
a certificate from a private authority, made for the occasion.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from bench.soak.idle import site

PROGRAMS = ("testssl", "testssl.sh")
"""What it is called by Debian, and by itself."""

EXPECTED = {
    "cert_chain_of_trust": "the authority is private: devices are told to trust it",
    "cert_revocation": "so it has neither lists nor responders in public",
    "cert_expirationStatus": "the certificate was made for this run, for a month",
    "cert_notAfter": "the certificate was made for this run, for a month",
    "security_headers": "they tell browsers what to do, and nothing here is a page",
}
"""Findings above LOW that say nothing about the gateway, by their id, each with its reason."""

_WRONG = frozenset({"MEDIUM", "HIGH", "CRITICAL", "FATAL"})
_FEWEST = 100
"""Findings, of any kind; with fewer it has not got far."""


@attrs.frozen
class Finding:
    """
    One of testssl.sh's.

    :param severity: as it says: OK, INFO, LOW, MEDIUM, HIGH, CRITICAL; FATAL when it gave up, WARN
        and DEBUG when it could not test something.
    """

    id: str
    severity: str
    text: str

    @property
    def counts(self) -> bool:
        """Whether it is worse than LOW, and about the gateway."""
        return self.severity in _WRONG and self.id not in EXPECTED


def read_findings(path: Path) -> Iterator[Finding]:
    """Read what ``--jsonfile`` has written."""
    for entry in json.loads(path.read_text("utf-8")):
        yield Finding(entry["id"], entry["severity"], entry["finding"])


def judged(program: str, *, mutual: bool) -> list[Finding]:
    """
    Have a gateway judged.

    :param mutual: whether devices have to show a certificate.
    """
    with (
        tempfile.TemporaryDirectory(prefix="testssl-") as name,
        site(Path(name), 1000, mutual=mutual) as running,
    ):
        findings = Path(name, "findings.json")
        target = f"https://{running.target.host}:{running.target.port}/"
        command = [program, "--quiet", "--warnings", "batch", "--jsonfile", str(findings), target]
        environment = {"PATH": os.environ["PATH"], "HOME": name, "TERM": "dumb"}
        # It exits with the number of its complaints.
        nowhere = subprocess.DEVNULL
        subprocess.run(command, env=environment, stdout=nowhere, stderr=nowhere, cwd=name)
        return list(read_findings(findings))


def main(arguments: Sequence[str] | None = None) -> int:
    """Have both judged; the exit status is 1 if something is wrong, 2 without testssl.sh."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak.testssl", description=__doc__)
    parser.parse_args(arguments)
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        print("bench.soak.testssl: testssl.sh is not installed", file=sys.stderr)
        return 2
    wrong = 0
    for mutual in (False, True):
        print("with mutual TLS" if mutual else "without mutual TLS")
        findings = judged(program, mutual=mutual)
        for finding in findings:
            if finding.severity not in ("OK", "INFO"):
                reason = EXPECTED.get(finding.id, "")
                excuse = f" (expected: {reason})" if reason else ""
                print(f"  {finding.severity} {finding.id}: {finding.text}{excuse}")
        wrong += sum(finding.counts for finding in findings) + (len(findings) < _FEWEST)
        print(f"  {len(findings)} findings")
    print("all is not well" if wrong else "all is well")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
