"""The gateway as a service: what starts and what stops in which order."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList, succeed
from twisted.internet.task import deferLater
from twisted.logger import Logger

from menderproxy._version import __version__
from menderproxy.assembly import World, assemble
from menderproxy.cache.errors import CacheDirectoryError
from menderproxy.config.load import ConfigError
from menderproxy.config.model import GatewayConfig
from menderproxy.listen.endpoints import Listener, ListenError
from menderproxy.listen.identity import CertificateError

__all__ = ["START_ERRORS", "GatewayService", "World", "build"]

START_ERRORS = (ConfigError, CertificateError, ListenError, CacheDirectoryError)
"""What keeps a gateway from starting; each says in one line where and why."""


CLOSING_TIME = 15.0
"""Seconds that are enough, once the devices are gone, for the cache to sync what is on its way."""


class GatewayService(Service):
    """
    One gateway, which may be stopped and started again.

    :ivar listeners: its listening ports.
    :ivar site: its HTTP server.
    :ivar cache: its artifact cache, when that is on.
    :ivar metrics: its metrics, when those are on.
    """

    log = Logger()

    def __init__(self, config: GatewayConfig, reactor: Any, world: World):
        self._config = config
        self._reactor = reactor
        self._ready = False
        self._in_haste = False
        self._delay: Deferred[None] = succeed(None)
        rooms = assemble(config, reactor, world, lambda: self._ready)
        self.listeners = rooms.listeners
        self.site = rooms.site
        self.cache = rooms.cache
        self.metrics = rooms.metrics
        self._reload = rooms.reload
        self._services = rooms.services
        self._agents = rooms.agents
        self._threads = rooms.threads

    def privilegedStartService(self) -> None:
        """
        Open the ports.

        :raises ListenError: one can't be opened; then none is.
        """
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        try:
            for listener in self.listeners:
                listener.privilegedStartService()
        except ListenError:
            self._stop_listening(self.listeners)
            raise

    def startService(self) -> None:
        """
        Serve devices.

        :raises ListenError: a port can't be opened.
        :raises CacheDirectoryError: the cache's directory can't be used.
        """
        self.log.info("starting mender-gateway {version}", version=__version__)
        for remark in self._config.warnings:
            # Not warning=…: Twisted takes an event with such a field for a Python warning.
            self.log.warn("{remark}", remark=remark)
        self.privilegedStartService()
        try:
            if self.cache is not None:
                self.cache.startService()
        except CacheDirectoryError:
            self._stop_listening(self.listeners)
            raise
        for threads in self._threads:
            threads.startService()
        for service in self._services:
            service.startService()
        if self.metrics is not None:
            self.metrics.startService()
        super().startService()  # type: ignore[no-untyped-call]
        for listener in self.listeners:
            listener.startService()
        self.site.draining = self._in_haste = False
        self._ready = True
        self.log.info("running...")

    def reload(self) -> Deferred[None]:
        """
        Read certificates, keys and revocation lists again now, without losing a connection.

        They are read anyway when they change; what is wrong stays as it was, and is logged.
        """
        if self._reload is None:
            return succeed(None)
        return Deferred.fromCoroutine(self._reload.reload())

    @property
    def longest_stop(self) -> float:
        """For how many seconds it may take to stop."""
        limits = self._config.limits
        return limits.drain_delay + limits.drain_timeout + CLOSING_TIME

    def stopService(self) -> Deferred[None]:
        """Let the requests in progress end, within the limit; then close everything."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._ready:
            self._delay = deferLater(self._reactor, self._config.limits.drain_delay)
        self._ready = False
        return Deferred.fromCoroutine(self._stop())

    def hasten(self) -> None:
        """Wait for devices no longer, if it is about to stop: cut them off now."""
        if self.running:
            return
        self._in_haste = True
        self._delay.cancel()
        if self.site.draining:
            self.site.cut_off()

    async def _stop(self) -> None:
        limits = self._config.limits
        self.log.info("draining")
        with suppress(CancelledError):
            await self._delay
        await self._stop_listening(each for each in self.listeners if not each.for_probes)
        await self.site.drain(0 if self._in_haste else limits.drain_timeout)
        await self._stop_listening(self.listeners)
        await self.site.close()
        for service in self._services:
            service.stopService()
        if self.cache is not None:
            await self.cache.stop()
        for agent in self._agents:
            await agent.close()
        if self.metrics is not None:
            # Last, so that it can be seen how the rest goes.
            await self.metrics.stopService()
        for threads in self._threads:
            threads.stopService()
        self.log.info("stopped")

    def _stop_listening(self, listeners: Iterable[Listener]) -> Deferred[Any]:
        return DeferredList([listener.stopService() for listener in listeners])


def build(config: GatewayConfig, reactor: Any, world: World | None = None) -> GatewayService:
    """
    Make a gateway; see :func:`menderproxy.gateway_service`.

    :raises ConfigError: the configuration asks for what can't be done.
    :raises CertificateError: a certificate or key can't be used.
    :raises CacheDirectoryError: the cache's directory can't be used.
    """
    return GatewayService(config, reactor, World() if world is None else world)
