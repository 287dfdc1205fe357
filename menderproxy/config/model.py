"""
The configuration as frozen values: one class for each section of the official JSON file.

Each field says here, and only here, how the file and the environment spell it, how it is read,
and what it is when nobody sets it. Durations are in seconds, sizes in bytes.
"""

# ruff: noqa: RUF009 (setting() and section() give attrs fields, not shared defaults)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from menderproxy.config import units
from menderproxy.config.units import InventoryValue, ListenAddress

REQUIRED = attrs.NOTHING
"""The default of a setting that has none."""

_DECLARED = "declared"


@attrs.frozen(kw_only=True)
class Setting:
    """
    How a field is set.

    :param key: in its section of the file; empty when only the environment can set it.
    :param default: as the file would write it; ``None`` for no value at all.
    :param environment: names of its variable, the usual one first.
    :param root_key: where early versions had it in the file, at the root.
    :param secret: whether its value must never be shown.
    :param extension: whether the official gateway knows nothing of it.
    :param items: class of the objects in a list of objects.
    """

    key: str
    kind: units.Kind
    default: object
    environment: tuple[str, ...] = ()
    root_key: str = ""
    secret: bool = False
    extension: bool = False
    items: type[attrs.AttrsInstance] | None = None


@attrs.frozen
class Section:
    """
    How a nested section is set.

    :param key: in the enclosing section; empty when nothing of it is in the file.
    :param cls: class of its value.
    :param switch: key that a bare ``true`` or ``false`` in the section's place sets.
    """

    key: str
    cls: type[attrs.AttrsInstance]
    switch: str = ""


def setting(key: str, kind: units.Kind, default: object, *environment: str, **more: Any) -> Any:
    """Declare a field that one value sets; *more* goes to :class:`Setting`."""
    declared = Setting(key=key, kind=kind, default=default, environment=environment, **more)
    unread = default in (None, REQUIRED, "")
    return attrs.field(
        default=default if unread else kind.from_json(default),
        repr=not declared.secret,
        metadata={_DECLARED: declared},
    )


def section(key: str, cls: type[attrs.AttrsInstance], switch: str = "") -> Any:
    """Declare a field that holds a section."""
    return attrs.field(factory=cls, metadata={_DECLARED: Section(key, cls, switch)})


def declarations(cls: type[attrs.AttrsInstance]) -> Iterator[tuple[str, Setting | Section]]:
    """Give the name and the declaration of each field that can be set."""
    for field in attrs.fields(cls):
        if _DECLARED in field.metadata:
            yield field.name, field.metadata[_DECLARED]


def catalogue(cls: type[attrs.AttrsInstance], path: str = "") -> Iterator[tuple[str, Setting]]:
    """Give every setting of *cls* and of the sections in it, each with its path in the file."""
    for _, declared in declarations(cls):
        below = join(path, declared.key)
        if isinstance(declared, Section):
            yield from catalogue(declared.cls, below)
        else:
            yield below, declared


def join(path: str, key: str) -> str:
    """Write the path of *key* in the section at *path*."""
    return f"{path}.{key}" if path and key else path or key


