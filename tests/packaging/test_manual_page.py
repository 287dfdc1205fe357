"""Tests that the manual page knows the gateway's flags."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.tap import Options
from tests.packaging.files import ETC

FLAG = re.compile(r"--[a-z][a-z-]*")


class ManualPageTests(SynchronousTestCase):
    """``mender-gateway.8``."""

    def test_flags(self) -> None:
        """It has each flag that there is, and no other."""
        text = (ETC / "mender-gateway.8").read_text("utf-8").replace("\\-", "-")
        known = {f"--{option}".rstrip("=") for option in Options().longOpt}  # type: ignore[no-untyped-call]
        self.assertEqual(set(FLAG.findall(text)), known)
