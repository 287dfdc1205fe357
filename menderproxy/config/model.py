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
from menderproxy.config.declaration import REQUIRED, section, setting
from menderproxy.config.kinds import InventoryValue
from menderproxy.config.units import ListenAddress


@attrs.frozen(kw_only=True)
class ArtifactsCache:
    """
    ``Features.ArtifactsProxy.ArtifactsCache``: artifacts are kept on disk, downloaded once.

    :ivar enabled: needs ``ArtifactsProxy``. ``"ArtifactsCache": true`` is short for
        ``{"Enabled": true}``.
    :ivar path: directory of the cache, for one gateway only.
    :ivar signature_secret: key that signs links, 16 bytes or more in base64, as made by
        ``openssl rand -base64 32``. Gateways that share a name must share it. Without one the
        gateway makes its own.
    :ivar link_expire_duration: how long a link may start downloads.
    :ivar resume_grace: for how long after its expiry a link may continue a download that has begun.
    :ivar hold_timeout: how long a device is kept waiting while the store cannot be reached, before
        its connection is closed.
    :ivar max_size: what the cache may take on disk. Unset: whatever there is.
    :ivar min_free: what the cache leaves free on its disk.
    :ivar artifact_verify_keys: PEM files of public keys. An artifact that none of them has signed
        goes to quarantine as soon as it is complete; only devices that followed the download have
        it then.
    :ivar scrub_interval: how often all artifacts are read again and checked; ``"off"`` for never.
    """

    enabled: bool = setting("Enabled", kinds.BOOLEAN, False, "ARTIFACTS_PROXY_CACHE_ENABLED")
    path: str = setting(
        "Path", kinds.TEXT, "/var/cache/mender-gateway", "ARTIFACTS_PROXY_CACHE_PATH"
    )
    signature_secret: bytes | None = setting(
        "SignatureSecret",
        kinds.SECRET,
        None,
        "ARTIFACTS_PROXY_CACHE_SECRET",
        secret=True,
        since="2.0",
    )
    link_expire_duration: float = setting(
        "LinkExpireDuration",
        kinds.POSITIVE_DURATION,
        "30m",
        "ARTIFACTS_PROXY_CACHE_LINK_EXPIRE_DURATION",
        since="2.0",
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

    :ivar enabled: links to stores are rewritten to the gateway.
    :ivar gateway_url: what devices reach the gateway by; put into the links. Scheme, host name,
        perhaps a port and a plain path; no IPv6 address, user information, query or ``:`` in the
        path, since some devices misread these.
    :ivar domain_whitelist: stores that artifacts may come from, as ``host`` or ``host:port``. An
        entry covers its sub-domains; without a port it covers all of them. The Mender Server's
        own host is always allowed; links to other hosts are left as they are.
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

    :ivar enabled: the plain HTTP listener then answers only whether the gateway is alive and ready.
    :ivar ca_certificate: PEM file of the authorities that devices' certificates come from.
    :ivar blacklist_path: file of certificates to refuse, one hexadecimal serial number a line.
    :ivar crl_path: certificate revocation lists of those authorities, PEM or DER: a file, or a
        directory of files.
    :ivar crl_policy: devices whose authority has no list, or an expired one, are refused
        (``"strict"``) or let in (``"lenient"``). What a list names is refused either way.
    :ivar mender_username: service user that preauthorizes devices at the Mender Server.
    :ivar mender_password: the service user's password.
    :ivar mender_password_file: file that holds the password instead; read again at each login.
    :ivar mender_token: a personal access token, instead of user and password.
    :ivar mender_token_file: file that holds the token instead; read again when the server refuses
        the token.
    :ivar enable_cache: devices that were found accepted are remembered, not asked about each time.
    :ivar insecure_skip_client_expire_after: for how long after its end a device's certificate is
        still accepted; ``true`` for ever. Not for production.
    :ivar require_same_key: a device's certificate and its requests for a token must carry the same
        key.
    :ivar bind_tokens: a device's token counts only together with the certificate key that it was
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
    enable_cache: bool = setting(
        "EnableCache", kinds.BOOLEAN, True, "MTLS_ENABLE_CACHE", since="2.0"
    )
    insecure_skip_client_expire_after: float | None = setting(
        "InsecureSkipClientExpireAfter",
        kinds.GRACE,
        None,
        "MTLS_INSECURE_SKIP_CLIENT_EXPIRE_AFTER",
        since="2.0",
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

    :ivar enabled: whether they do. Either of the two below at the top of the file implies it.
    :ivar system_id: the system's name, one line of text, sent as ``mender_gateway_system_id``.
    :ivar default_inventory: attributes for devices that do not send them: a list of
        ``{"Name": …, "Value": …}``. Values are texts, numbers, or lists of either.
    """

    enabled: bool = setting(
        "Enabled",
        kinds.BOOLEAN,
        False,
        "DEVICE_SYSTEM_ENABLED",
        since="1.1",
        implied_by=("SystemID", "DefaultInventory"),
    )
    system_id: str = setting(
        "SystemID", kinds.TEXT, "", "DEVICE_SYSTEM_ID", root_key="SystemID", since="1.1"
    )
    default_inventory: tuple[InventoryAttribute, ...] = setting(
        "DefaultInventory",
        kinds.OBJECTS,
        [],
        root_key="DefaultInventory",
        items=InventoryAttribute,
        since="1.1",
    )


@attrs.frozen(kw_only=True)
class Features:
    """``Features``: what the gateway does besides passing requests on."""

    artifacts_proxy: ArtifactsProxy = section("ArtifactsProxy", ArtifactsProxy)
    mtls: MutualTLS = section("mTLS", MutualTLS)
    device_system: DeviceSystem = section("DeviceSystem", DeviceSystem)


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
    :ivar header_timeout: for the head of a request to arrive.
    :ivar idle_timeout: between two requests on a connection.
    :ivar body_timeout: for the body of a request to arrive.
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
    drain_delay: float = _limit("DrainDelay", kinds.DURATION, "0s", "LIMITS_DRAIN_DELAY")
    drain_timeout: float = _limit("DrainTimeout", kinds.DURATION, "25s", "LIMITS_DRAIN_TIMEOUT")


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
