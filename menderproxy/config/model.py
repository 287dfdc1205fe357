"""
The configuration as frozen values: one class for each section of the official JSON file.

Each field says here, and only here, how the file and the environment spell it, how it is read,
what it is when nobody sets it, and what it means: :mod:`menderproxy.config.reference` makes the
reference of it. Durations are in seconds, sizes in bytes.
"""

# ruff: noqa: RUF009 (setting() and section() give attrs fields, not shared defaults)

from __future__ import annotations

from typing import Any

import attrs

from menderproxy.config import kinds
from menderproxy.config.declaration import section, setting
from menderproxy.config.features import Features
from menderproxy.config.units import ListenAddress


@attrs.frozen(kw_only=True)
class PlainListener:
    """
    ``HTTP``: the listener without TLS.

    :ivar enabled: whether there is one.
    :ivar listen: where it listens.
    """

    enabled: bool = setting("Enabled", kinds.BOOLEAN, False, "HTTP_ENABLED")
    listen: ListenAddress = setting("Listen", kinds.LISTEN_ADDRESS, ":80", "HTTP_LISTEN")


@attrs.frozen(kw_only=True)
class TLSListener:
    """
    ``HTTPS``: the listener with TLS.

    :ivar enabled: whether there is one.
    :ivar listen: where it listens.
    :ivar minimum_tls_version: ``"1.0"``, ``"1.1"``, ``"1.2"`` or ``"1.3"``. The first two are
        insecure; the last locks out Zephyr devices.
    :ivar server_certificate: PEM file of the gateway's certificate, followed by its intermediates.
    :ivar server_key: PEM file of its private key.
    """

    enabled: bool = setting("Enabled", kinds.BOOLEAN, False, "HTTPS_ENABLED")
    listen: ListenAddress = setting("Listen", kinds.LISTEN_ADDRESS, ":443", "HTTPS_LISTEN")
    minimum_tls_version: str = setting(
        "MinimumTLSVersion", kinds.TLS_VERSION, "1.2", "HTTPS_MINIMUM_TLS_VERSION", since="1.1"
    )
    server_certificate: str = setting(
        "ServerCertificate", kinds.TEXT, "", "HTTPS_SERVER_CERTIFICATE"
    )
    server_key: str = setting("ServerKey", kinds.TEXT, "", "HTTPS_SERVER_KEY")


@attrs.frozen(kw_only=True)
class UpstreamServer:
    """
    ``UpstreamServer``: the Mender Server.

    :ivar url: scheme, host and perhaps a port. The variable has two official names; set to
        different values, they are an error.
    :ivar ca_certificate: PEM file of authorities to trust, besides the system's, for the server and
        for stores.
    :ivar insecure_skip_verify: the Mender Server's certificate is not checked; those of stores
        always are. Not for production.
    """

    url: str = setting("URL", kinds.ORIGIN, "", "UPSTREAM_SERVER_URL", "UPSTREAM_SERVER")
    ca_certificate: str = setting(
        "CACertificate", kinds.TEXT, "", "UPSTREAM_SERVER_CA_CERTIFICATE", since="2.0"
    )
    insecure_skip_verify: bool = setting(
        "InsecureSkipVerify", kinds.BOOLEAN, False, "UPSTREAM_SERVER_INSECURE_SKIP_VERIFY"
    )


@attrs.frozen(kw_only=True)
class Metrics:
    """
    ``Metrics``: the listener that Prometheus scrapes.

    :ivar enabled: whether there is one; it answers under ``/metrics``.
    :ivar listen: where it listens. Whoever reaches it may read them.
    """

    enabled: bool = setting("Enabled", kinds.BOOLEAN, False, "METRICS_ENABLED", since="2.2")
    listen: ListenAddress = setting(
        "Listen", kinds.LISTEN_ADDRESS, ":9102", "METRICS_LISTEN", since="2.2"
    )


@attrs.frozen(kw_only=True)
class Proxies:
    """
    The HTTP proxies on the way to the Mender Server and to stores.

    :ivar http: proxy for http upstreams: ``[http://][user:password@]host[:port]``.
    :ivar https: the same for https upstreams.
    :ivar no_proxy: hosts, domains, addresses and networks to reach without a proxy.
    """

    http: str = setting("", kinds.PROXY, "", "HTTP_PROXY", "http_proxy", secret=True, since="2.1")
    https: str = setting(
        "", kinds.PROXY, "", "HTTPS_PROXY", "https_proxy", secret=True, since="2.1"
    )
    no_proxy: tuple[str, ...] = setting("", kinds.TEXTS, [], "NO_PROXY", "no_proxy", since="2.1")


