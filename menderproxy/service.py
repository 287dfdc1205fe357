"""The gateway as a service: what starts and what stops in which order."""

from __future__ import annotations

from typing import Any

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from menderproxy._version import __version__
from menderproxy.assembly import World, assemble
from menderproxy.cache.errors import CacheDirectoryError
from menderproxy.config.load import ConfigError
from menderproxy.config.model import GatewayConfig
from menderproxy.listen.endpoints import ListenError
from menderproxy.listen.tls import CertificateError

__all__ = ["START_ERRORS", "GatewayService", "World", "build"]

START_ERRORS = (ConfigError, CertificateError, ListenError, CacheDirectoryError)
"""What keeps a gateway from starting; each says in one line where and why."""


class GatewayService(Service):
    """
    One gateway, which may be stopped and started again.

    :ivar listeners: its listening ports.
    :ivar site: its HTTP server.
    :ivar cache: its artifact cache, when that is on.
    """

    log = Logger()

    def __init__(self, config: GatewayConfig, reactor: Any, world: World):
        self._config = config
        self._ready = False
        rooms = assemble(config, reactor, world, lambda: self._ready)
        self.listeners = rooms.listeners
        self.site = rooms.site
        self.cache = rooms.cache
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
            self._stop_listening()
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
            self._stop_listening()
            raise
        for threads in self._threads:
            threads.startService()
        super().startService()  # type: ignore[no-untyped-call]
        for listener in self.listeners:
            listener.startService()
        self.site.draining = False
        self._ready = True
        self.log.info("running...")

    def stopService(self) -> Deferred[None]:
        """Let the requests in progress end, within the limit; then close everything."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._ready = False
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self.log.info("draining")
        await self._stop_listening()
        await self.site.drain(self._config.limits.drain_timeout)
        if self.cache is not None:
            await self.cache.stop()
        for agent in self._agents:
            await agent.close()
        for threads in self._threads:
            threads.stopService()
        self.log.info("stopped")

    def _stop_listening(self) -> Deferred[Any]:
        return DeferredList([listener.stopService() for listener in self.listeners])


def build(config: GatewayConfig, reactor: Any, world: World | None = None) -> IService:
    """
    Make a gateway; see :func:`menderproxy.gateway_service`.

    :raises ConfigError: the configuration asks for what can't be done.
    :raises CertificateError: a certificate or key can't be used.
    :raises CacheDirectoryError: the cache's directory can't be used.
    """
    return GatewayService(config, reactor, World() if world is None else world)
