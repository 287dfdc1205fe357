"""Metrics, their documentation, and what looks at them: all speak of the same names."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from prometheus_client import Metric
from twisted.trial.unittest import SkipTest

from menderproxy.listen.refusal import Reason
from menderproxy.upstream.preauthorization import Decision
from menderproxy.upstream.statistics import Trouble
from menderproxy.wire.routes import Route
from tests.monitoring import MonitoringTestCase
from tests.test_docs import ROOT, doctree

MONITORING = ROOT / "etc" / "monitoring"
ALERTS = MONITORING / "mender-gateway-alerts.yaml"
DASHBOARD = MONITORING / "mender-gateway-dashboard.json"
DOCUMENT = ROOT / "docs" / "metrics.rst"
NAME = re.compile(r"\b(?:mender_gateway|process|python)_\w+")
PREFIX = "mender_gateway_"
NO_LABELS = "\N{EN DASH}"
# A stand-in for what Grafana fills in.
VARIABLES = {"$instance": "gateway", "$__rate_interval": "5m", "$__range": "6h"}


def dashboard() -> dict[str, Any]:
    """Read the dashboard."""
    read: dict[str, Any] = json.loads(DASHBOARD.read_text("utf-8"))
    return read


def queries() -> Iterator[tuple[str, str]]:
    """Give each query of the dashboard, with the title of its panel."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def documented() -> dict[str, tuple[str, ...]]:
    """Give type, labels and meaning of all metrics that the documentation names."""
    rows = {}
    for table in doctree(DOCUMENT).findall(nodes.tbody):
        for row in table.findall(nodes.row):
            name, *told = (entry.astext().replace("\n", " ") for entry in row.findall(nodes.entry))
            rows[name] = tuple(told)
    return rows


def promtool(*arguments: str | Path, text: str = "") -> str:
    """
    Let Prometheus's own tool check something.

    :returns: what it says when all is well.
    :raises AssertionError: it complains.
    """
    program = shutil.which("promtool")
    if program is None:
        raise SkipTest("promtool is not installed")
    done = subprocess.run(
        [program, *arguments], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode or done.stderr:
        raise AssertionError(done.stdout + done.stderr)
    return done.stdout


class ExportedTestCase(MonitoringTestCase):
    """Knows all metrics of a gateway with all features, which has served something."""

    def setUp(self) -> None:
        """Scrape one."""
        super().setUp()
        self.start(*self.all_features())
        self.ask("/nothing").hang_up()
        self.exported = self.scrape()

    def samples(self) -> set[str]:
        """The names that queries can use."""
        return set(self.exported) | {
            sample.name for family in self.exported.values() for sample in family.samples
        }


class DocumentTests(ExportedTestCase):
    """What the documentation says of them."""

    def told(self, family: Metric) -> tuple[str, ...]:
        """What it should say."""
        labels = {label: None for sample in family.samples for label in sample.labels}
        labels.pop("le", None)
        return family.type, ", ".join(sorted(labels)) or NO_LABELS, family.documentation

    def test_complete(self) -> None:
        """It has each of ours and no other, with type, labels and meaning."""
        self.assertEqual(
            {
                name: (kind, ", ".join(sorted(labels.split(", "))), meaning)
                for name, (kind, labels, meaning) in documented().items()
            },
            {
                name: self.told(family)
                for name, family in self.exported.items()
                if name.startswith(PREFIX)
            },
        )

    def test_others(self) -> None:
        """Those of the process that it names are there."""
        literals = {literal.astext() for literal in doctree(DOCUMENT).findall(nodes.literal)}
        named = {text for text in literals if NAME.fullmatch(text)}
        self.assertIn("process_resident_memory_bytes", named)
        self.assertEqual(named - self.samples(), set())

    def test_values(self) -> None:
        """It has each value of the labels that have only so many."""
        literals = {literal.astext() for literal in doctree(DOCUMENT).findall(nodes.literal)}
        for values in (Route, Reason, Decision, Trouble):
            self.assertEqual({each.value for each in values} - literals, set())


class NameTests(ExportedTestCase):
    """What is looked at has to be there."""

    def test_alerts(self) -> None:
        """Each metric that an alert looks at is exported."""
        named = set(NAME.findall(ALERTS.read_text("utf-8")))
        self.assertNotEqual(named, set())
        self.assertEqual(named - self.samples(), set())

    def test_dashboard(self) -> None:
        """Each metric that the dashboard shows is exported."""
        named = {name for _, query in queries() for name in NAME.findall(query)}
        self.assertEqual(named - self.samples(), set())

    def test_shown(self) -> None:
        """Each of ours is in the dashboard or in an alert, or says what the others are about."""
        looked_at = ALERTS.read_text("utf-8") + DASHBOARD.read_text("utf-8")
        ours = {name for name in self.exported if name.startswith(PREFIX)}
        unseen = {name for name in ours if name not in looked_at}
        context = ("draining", "reload_success_timestamp_seconds")
        self.assertEqual(unseen, {PREFIX + name for name in context})


class DashboardTests(MonitoringTestCase):
    """The dashboard as Grafana reads it."""

    def test_panels(self) -> None:
        """Each panel has an identity of its own, a title, and a word on what it shows."""
        panels = dashboard()["panels"]
        identities = [panel["id"] for panel in panels]
        self.assertEqual(sorted(set(identities)), sorted(identities))
        for panel in panels:
            self.assertTrue(panel["title"])
            if panel["type"] != "row":
                self.assertTrue(panel["description"].endswith("."), panel["title"])
                self.assertTrue(panel["targets"], panel["title"])

    def test_places(self) -> None:
        """No two panels are in one place, and none is beyond the edge."""
        taken: set[tuple[int, int]] = set()
        for panel in dashboard()["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            cells = {
                (at["x"] + across, at["y"] + down)
                for across in range(at["w"])
                for down in range(at["h"])
            }
            self.assertEqual(cells & taken, set(), panel["title"])
            taken |= cells

    def test_variables(self) -> None:
        """Each query is about the gateways that were chosen."""
        names = {variable["name"] for variable in dashboard()["templating"]["list"]}
        self.assertEqual(names, {"datasource", "instance"})
        for title, query in queries():
            self.assertEqual(len(NAME.findall(query)), query.count('instance=~"$instance"'), title)


class PromtoolTests(ExportedTestCase):
    """What Prometheus itself makes of all this."""

    def test_metrics(self) -> None:
        """It has nothing to say against names, types and help of a real scrape."""
        self.assertEqual(promtool("check", "metrics", text=self.text()), "")

    def test_rules(self) -> None:
        """It can read the alerts."""
        self.assertIn("SUCCESS", promtool("check", "rules", ALERTS))

    def test_alerts(self) -> None:
        """They fire when they should, and not when all is well."""
        self.assertIn("SUCCESS", promtool("test", "rules", ROOT / "tests" / "alerts_test.yaml"))

    def test_queries(self) -> None:
        """It understands each query of the dashboard."""
        rules = []
        for number, (_, query) in enumerate(queries()):
            for variable, value in VARIABLES.items():
                query = query.replace(variable, value)
            rules.append({"record": f"query:{number}", "expr": query})
        path = Path(self.mktemp())
        # JSON is YAML.
        path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
        self.assertIn(f"SUCCESS: {len(rules)} rules found", promtool("check", "rules", path))
