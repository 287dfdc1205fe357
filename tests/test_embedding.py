"""The gateway is a guest in other applications: it takes nothing that it is not given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.application.service import IService
from twisted.trial.unittest import SynchronousTestCase

import menderproxy
from tests.config.documents import config_with
from tests.network import Network

ROOT = Path(__file__).parents[1]


def installs_reactor(statements: str) -> bool:
    """Tell whether some statements, in a process of their own, choose a reactor."""
    check = "import sys; print('twisted.internet.reactor' in sys.modules)"
    command = [sys.executable, "-c", f"{statements}\n{check}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout == "True\n"


class ReactorTests(SynchronousTestCase):
    """Which reactor runs is the application's choice."""

    def test_import(self) -> None:
        """Importing the package, and making a configuration, installs none."""
        self.assertFalse(
            installs_reactor(
                "import menderproxy\n"
                "menderproxy.parse_config({'HTTP': {'Enabled': True},"
                " 'UpstreamServer': {'URL': 'https://mender.example.com'}})"
            )
        )

    def test_command(self) -> None:
        """Nor does importing what twistd imports to read the command line."""
        self.assertFalse(installs_reactor("import menderproxy.tap, menderproxy.cli"))

    def test_the_question(self) -> None:
        """The question can be answered by yes."""
        self.assertTrue(installs_reactor("import menderproxy.service"))

    def test_any_reactor(self) -> None:
        """A gateway runs on the reactor that it is given."""
        network = Network()
        service = menderproxy.gateway_service(config_with(("HTTP.Listen", ":8080")), network)
        self.assertTrue(IService.providedBy(service))
        service.startService()
        self.assertEqual(set(network.open), {8080})


class InterfaceTests(SynchronousTestCase):
    """What an application may use."""

    def test_names(self) -> None:
        """Every public name is there."""
        for name in menderproxy.__all__:
            self.assertTrue(hasattr(menderproxy, name), name)
        self.assertIn("gateway_service", menderproxy.__all__)