@attrs.frozen(kw_only=True)
class ArtifactsCache:
    """
    ``Features.ArtifactsProxy.ArtifactsCache``: artifacts are kept on disk, downloaded once.

    :ivar path: directory of the cache.
    :ivar signature_secret: key that signs local links; ``None`` to have one made.
    :ivar link_expire_duration: how long a local link may start downloads.
    :ivar resume_grace: for how long after that it may continue them.
    :ivar hold_timeout: how long a device is held while the store cannot be reached.
    :ivar max_size: what the cache may take; ``None`` for whatever the disk holds.
    :ivar min_free: what must stay free on its disk.
    :ivar artifact_verify_keys: PEM files of public keys that artifacts must be signed with.
    :ivar scrub_interval: how often all artifacts are read and checked again; ``None`` for never.
    """

    enabled: bool = setting("Enabled", units.BOOLEAN, False, "ARTIFACTS_PROXY_CACHE_ENABLED")
    path: str = setting(
        "Path", units.TEXT, "/var/cache/mender-gateway", "ARTIFACTS_PROXY_CACHE_PATH"
    )
    signature_secret: bytes | None = setting(
        "SignatureSecret", units.SECRET, None, "ARTIFACTS_PROXY_CACHE_SECRET", secret=True
    )
    link_expire_duration: float = setting(
        "LinkExpireDuration",
        units.POSITIVE_DURATION,
        "30m",
        "ARTIFACTS_PROXY_CACHE_LINK_EXPIRE_DURATION",
    )
    resume_grace: float = setting(
        "ResumeGrace",
        units.DURATION,
        "24h",
        "ARTIFACTS_PROXY_CACHE_RESUME_GRACE",
        extension=True,
    )
    hold_timeout: float = setting(
        "HoldTimeout",
        units.DURATION,
        "30m",
        "ARTIFACTS_PROXY_CACHE_HOLD_TIMEOUT",
        extension=True,
    )
    max_size: int | None = setting(
        "MaxSize", units.POSITIVE_SIZE, None, "ARTIFACTS_PROXY_CACHE_MAX_SIZE", extension=True
    )
    min_free: int = setting(
        "MinFree", units.SIZE, 0, "ARTIFACTS_PROXY_CACHE_MIN_FREE", extension=True
    )
    artifact_verify_keys: tuple[str, ...] = setting(
        "ArtifactVerifyKeys",
        units.TEXTS,
        [],
        "ARTIFACTS_PROXY_CACHE_ARTIFACT_VERIFY_KEYS",
        extension=True,
    )
    scrub_interval: float | None = setting(
        "ScrubInterval",
        units.INTERVAL,
        None,
        "ARTIFACTS_PROXY_CACHE_SCRUB_INTERVAL",
        extension=True,
    )


@attrs.frozen(kw_only=True)
class ArtifactsProxy:
    """
    ``Features.ArtifactsProxy``: devices get their artifacts from the gateway.

    :ivar gateway_url: what devices reach the gateway by, without final slash.
    :ivar domain_whitelist: hosts of the stores that artifacts may come from.
    """

    enabled: bool = setting("Enabled", units.BOOLEAN, False, "ARTIFACTS_PROXY_ENABLED")
    gateway_url: str = setting("GatewayURL", units.GATEWAY_URL, "", "ARTIFACTS_PROXY_GATEWAY_URL")
    domain_whitelist: tuple[str, ...] = setting(
        "DomainWhitelist", units.DOMAINS, [], "ARTIFACTS_PROXY_DOMAIN_WHITELIST"
    )
    artifacts_cache: ArtifactsCache = section("ArtifactsCache", ArtifactsCache, switch="Enabled")


@attrs.frozen(kw_only=True)
class MutualTLS:
    """
    ``Features.mTLS``: only devices with a certificate get in, and need no manual acceptance.

    :ivar ca_certificate: PEM file of the authorities that devices' certificates come from.
    :ivar blacklist_path: file of refused certificates, one hexadecimal serial number a line.
    :ivar mender_username: service user who preauthorizes devices at the Mender Server.
    :ivar enable_cache: whether devices found accepted are remembered.
    :ivar insecure_skip_client_expire_after: for how long a certificate is accepted after its
        end; ``None`` for not at all, infinity for ever.
    :ivar require_same_key: whether a device's certificate and its requests for a token must
        carry the same key.
    """

    enabled: bool = setting("Enabled", units.BOOLEAN, False, "MTLS_ENABLED")
    ca_certificate: str = setting("CACertificate", units.TEXT, "", "MTLS_CA_CERTIFICATE")
    blacklist_path: str = setting("BlacklistPath", units.TEXT, "", "MTLS_BLACKLIST_PATH")
    mender_username: str = setting("MenderUsername", units.TEXT, "", "MTLS_MENDER_USERNAME")
    mender_password: str = setting(
        "MenderPassword", units.TEXT, "", "MTLS_MENDER_PASSWORD", secret=True
    )
    enable_cache: bool = setting("EnableCache", units.BOOLEAN, True, "MTLS_ENABLE_CACHE")
    insecure_skip_client_expire_after: float | None = setting(
        "InsecureSkipClientExpireAfter",
        units.GRACE,
        None,
        "MTLS_INSECURE_SKIP_CLIENT_EXPIRE_AFTER",
    )
    require_same_key: bool = setting(
        "RequireSameKey", units.BOOLEAN, False, "MTLS_REQUIRE_SAME_KEY", extension=True
    )


