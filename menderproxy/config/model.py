"""
The configuration as frozen values: one class for each section of the official JSON file.

Each field says here, and only here, how the file and the environment spell it, how it is read,
and what it is when nobody sets it. Durations are in seconds, sizes in bytes.
"""

# ruff: noqa: RUF009 (setting() and section() give attrs fields, not shared defaults)

from __future__ import annotations

from typing import Any

import attrs

from menderproxy.config import kinds
from menderproxy.config.declaration import REQUIRED, section, setting
from menderproxy.config.kinds import InventoryValue
from menderproxy.config.units import ListenAddress


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

    enabled: bool = setting("Enabled", kinds.BOOLEAN, False, "ARTIFACTS_PROXY_CACHE_ENABLED")
    path: str = setting(
        "Path", kinds.TEXT, "/var/cache/mender-gateway", "ARTIFACTS_PROXY_CACHE_PATH"
    )
    signature_secret: bytes | None = setting(
        "SignatureSecret", kinds.SECRET, None, "ARTIFACTS_PROXY_CACHE_SECRET", secret=True
    )
    link_expire_duration: float = setting(
        "LinkExpireDuration",
        kinds.POSITIVE_DURATION,
        "30m",
        "ARTIFACTS_PROXY_CACHE_LINK_EXPIRE_DURATION",
    )
    resume_grace: float = setting(
        "ResumeGrace",
        kinds.DURATION,
        "24h",
        "ARTIFACTS_PROXY_CACHE_RESUME_GRACE",
        extension=True,
    )
    hold_timeout: float = setting(
        "HoldTimeout",
        kinds.DURATION,
        "30m",
        "ARTIFACTS_PROXY_CACHE_HOLD_TIMEOUT",
        extension=True,
    )
    max_size: int | None = setting(
        "MaxSize", kinds.POSITIVE_SIZE, None, "ARTIFACTS_PROXY_CACHE_MAX_SIZE", extension=True
    )
    min_free: int = setting(
        "MinFree", kinds.SIZE, 0, "ARTIFACTS_PROXY_CACHE_MIN_FREE", extension=True
    )
    artifact_verify_keys: tuple[str, ...] = setting(
        "ArtifactVerifyKeys",
        kinds.TEXTS,
        [],
        "ARTIFACTS_PROXY_CACHE_ARTIFACT_VERIFY_KEYS",
        extension=True,
    )
    scrub_interval: float | None = setting(
        "ScrubInterval",
        kinds.INTERVAL,
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

    enabled: bool = setting("Enabled", kinds.BOOLEAN, False, "ARTIFACTS_PROXY_ENABLED")
    gateway_url: str = setting("GatewayURL", kinds.GATEWAY_URL, "", "ARTIFACTS_PROXY_GATEWAY_URL")
    domain_whitelist: tuple[str, ...] = setting(
        "DomainWhitelist", kinds.DOMAINS, [], "ARTIFACTS_PROXY_DOMAIN_WHITELIST"
    )
    artifacts_cache: ArtifactsCache = section("ArtifactsCache", ArtifactsCache, switch="Enabled")


@attrs.frozen(kw_only=True)
class MutualTLS:
    """
    ``Features.mTLS``: only devices with a certificate get in, and need no manual acceptance.

    :ivar ca_certificate: PEM file of the authorities that devices' certificates come from.
    :ivar blacklist_path: file of refused certificates, one hexadecimal serial number a line.
    :ivar crl_path: certificate revocation list of one or more authorities, or a directory of them.
    :ivar crl_policy: what becomes of devices whose authority has no list in force: ``strict``
        refuses them, ``lenient`` lets them in.
    :ivar mender_username: service user who preauthorizes devices at the Mender Server.
    :ivar mender_password_file: file that holds that user's password instead.
    :ivar mender_token: personal access token, instead of user and password.
    :ivar mender_token_file: file that holds that token instead.
    :ivar enable_cache: whether devices found accepted are remembered.
    :ivar insecure_skip_client_expire_after: for how long a certificate is accepted after its
        end; ``None`` for not at all, infinity for ever.
    :ivar require_same_key: whether a device's certificate and its requests for a token must
        carry the same key.
    :ivar bind_tokens: whether a device's token counts only with the certificate key it was
        first seen with.
    """

    enabled: bool = setting("Enabled", kinds.BOOLEAN, False, "MTLS_ENABLED")
    ca_certificate: str = setting("CACertificate", kinds.TEXT, "", "MTLS_CA_CERTIFICATE")
    blacklist_path: str = setting("BlacklistPath", kinds.TEXT, "", "MTLS_BLACKLIST_PATH")
    crl_path: str = setting("CRLPath", kinds.TEXT, "", "MTLS_CRL_PATH", extension=True)
    crl_policy: str = setting(
        "CRLPolicy", kinds.CRL_POLICY, "strict", "MTLS_CRL_POLICY", extension=True
    )
    mender_username: str = setting("MenderUsername", kinds.TEXT, "", "MTLS_MENDER_USERNAME")
    mender_password: str = setting(
        "MenderPassword", kinds.TEXT, "", "MTLS_MENDER_PASSWORD", secret=True
    )
    mender_password_file: str = setting(
        "MenderPasswordFile", kinds.TEXT, "", "MTLS_MENDER_PASSWORD_FILE", extension=True
    )
    mender_token: str = setting(
        "MenderToken", kinds.TEXT, "", "MTLS_MENDER_TOKEN", secret=True, extension=True
    )
    mender_token_file: str = setting(
        "MenderTokenFile", kinds.TEXT, "", "MTLS_MENDER_TOKEN_FILE", extension=True
    )
    enable_cache: bool = setting("EnableCache", kinds.BOOLEAN, True, "MTLS_ENABLE_CACHE")
    insecure_skip_client_expire_after: float | None = setting(
        "InsecureSkipClientExpireAfter",
        kinds.GRACE,
        None,
        "MTLS_INSECURE_SKIP_CLIENT_EXPIRE_AFTER",
    )
    require_same_key: bool = setting(
        "RequireSameKey", kinds.BOOLEAN, False, "MTLS_REQUIRE_SAME_KEY", extension=True
    )
    bind_tokens: bool = setting(
        "BindTokens", kinds.BOOLEAN, False, "MTLS_BIND_TOKENS", extension=True
    )


@attrs.frozen
class InventoryAttribute:
    """An attribute that the gateway adds to the inventory of its devices."""

    name: str = setting("Name", kinds.ATTRIBUTE_NAME, REQUIRED)
    value: InventoryValue = setting("Value", kinds.ATTRIBUTE_VALUE, REQUIRED)


@attrs.frozen(kw_only=True)
class DeviceSystem:
    """
    ``Features.DeviceSystem``: devices behind the gateway report what system they are part of.

    :ivar system_id: one line of text, the same for all of them.
    :ivar default_inventory: attributes for those devices that do not send them.
    """

    enabled: bool = setting("Enabled", kinds.BOOLEAN, False, "DEVICE_SYSTEM_ENABLED")
    system_id: str = setting("SystemID", kinds.TEXT, "", "DEVICE_SYSTEM_ID", root_key="SystemID")
    default_inventory: tuple[InventoryAttribute, ...] = setting(
        "DefaultInventory",
        kinds.OBJECTS,
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

    enabled: bool = setting("Enabled", kinds.BOOLEAN, False, "HTTP_ENABLED")
    listen: ListenAddress = setting("Listen", kinds.LISTEN_ADDRESS, ":80", "HTTP_LISTEN")


@attrs.frozen(kw_only=True)
class TLSListener:
    """
    ``HTTPS``: the listener with TLS.

    :ivar server_certificate: PEM file of the gateway's certificate and its intermediates.
    :ivar server_key: PEM file of its private key.
    """

    enabled: bool = setting("Enabled", kinds.BOOLEAN, False, "HTTPS_ENABLED")
    listen: ListenAddress = setting("Listen", kinds.LISTEN_ADDRESS, ":443", "HTTPS_LISTEN")
    minimum_tls_version: str = setting(
        "MinimumTLSVersion", kinds.TLS_VERSION, "1.2", "HTTPS_MINIMUM_TLS_VERSION"
    )
    server_certificate: str = setting(
        "ServerCertificate", kinds.TEXT, "", "HTTPS_SERVER_CERTIFICATE"
    )
    server_key: str = setting("ServerKey", kinds.TEXT, "", "HTTPS_SERVER_KEY")


@attrs.frozen(kw_only=True)
class UpstreamServer:
    """
    ``UpstreamServer``: the Mender Server.

    :ivar url: scheme, host and perhaps a port, without final slash.
    :ivar ca_certificate: PEM file of authorities to trust besides the system's.
    :ivar insecure_skip_verify: whether its certificate goes unchecked.
    """

    url: str = setting("URL", kinds.ORIGIN, "", "UPSTREAM_SERVER_URL", "UPSTREAM_SERVER")
    ca_certificate: str = setting("CACertificate", kinds.TEXT, "", "UPSTREAM_SERVER_CA_CERTIFICATE")
    insecure_skip_verify: bool = setting(
        "InsecureSkipVerify", kinds.BOOLEAN, False, "UPSTREAM_SERVER_INSECURE_SKIP_VERIFY"
    )


@attrs.frozen(kw_only=True)
class Metrics:
    """``Metrics``: the listener that Prometheus scrapes."""

    enabled: bool = setting("Enabled", kinds.BOOLEAN, False, "METRICS_ENABLED")
    listen: ListenAddress = setting("Listen", kinds.LISTEN_ADDRESS, ":9102", "METRICS_LISTEN")


@attrs.frozen(kw_only=True)
class Proxies:
    """
    The HTTP proxies on the way to the upstreams; their URLs may hold passwords.

    :ivar http: proxy for http upstreams, empty for none.
    :ivar https: proxy for https upstreams, empty for none.
    :ivar no_proxy: hosts and networks reached without one.
    """

    http: str = setting("", kinds.PROXY, "", "HTTP_PROXY", "http_proxy", secret=True)
    https: str = setting("", kinds.PROXY, "", "HTTPS_PROXY", "https_proxy", secret=True)
    no_proxy: tuple[str, ...] = setting("", kinds.TEXTS, [], "NO_PROXY", "no_proxy")


def _limit(key: str, kind: kinds.Kind, default: object, variable: str) -> Any:
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
        "MaxRequestBody", kinds.POSITIVE_SIZE, "1MiB", "LIMITS_MAX_REQUEST_BODY"
    )
    max_connections: int = _limit("MaxConnections", kinds.COUNT, 4096, "LIMITS_MAX_CONNECTIONS")
    header_timeout: float = _limit(
        "HeaderTimeout", kinds.POSITIVE_DURATION, "10s", "LIMITS_HEADER_TIMEOUT"
    )
    idle_timeout: float = _limit(
        "IdleTimeout", kinds.POSITIVE_DURATION, "75s", "LIMITS_IDLE_TIMEOUT"
    )
    body_timeout: float = _limit(
        "BodyTimeout", kinds.POSITIVE_DURATION, "60s", "LIMITS_BODY_TIMEOUT"
    )
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
    drain_timeout: float = _limit("DrainTimeout", kinds.DURATION, "25s", "LIMITS_DRAIN_TIMEOUT")


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
    debug_log: bool = setting("DebugLog", kinds.BOOLEAN, False)
    warnings: tuple[str, ...] = ()
