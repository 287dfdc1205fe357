"""Tests of demo.screen and demo.outcome."""

from __future__ import annotations

import io
from typing import cast

import attrs
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.demo.devices import SimulatedDevice
from menderproxy.demo.download import Download
from menderproxy.demo.outcome import DeviceOutcome, SceneOutcome
from menderproxy.demo.screen import Screen, bar, closing_table, device_line

_MIB = 1 << 20


@attrs.define
class FakeDownload:
    """How far a download is."""

    total: int | None = 4 * _MIB
    received: int = _MIB
    first_byte: float | None = 0.25
    seconds: float | None = None
    retries: int = 0


@attrs.define
class FakeDevice:
    """A device with a name and a download."""

    mac: str
    download: FakeDownload | None


def line(download: FakeDownload | None) -> str:
    """Describe a download."""
    return device_line("dev", cast(Download | None, download))


class LineTests(SynchronousTestCase):
    """Single lines."""

    def test_bar(self) -> None:
        """A bar is as full as it should be, and never longer than full."""
        self.assertEqual(bar(0.5), "[##########          ]  50%")
        self.assertEqual(bar(3), "[####################] 300%")

    def test_device(self) -> None:
        """A device's line tells how far it is, and what is known of the rest."""
        self.assertNotIn("first byte", line(None))
        self.assertNotIn("first byte", line(FakeDownload(None, 0, None)))
        self.assertTrue(line(FakeDownload()).endswith("25%    1.0 MiB   first byte 0.250 s"))
        done = FakeDownload(received=4 * _MIB, seconds=2, retries=3)
        self.assertTrue(line(done).endswith("0.250 s, all 2.0 s, 3 retries"))


class ScreenTests(SynchronousTestCase):
    """Drawing, on a terminal and elsewhere."""

    def setUp(self) -> None:
        """Begin a scene with one device."""
        self.stream = io.StringIO()
        self.device = FakeDevice("dev", None)

    def show(self, columns: int | None) -> str:
        """Draw a scene twice and end it."""
        screen = Screen(self.stream, columns=columns)
        devices = [cast(SimulatedDevice, self.device)]
        screen.begin("title", devices, 4 * _MIB, lambda: 2 * _MIB)
        screen.draw()
        self.device.download = FakeDownload()
        screen.draw()
        screen.end()
        return self.stream.getvalue()

    def test_plain(self) -> None:
        """Where lines stay for ever, only the last state is written, without escapes."""
        text = self.show(None)
        self.assertEqual(text.count("dev"), 1)
        self.assertNotIn("\x1b", text)
        self.assertTrue(text.startswith("title (4.0 MiB)\n  WAN"))

    def test_terminal(self) -> None:
        """On a terminal each drawing takes the place of the one before."""
        text = self.show(200)
        self.assertEqual(text.count("\x1b[2F\x1b[J"), 2)
        self.assertEqual(text.split("\x1b[J")[-1].count("\n"), 2)

    def test_narrow(self) -> None:
        """On a narrow terminal no drawn line wraps."""
        drawn = self.show(30).rpartition("\x1b[2F")[0].replace("\x1b[2F\x1b[J", "")
        self.assertLessEqual(max(map(len, drawn.split("\n"))), 29)


class OutcomeTests(SynchronousTestCase):
    """What is said in the end."""

    def outcome(self, wan: int = 4 * _MIB, *, intact: bool = True) -> SceneOutcome:
        """Make a scene with two devices."""
        devices = (
            DeviceOutcome("a", 4 * _MIB, 0.5, 1.0, intact=True),
            DeviceOutcome("b", 4 * _MIB, None, None, intact=intact),
        )
        return SceneOutcome("two", 4 * _MIB, wan, devices, None)

    def test_promise(self) -> None:
        """The promise is kept by right bytes for all, and each byte once over the WAN."""
        self.assertTrue(self.outcome().kept_promise)
        self.assertFalse(self.outcome(intact=False).kept_promise)
        for wan in (4 * _MIB + 1, 4 * _MIB - 1):
            self.assertFalse(self.outcome(wan).kept_promise)

    def test_table(self) -> None:
        """The table sums up bytes, savings, checksums and waiting times."""
        head, first, second, total, ratio = closing_table(
            [self.outcome(), self.outcome(8 * _MIB, intact=False)]
        )
        self.assertEqual(
            head.split(), ["WAN", "devices", "saved", "checksums", "first", "byte", "(s)"]
        )
        self.assertEqual(
            first.split(), ["two", "4.0", "MiB", "8.0", "MiB", "50%", "equal", "0.500", "-"]
        )
        self.assertIn(" 0%  DIFFERENT", second)
        self.assertEqual(total.split()[-5:], ["12.0", "MiB", "16.0", "MiB", "25%"])
        self.assertEqual(ratio, "upstream bytes / artifact bytes = 1.5000")

    def test_no_secret(self) -> None:
        """The signed link shows in no representation."""
        outcome = attrs.evolve(self.outcome(), link="https://gw/artifacts/x?signature=secret")
        self.assertNotIn("secret", repr(outcome))