@attrs.frozen
class InventoryAttribute:
    """An attribute that the gateway adds to the inventory of its devices."""

    name: str = setting("Name", units.ATTRIBUTE_NAME, REQUIRED)
    value: InventoryValue = setting("Value", units.ATTRIBUTE_VALUE, REQUIRED)


@attrs.frozen(kw_only=True)
class DeviceSystem:
    """
    ``Features.DeviceSystem``: devices behind the gateway report what system they are part of.

    :ivar system_id: one line of text, the same for all of them.
    :ivar default_inventory: attributes for those devices that do not send them.
    """

    enabled: bool = setting("Enabled", units.BOOLEAN, False, "DEVICE_SYSTEM_ENABLED")
    system_id: str = setting("SystemID", units.TEXT, "", "DEVICE_SYSTEM_ID", root_key="SystemID")
    default_inventory: tuple[InventoryAttribute, ...] = setting(
        "DefaultInventory",
        units.OBJECTS,
        [],
        root_key="DefaultInventory",
        items=InventoryAttribute,
    )


@attrs.frozen(kw_only=True)
class Features:
    """``Features``: what the gateway does besides passing requests on."""

    artifacts_proxy: ArtifactsProxy = section("ArtifactsProxy", ArtifactsProxy)
    mtls: MutualTLS = section("mTLS", MutualTLS)
    device_system: DeviceSystem = section("DeviceSystem", DeviceSystem)


@attrs.frozen(kw_only=True)
class PlainListener:
    """``HTTP``: the listener without TLS."""

    enabled: bool = setting("Enabled", units.BOOLEAN, False, "HTTP_ENABLED")
    listen: ListenAddress = setting("Listen", units.LISTEN_ADDRESS, ":80", "HTTP_LISTEN")


@attrs.frozen(kw_only=True)
class TLSListener:
    """
    ``HTTPS``: the listener with TLS.

    :ivar server_certificate: PEM file of the gateway's certificate and its intermediates.
    :ivar server_key: PEM file of its private key.
    """

    enabled: bool = setting("Enabled", units.BOOLEAN, False, "HTTPS_ENABLED")
    listen: ListenAddress = setting("Listen", units.LISTEN_ADDRESS, ":443", "HTTPS_LISTEN")
    minimum_tls_version: str = setting(
        "MinimumTLSVersion", units.TLS_VERSION, "1.2", "HTTPS_MINIMUM_TLS_VERSION"
    )
    server_certificate: str = setting(
        "ServerCertificate", units.TEXT, "", "HTTPS_SERVER_CERTIFICATE"
    )
    server_key: str = setting("ServerKey", units.TEXT, "", "HTTPS_SERVER_KEY")


@attrs.frozen(kw_only=True)
class UpstreamServer:
    """
    ``UpstreamServer``: the Mender Server.

    :ivar url: scheme, host and perhaps a port, without final slash.
    :ivar ca_certificate: PEM file of authorities to trust besides the system's.
    :ivar insecure_skip_verify: whether its certificate goes unchecked.
    """

    url: str = setting("URL", units.ORIGIN, "", "UPSTREAM_SERVER_URL", "UPSTREAM_SERVER")
    ca_certificate: str = setting("CACertificate", units.TEXT, "", "UPSTREAM_SERVER_CA_CERTIFICATE")
    insecure_skip_verify: bool = setting(
        "InsecureSkipVerify", units.BOOLEAN, False, "UPSTREAM_SERVER_INSECURE_SKIP_VERIFY"
    )


@attrs.frozen(kw_only=True)
class Metrics:
    """``Metrics``: the listener that Prometheus scrapes."""

    enabled: bool = setting("Enabled", units.BOOLEAN, False, "METRICS_ENABLED")
    listen: ListenAddress = setting("Listen", units.LISTEN_ADDRESS, ":9102", "METRICS_LISTEN")


