"""Tests of the inventory script of the device that the gateway runs on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

SCRIPT = Path(__file__).parents[2] / "etc" / "mender-inventory-mender-gateway"
GATEWAY = "mender_is_gateway=true\n"


class InventoryScriptTests(SynchronousTestCase):
    """What the Mender client on the gateway's device reports of it."""

    def output_for(self, text: str) -> str:
        """Run the script on a configuration file."""
        path = Path(self.mktemp())
        path.write_text(text, "utf-8")
        return self.output_of(path)

    def output_of(self, path: Path) -> str:
        """Run the script, which must succeed without complaints."""
        done = subprocess.run(["sh", SCRIPT, path], capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout

    def test_executable(self) -> None:
        """The script can be run as it is, which the client wants."""
        self.assertTrue(SCRIPT.stat().st_mode & 0o111)

    def test_no_file(self) -> None:
        """A gateway that only the environment configures is a gateway too."""
        self.assertEqual(self.output_of(Path(self.mktemp())), GATEWAY)

    def test_no_system(self) -> None:
        """Without a system, or with an empty one, none is reported."""
        self.assertEqual(self.output_for("{}"), GATEWAY)
        self.assertEqual(self.output_for('{"SystemID": ""}'), GATEWAY)
        self.assertEqual(self.output_for('{"Name": "SystemID", "Value": "x"}'), GATEWAY)

    def test_system(self) -> None:
        """The system is found in the old place and in the new one, however the file is laid out."""
        nested = {"Features": {"DeviceSystem": {"SystemID": "line 1", "Enabled": True}}}
        expected = GATEWAY + "mender_gateway_system_id=line 1\n"
        for text in (
            json.dumps(nested),
            json.dumps(nested, indent=4).replace(":", "\n:\r\n\t"),
            '{"systemid":"line 1"}\n',
            '{"SystemID": "line 1", "Features": {"DeviceSystem": {"SystemID": ""}}}',
        ):
            self.assertEqual(self.output_for(text), expected)

    def test_escapes(self) -> None:
        """Quotation marks and backslashes in the system's name are reported as they are meant."""
        name = 'a "b" \\c/d: {"SystemID"} L\u00fcbeck\\'
        text = json.dumps({"SystemID": name, "x": "y"}, ensure_ascii=False)
        self.assertEqual(self.output_for(text), f"{GATEWAY}mender_gateway_system_id={name}\n")