def _limit(key: str, kind: kinds.Kind, default: object, variable: str) -> Any:
    return setting(key, kind, default, variable, extension=True)


@attrs.frozen(kw_only=True)
class Limits:
    """
    ``Limits``: what one device, or one upstream, may take; who takes more waits or is cut off.

    :ivar max_request_body: bytes in the body of a device's request.
    :ivar max_connections: connections of devices at once.
    :ivar max_connections_per_address: how many of them one address may have, by default half; an
        IPv6 network of 64 bits counts as one address. 0 for as many as there are: with a balancer
        in front, all have its address.
    :ivar header_timeout: for the head of a request to arrive.
    :ivar idle_timeout: between two requests on a connection.
    :ivar body_timeout: for the body of a request to arrive.
    :ivar max_unsent: bytes that the kernel may hold for a slow device besides those on their way; a
        fast one may have sixteen times as much.
    :ivar write_stall: for a device to take none of the bytes that are sent to it.
    :ivar upstream_connect_timeout: for a connection to an upstream, name look-up included.
    :ivar upstream_response_timeout: for the head of an upstream's answer.
    :ivar upstream_idle_timeout: for an upstream to send none of a body's bytes.
    :ivar drain_delay: when the gateway stops: for balancers to learn that it is not ready any more.
    :ivar drain_timeout: for running requests to end, once that delay is over.
    """

    max_request_body: int = _limit(
        "MaxRequestBody", kinds.POSITIVE_SIZE, "1MiB", "LIMITS_MAX_REQUEST_BODY"
    )
    max_connections: int = _limit("MaxConnections", kinds.COUNT, 4096, "LIMITS_MAX_CONNECTIONS")
    max_connections_per_address: int | None = _limit(
        "MaxConnectionsPerAddress", kinds.NUMBER, None, "LIMITS_MAX_CONNECTIONS_PER_ADDRESS"
    )
    header_timeout: float = _limit(
        "HeaderTimeout", kinds.POSITIVE_DURATION, "10s", "LIMITS_HEADER_TIMEOUT"
    )
    idle_timeout: float = _limit(
        "IdleTimeout", kinds.POSITIVE_DURATION, "75s", "LIMITS_IDLE_TIMEOUT"
    )
    body_timeout: float = _limit(
        "BodyTimeout", kinds.POSITIVE_DURATION, "60s", "LIMITS_BODY_TIMEOUT"
    )
    max_unsent: int = _limit("MaxUnsent", kinds.POSITIVE_SIZE, "128KiB", "LIMITS_MAX_UNSENT")
    write_stall: float = _limit("WriteStall", kinds.POSITIVE_DURATION, "5m", "LIMITS_WRITE_STALL")
    upstream_connect_timeout: float = _limit(
        "UpstreamConnectTimeout", kinds.POSITIVE_DURATION, "10s", "LIMITS_UPSTREAM_CONNECT_TIMEOUT"
    )
    upstream_response_timeout: float = _limit(
        "UpstreamResponseTimeout",
        kinds.POSITIVE_DURATION,
        "60s",
        "LIMITS_UPSTREAM_RESPONSE_TIMEOUT",
    )
    upstream_idle_timeout: float = _limit(
        "UpstreamIdleTimeout", kinds.POSITIVE_DURATION, "60s", "LIMITS_UPSTREAM_IDLE_TIMEOUT"
    )
    drain_delay: float = _limit("DrainDelay", kinds.DURATION, "0s", "LIMITS_DRAIN_DELAY")
    drain_timeout: float = _limit("DrainTimeout", kinds.DURATION, "25s", "LIMITS_DRAIN_TIMEOUT")

    @property
    def connections_per_address(self) -> int:
        """What :attr:`max_connections_per_address` comes to; no more than there may be at all."""
        if self.max_connections_per_address is None:
            return max(1, self.max_connections // 2)
        return min(self.max_connections_per_address or self.max_connections, self.max_connections)


@attrs.frozen(kw_only=True)
class GatewayConfig:
    """
    All that the gateway is told: the sections of the file, and what stands beside them.

    :ivar debug_log: log at level debug.
    :ivar warnings: what reading it brought up, one line each, for the log.
    """

    features: Features = section("Features", Features)
    http: PlainListener = section("HTTP", PlainListener)
    https: TLSListener = section("HTTPS", TLSListener)
    upstream_server: UpstreamServer = section("UpstreamServer", UpstreamServer)
    metrics: Metrics = section("Metrics", Metrics)
    proxies: Proxies = section("", Proxies)
    limits: Limits = section("Limits", Limits)
    debug_log: bool = setting("DebugLog", kinds.BOOLEAN, False)
    warnings: tuple[str, ...] = ()
