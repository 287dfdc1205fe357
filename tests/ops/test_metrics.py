"""Numbers in the form that Prometheus reads."""

from __future__ import annotations

import math

from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.ops.instruments import (
    HistogramInstrument,
    Instrument,
    counter,
    counters,
    gauge,
    gauges,
)
from menderproxy.ops.metrics import CONTENT_TYPE, Exposition


class ExpositionTests(SynchronousTestCase):
    """What is shown of which instrument."""

    def lines(self, instrument: Instrument | HistogramInstrument) -> list[str]:
        """Show one, and give its lines."""
        text = Exposition([instrument]).text().decode()
        return [line for line in text.splitlines() if "mender_gateway_" in line]

    def test_counter(self) -> None:
        """A counter has its type, its help, and the value of the moment."""
        count = 0
        instrument = counter("cries_total", "Cries for help.", lambda: count)
        self.assertEqual(
            self.lines(instrument),
            [
                "# HELP mender_gateway_cries_total Cries for help.",
                "# TYPE mender_gateway_cries_total counter",
                "mender_gateway_cries_total 0.0",
            ],
        )
        count = 3
        self.assertEqual(self.lines(instrument)[-1], "mender_gateway_cries_total 3.0")

    def test_gauge(self) -> None:
        """A gauge that has no value now has no sample, but is announced."""
        value: float | None = 1.5
        instrument = gauge("depth", "How deep it is.", lambda: value)
        announced = [
            "# HELP mender_gateway_depth How deep it is.",
            "# TYPE mender_gateway_depth gauge",
        ]
        self.assertEqual(self.lines(instrument), [*announced, "mender_gateway_depth 1.5"])
        value = None
        self.assertEqual(self.lines(instrument), announced)

    def test_labels(self) -> None:
        """Each combination of labels has its own sample, whatever is in them."""
        values: dict[tuple[str, ...], float] = {("a", 'b"\n\\'): 1, ("c", ""): 2}
        for make in (counters, gauges):
            instrument = make("things_total", "Things.", ("one", "two"), lambda: values)
            self.assertEqual(
                self.lines(instrument)[2:],
                [
                    r'mender_gateway_things_total{one="a",two="b\"\n\\"} 1.0',
                    'mender_gateway_things_total{one="c",two=""} 2.0',
                ],
            )

    def test_histogram(self) -> None:
        """A histogram shows each step, the sum and the number of all."""
        steps = [(0.5, 1), (2.0, 3), (math.inf, 4)]
        instrument = HistogramInstrument("wait_seconds", "Waits.", lambda: (steps, 7.5))
        self.assertEqual(
            self.lines(instrument)[1:],
            [
                "# TYPE mender_gateway_wait_seconds histogram",
                'mender_gateway_wait_seconds_bucket{le="0.5"} 1.0',
                'mender_gateway_wait_seconds_bucket{le="2.0"} 3.0',
                'mender_gateway_wait_seconds_bucket{le="+Inf"} 4.0',
                "mender_gateway_wait_seconds_count 4.0",
                "mender_gateway_wait_seconds_sum 7.5",
            ],
        )

    def test_process(self) -> None:
        """The process is shown as well, under the names that it has in every language."""
        families = {
            family.name: family
            for family in text_string_to_metric_families(Exposition([]).text().decode())
        }
        for name in ("process_resident_memory_bytes", "process_start_time_seconds"):
            (sample,) = families[name].samples
            self.assertGreater(sample.value, 0, name)

    def test_registry(self) -> None:
        """Gateways in one process don't share their numbers, nor with what else is there."""
        one, other = (
            Exposition([counter("cries_total", "Cries.", lambda count=count: count)])  # type: ignore[misc]
            for count in (1, 2)
        )
        self.assertIn(b"cries_total 1.0", one.text())
        self.assertIn(b"cries_total 2.0", other.text())
        self.assertIsNone(REGISTRY.get_sample_value("mender_gateway_cries_total"))

    def test_content_type(self) -> None:
        """The format is told with its version: without it Prometheus may refuse to read it."""
        self.assertEqual(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")
