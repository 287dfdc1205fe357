"""What a person sees of the demo: progress bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TextIO

from menderproxy.demo.devices import SimulatedDevice
from menderproxy.demo.download import Download
from menderproxy.demo.outcome import DeviceOutcome, SceneOutcome

_BAR_WIDTH = 20
_UP_AND_CLEAR = "\x1b[{}F\x1b[J"
_MEBIBYTE = 1 << 20


class Screen:
    """
    Draws one scene after the other.

    :param stream: where to; flushed after each drawing.
    :param columns: of the terminal on which lines can be drawn anew; ``None`` if it is none.
    """

    def __init__(self, stream: TextIO, *, columns: int | None = None):
        self._stream = stream
        self._columns = columns
        self._drawn = 0
        self._devices: Sequence[SimulatedDevice] = ()
        self._size = 0
        self._wan: Callable[[], int] = int

    def say(self, text: str = "") -> None:
        """Write a line that stays."""
        self._erase()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def begin(
        self, title: str, devices: Sequence[SimulatedDevice], size: int, wan: Callable[[], int]
    ) -> None:
        """
        Begin a scene.

        :param size: of its artifact in bytes.
        :param wan: tells how many bytes have crossed the WAN for it so far.
        """
        self.say(f"{title} ({mebibytes(size)})")
        self._devices, self._size, self._wan = devices, size, wan

    def draw(self) -> None:
        """Show how far everybody is, if that can be shown without end."""
        if self._columns is not None:
            lines = self._lines()
            self._erase()
            # A line that wraps would take more room than is erased the next time.
            self._stream.write("".join(f"{line[: self._columns - 1]}\n" for line in lines))
            self._stream.flush()
            self._drawn = len(lines)

    def end(self) -> None:
        """Show how far everybody came, and leave it there."""
        lines = self._lines()
        self._erase()
        for line in lines:
            self.say(line)

    def _lines(self) -> list[str]:
        wan = self._wan()
        return [
            f"  WAN               {bar(wan / self._size)} {mebibytes(wan):>10}",
            *(device_line(device.mac, device.download) for device in self._devices),
        ]

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(_UP_AND_CLEAR.format(self._drawn))
            self._drawn = 0


def mebibytes(size: int) -> str:
    """Write a number of bytes for people."""
    return f"{size / _MEBIBYTE:.1f} MiB"


def bar(fraction: float) -> str:
    """Draw a progress bar; more than all of it shows as such in the percentage."""
    filled = min(_BAR_WIDTH, int(fraction * _BAR_WIDTH))
    return f"[{'#' * filled:<{_BAR_WIDTH}}] {fraction:4.0%}"


def device_line(name: str, download: Download | None) -> str:
    """Describe one device's download, which may not have begun."""
    if download is None or not download.total:
        return f"  {name} {bar(0)}"
    line = f"  {name} {bar(download.received / download.total)} {mebibytes(download.received):>10}"
    if download.first_byte is not None:
        line += f"   first byte {download.first_byte:.3f} s"
    if download.seconds is not None:
        line += f", all {download.seconds:.1f} s"
    if download.retries:
        line += f", {download.retries} retries"
    return line


def closing_table(outcomes: Sequence[SceneOutcome]) -> list[str]:
    """Sum up all scenes: bytes, what was saved, waiting times, checksums."""
    lines = [f"{'':<20}{'WAN':>12}{'devices':>12}{'saved':>7}  checksums  first byte (s)"]
    lines += [_table_line(outcome) for outcome in outcomes]
    wan = sum(outcome.wan_bytes for outcome in outcomes)
    artifacts = sum(outcome.artifact_bytes for outcome in outcomes)
    received = sum(outcome.device_bytes for outcome in outcomes)
    lines.append(_amounts("all together", wan, received))
    lines.append(f"upstream bytes / artifact bytes = {wan / artifacts:.4f}")
    return lines


def _table_line(outcome: SceneOutcome) -> str:
    amounts = _amounts(outcome.title, outcome.wan_bytes, outcome.device_bytes)
    intact = "equal" if all(device.intact for device in outcome.devices) else "DIFFERENT"
    return f"{amounts}  {intact:<9}  {' '.join(map(_first_byte, outcome.devices))}"


def _amounts(title: str, wan: int, received: int) -> str:
    saved = 1 - wan / received if received else 0.0
    return f"{title:<20}{mebibytes(wan):>12}{mebibytes(received):>12}{saved:>7.0%}"


def _first_byte(device: DeviceOutcome) -> str:
    return "-" if device.first_byte is None else f"{device.first_byte:.3f}"