@attrs.frozen(kw_only=True)
class Proxies:
    """
    The HTTP proxies on the way to the upstreams; their URLs may hold passwords.

    :ivar http: proxy for http upstreams, empty for none.
    :ivar https: proxy for https upstreams, empty for none.
    :ivar no_proxy: hosts and networks reached without one.
    """

    http: str = setting("", units.PROXY, "", "HTTP_PROXY", "http_proxy", secret=True)
    https: str = setting("", units.PROXY, "", "HTTPS_PROXY", "https_proxy", secret=True)
    no_proxy: tuple[str, ...] = setting("", units.TEXTS, [], "NO_PROXY", "no_proxy")


def _limit(key: str, kind: units.Kind, default: object, variable: str) -> Any:
    return setting(key, kind, default, variable, extension=True)


@attrs.frozen(kw_only=True)
class Limits:
    """
    ``Limits``: what one device, or one upstream, may take.

    :ivar max_request_body: bytes of a request's body.
    :ivar max_connections: connections of devices at once.
    :ivar header_timeout: for the head of a request to arrive.
    :ivar idle_timeout: between two requests on a connection.
    :ivar body_timeout: for the body of a request to arrive.
    :ivar write_stall: for a device to take nothing of what we send.
    :ivar upstream_connect_timeout: for a connection to an upstream, name look-up included.
    :ivar upstream_response_timeout: for the head of an upstream's answer.
    :ivar upstream_idle_timeout: for an upstream to send nothing of a body.
    :ivar drain_timeout: for running requests to end when the gateway stops.
    """

    max_request_body: int = _limit(
        "MaxRequestBody", units.POSITIVE_SIZE, "1MiB", "LIMITS_MAX_REQUEST_BODY"
    )
    max_connections: int = _limit("MaxConnections", units.COUNT, 4096, "LIMITS_MAX_CONNECTIONS")
    header_timeout: float = _limit(
        "HeaderTimeout", units.POSITIVE_DURATION, "10s", "LIMITS_HEADER_TIMEOUT"
    )
    idle_timeout: float = _limit(
        "IdleTimeout", units.POSITIVE_DURATION, "75s", "LIMITS_IDLE_TIMEOUT"
    )
    body_timeout: float = _limit(
        "BodyTimeout", units.POSITIVE_DURATION, "60s", "LIMITS_BODY_TIMEOUT"
    )
    write_stall: float = _limit("WriteStall", units.POSITIVE_DURATION, "5m", "LIMITS_WRITE_STALL")
    upstream_connect_timeout: float = _limit(
        "UpstreamConnectTimeout", units.POSITIVE_DURATION, "10s", "LIMITS_UPSTREAM_CONNECT_TIMEOUT"
    )
    upstream_response_timeout: float = _limit(
        "UpstreamResponseTimeout",
        units.POSITIVE_DURATION,
        "60s",
        "LIMITS_UPSTREAM_RESPONSE_TIMEOUT",
    )
    upstream_idle_timeout: float = _limit(
        "UpstreamIdleTimeout", units.POSITIVE_DURATION, "60s", "LIMITS_UPSTREAM_IDLE_TIMEOUT"
    )
    drain_timeout: float = _limit("DrainTimeout", units.DURATION, "25s", "LIMITS_DRAIN_TIMEOUT")


@attrs.frozen(kw_only=True)
class GatewayConfig:
    """
    All that the gateway is told.

    :ivar debug_log: whether to log at level debug.
    :ivar warnings: what reading it brought up, one line each, for the log.
    """

    features: Features = section("Features", Features)
    http: PlainListener = section("HTTP", PlainListener)
    https: TLSListener = section("HTTPS", TLSListener)
    upstream_server: UpstreamServer = section("UpstreamServer", UpstreamServer)
    metrics: Metrics = section("Metrics", Metrics)
    proxies: Proxies = section("", Proxies)
    limits: Limits = section("Limits", Limits)
    debug_log: bool = setting("DebugLog", units.BOOLEAN, False)
    warnings: tuple[str, ...] = ()
