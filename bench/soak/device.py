"""A device that updates for ever, and notes whatever it should not see."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import attrs
from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.task import deferLater
from twisted.web import http

from bench.soak.certified import Certified, CertifiedClient, CertifiedEndpoints
from bench.soak.findings import Findings
from bench.soak.reading import any_habit
from bench.soak.releases import Inspection, Releases
from menderproxy.demo.device_client import BROKEN
from menderproxy.demo.devices import DeviceError, Instructions, SimulatedDevice
from menderproxy.demo.download import DownloadError

REVOKED_WITHIN = 15.0
"""Seconds until a revoked device has to be out; five are promised, on a machine with time."""

REFUSALS_LAST = 90.0
"""Seconds in which devices may be told that a link was refused: the gateway waits for another."""

API_STATUSES = frozenset({200, 204, 401, 409, 429, 502, 503, 504})
TROUBLE = frozenset({502, 503, 504})
CALM_AFTER = 15.0
"""Seconds after all is mended in which the gateway may still say that something is broken."""

DOWNLOAD_STATUSES = frozenset({200, 206})
GAVE_UP = "gave up after"
_INSTALLS = "install"


@attrs.define
class Circumstances:
    """
    What devices have to put up with.

    :param calm_since: since when nothing is broken on purpose, ``None`` while something is.
    :param refused_at: when links were last refused, by the store or because of the clock.
    """

    calm_since: float | None = -math.inf
    refused_at: float = -math.inf


class _Certified(SimulatedDevice):
    """A simulated device with another client."""

    def __init__(self, client: CertifiedClient, **options: Any):
        super().__init__(**options)
        self._client = client


class Device:
    """
    One of the fleet.

    :param url: the gateway's.
    :param circumstances: shared by all devices.
    :ivar revoked_since: when its certificate was put on the blacklist.
    :ivar doing: what it waits for, since when.
    """

    def __init__(
        self,
        reactor: Any,
        number: int,
        device_type: str,
        url: str,
        tls: Certified,
        releases: Releases,
        circumstances: Circumstances,
        findings: Findings,
        dice: Random,
    ):
        self.number = number
        self.device_type = device_type
        self.serial_number = tls.certificate.serial_number
        self.revoked_since: float | None = None
        self.doing = ("nothing", 0.0)
        self._reactor = reactor
        self._releases = releases
        self._circumstances = circumstances
        self._findings = findings
        self._dice = dice
        self._inspection: Inspection | None = None
        self._has_token = False
        self._began_in_calm = False
        self._life: Deferred[None] | None = None
        endpoints = CertifiedEndpoints(reactor, tls)
        self._client = CertifiedClient(reactor, endpoints, self._answered, self._taken)
        self._device = _Certified(
            self._client,
            reactor=reactor,
            server_url=url,
            authority=tls.certificate,
            mac=f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}",
            device_type=device_type,
            poll_interval=1.0,
            retry_pause=2.0,
        )

    def __str__(self) -> str:
        what, since = self.doing
        return f"device {self.number}: {what} for {self._reactor.seconds() - since:.0f} s"

    @property
    def is_up_to_date(self) -> bool:
        """Whether it has what it should have."""
        return self._releases.is_current(self.device_type, self._device.artifact_name)

    @property
    def is_installing(self) -> bool:
        """Whether it downloads something, or is about to, or has just done so."""
        return self.doing[0].startswith(_INSTALLS)

    def live(self) -> None:
        """Begin to do what devices do."""
        self._life = Deferred.fromCoroutine(self._rounds())
        self._life.addErrback(self._crashed)

    async def leave(self) -> None:
        """Stop that, and close all connections."""
        life, self._life = self._life, None
        if life is not None:
            life.cancel()
        await self._client.close()

    async def _rounds(self) -> None:
        while True:
            try:
                await self._round()
            except (*BROKEN, SSL.Error):
                self._findings.counts["rounds of devices that broke off"] += 1
            except DownloadError as error:
                self._failed(str(error))
            except DeviceError:
                # A status that was looked at when it came.
                self._has_token = False
            pause = self._dice.uniform(0.5, 4.0)
            self._does("pause")
            await deferLater(self._reactor, pause)

    async def _round(self) -> None:
        if not self._has_token:
            self._does("ask for a token")
            await self._device.authenticate()
            self._has_token = True
        if self._dice.random() < 0.2:
            self._does("send the inventory")
            await self._device.send_inventory()
        if self._dice.random() < 0.05:
            await self._leave_in_the_middle()
        self._does("ask for an update")
        instructions = await self._device.next_deployment()
        if instructions is not None:
            await self._install(instructions)
        if self._dice.random() < 0.1:
            await self._device.close()

    async def _leave_in_the_middle(self) -> None:
        asking = Deferred.fromCoroutine(self._device.next_deployment())
        self._reactor.callLater(self._dice.uniform(0, 0.05), asking.cancel)
        try:
            await asking
        except (CancelledError, ConnectingCancelledError):
            self._findings.counts["requests that devices left"] += 1

    async def _install(self, instructions: Instructions) -> None:
        name = instructions.artifact_name
        self._does(f"{_INSTALLS} {name}")
        self._inspection = self._releases.inspection(name)
        self._began_in_calm = self._circumstances.calm_since is not None
        if not self._began_in_calm:
            self._client.habit = any_habit(self._dice, self._releases.length(name))
        await self._device.install(instructions)
        download = self._device.download
        assert download is not None
        self._findings.counts["updates"] += 1
        self._findings.counts["resumed downloads"] += download.retries > 0
        if not self._inspection.is_whole(download.received):
            self._findings.violation("no wrong byte", f"{name}: {download.received} bytes")

    def _does(self, what: str) -> None:
        self.doing = (what, self._reactor.seconds())

    # What it sees

    def _answered(self, began: float, status: int, download: bool) -> None:
        self._findings.counts[f"answers {status}"] += 1
        if self._should_be_out(began):
            self._findings.violation("revoked devices stay out", f"{self}: status {status}")
        expected = status in (DOWNLOAD_STATUSES if download else API_STATUSES)
        if download and status == http.FORBIDDEN:
            expected = self._refusals_are_excused
        elif status in TROUBLE and self._was_calm(began):
            expected = False
        if not expected:
            self._findings.violation("no error without a cause", f"{self}: status {status}")

    def _taken(self, data: bytes) -> None:
        download, inspection = self._device.download, self._inspection
        assert download is not None and inspection is not None
        if inspection.spoils(download.received, data):
            self._findings.violation("no wrong byte", f"{self}: from byte {download.received} on")
        if self._should_be_out(self._reactor.seconds()):
            self._findings.violation("revoked devices are cut", str(self))

    def _failed(self, why: str) -> None:
        excused = (GAVE_UP in why and not self._began_in_calm) or (
            "status 403" in why and self._refusals_are_excused
        )
        self._findings.counts[f"failed downloads: {why}"] += 1
        if not excused:
            self._findings.violation("no download fails without a cause", f"{self}: {why}")

    def _crashed(self, reason: Any) -> None:
        if not reason.check(CancelledError, ConnectingCancelledError):
            self._findings.violation("devices understand what they see", reason.getTraceback())

    def _was_calm(self, began: float) -> bool:
        since = self._circumstances.calm_since
        return since is not None and began > since + CALM_AFTER

    @property
    def _refusals_are_excused(self) -> bool:
        return bool(self._reactor.seconds() < self._circumstances.refused_at + REFUSALS_LAST)

    def _should_be_out(self, began: float) -> bool:
        since = self.revoked_since
        return since is not None and began > since + REVOKED_WITHIN
