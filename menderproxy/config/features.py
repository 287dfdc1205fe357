"""The section ``Features``: what the gateway does besides passing requests on."""

# ruff: noqa: RUF009 (setting() and section() give attrs fields, not shared defaults)

from __future__ import annotations

import attrs

from menderproxy.config import kinds
from menderproxy.config.declaration import REQUIRED, section, setting
from menderproxy.config.kinds import InventoryValue


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
    :ivar max_uplink_rate: bytes a second that all downloads from stores together may take of the
        line; the rest is for the device API. 0 for as many as come.
    :ivar max_downloads: how many artifacts may come in at once; others wait in the order they were
        asked for. 0 for any number.
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
    max_uplink_rate: int = setting(
        "MaxUplinkRate",
        kinds.SIZE,
        0,
        "ARTIFACTS_PROXY_CACHE_MAX_UPLINK_RATE",
        extension=True,
    )
    max_downloads: int = setting(
        "MaxDownloads", kinds.NUMBER, 0, "ARTIFACTS_PROXY_CACHE_MAX_DOWNLOADS", extension=True
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
