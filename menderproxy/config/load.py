"""From the official file and the environment to one checked :class:`GatewayConfig`."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate, combinations
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import attrs

from menderproxy.config import kinds
from menderproxy.config.declaration import (
    REQUIRED,
    Section,
    Setting,
    catalogue,
    declarations,
    join,
)
from menderproxy.config.features import DeviceSystem, MutualTLS
from menderproxy.config.model import GatewayConfig
from menderproxy.config.units import ListenAddress
from menderproxy.wire.inventory import IS_GATEWAY, MOST_ATTRIBUTES, SYSTEM_ID

DEFAULT_PATH = "/etc/mender/mender-gateway.conf"
"""Where the file is when nobody says otherwise."""

_NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})
_LONGEST_SHOWN = 60
_ALL_SETTINGS = tuple(catalogue(GatewayConfig))
_VARIABLES = {path: declared.environment for path, declared in _ALL_SETTINGS if path}
_PATHS = {part for path in _VARIABLES for part in accumulate(path.split("."), join)}
_ROOT_KEYS = [declared.root_key for _, declared in _ALL_SETTINGS if declared.root_key]
# What in a JSON text opens or closes an object, is a key or another string, or no JSON at all.
_TOKEN = re.compile(r'([{}])|"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:)?|-?Infinity|NaN')

_C = TypeVar("_C", bound=attrs.AttrsInstance)


class ConfigError(Exception):
    """A configuration that cannot be used: one line with source, key, value and reason."""


def load_config(path: str | None = None, environ: Mapping[str, str] | None = None) -> GatewayConfig:
    """
    Read the configuration file and the environment, which wins where both set a value.

    :param path: the file; ``None`` for the usual one, which need not exist when the environment
        says enough.
    :param environ: ``None`` for the environment of this process.
    :raises ConfigError: when the gateway cannot run with what they say.
    """
    environment = os.environ if environ is None else environ
    source = DEFAULT_PATH if path is None else path
    try:
        content = Path(source).read_bytes()
    except FileNotFoundError as error:
        if path is not None:
            raise ConfigError(f"{source}: cannot be read: {error.strerror}") from None
        return parse_config({}, environment, f"{source} (no such file)")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{source}: cannot be read: {reason}") from None
    return parse_config(_parse_json(content, source), environment, source)


def parse_config(
    document: Mapping[str, object],
    environ: Mapping[str, str] = _NO_ENVIRONMENT,
    source: str = "configuration",
) -> GatewayConfig:
    """
    Make a configuration of what a file would hold.

    :param document: the object in the file.
    :param environ: environment variables; none unless given.
    :param source: what to call the document in errors and warnings.
    :raises ConfigError: when the gateway cannot run with what they say.
    """
    reader = _Reader(source, environ)
    config = reader.gateway(document)
    for path, reason in _contradictions(config):
        raise ConfigError(f"{source}: {path}: {reason}")
    remarks = [f"{source}: {path}: {remark}" for path, remark in _remarks(config)]
    warnings = [*reader.warnings, *_misspelt_variables(environ), *remarks]
    return attrs.evolve(config, warnings=tuple(warnings))


def _parse_json(content: bytes, source: str) -> Mapping[str, object]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{source}: line {line}: not UTF-8 text") from None
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise _at(source, text, error.pos, error.msg) from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{source}: a number is too long or objects nest too deeply") from None
    _refuse_lenient_json(source, text)
    if not isinstance(document, dict):
        raise _at(source, text, 0, "expected an object in braces at the top")
    return document


def _refuse_lenient_json(source: str, text: str) -> None:
    """Find what Python's parser lets through: keys given twice, and NaN and Infinity."""
    objects: list[set[str]] = []
    for token in _TOKEN.finditer(text):
        brace, string, colon = token.groups()
        if brace == "{":
            objects.append(set())
        elif brace == "}":
            objects.pop()
        elif string is None:
            raise _at(source, text, token.start(), f"{token[0]} is not a JSON number")
        elif colon:
            key = json.loads(f'"{string}"')
            if key in objects[-1]:
                raise _at(source, text, token.start(), f"{_one_line(repr(key))} is given twice")
            objects[-1].add(key)


def _at(source: str, text: str, position: int, reason: str) -> ConfigError:
    where = json.JSONDecodeError("", text, position)
    return ConfigError(f"{source}: line {where.lineno} column {where.colno}: {reason}")


@attrs.define
class _Reader:
    """Reads sections by what their fields declare, and collects warnings."""

    source: str
    environ: Mapping[str, str]
    warnings: list[str] = attrs.field(factory=list)
    _root: Mapping[str, object] = attrs.field(factory=dict)

    def gateway(self, document: Mapping[str, object]) -> GatewayConfig:
        """Read the whole document."""
        keys = [declared.key for _, declared in declarations(GatewayConfig)]
        self._root = self._entries(document, [*keys, *_ROOT_KEYS], "")
        return self._fields(GatewayConfig, self._root, "")

    def _section(self, cls: type[_C], given: object, path: str) -> _C:
        if not isinstance(given, Mapping):
            # Whatever stands there instead may have a password in it.
            raise ConfigError(f"{self.source}: {path}: expected an object in braces")
        keys = [declared.key for _, declared in declarations(cls)]
        return self._fields(cls, self._entries(given, keys, path), path)

    def _entries(
        self, given: Mapping[str, object], keys: list[str], path: str
    ) -> Mapping[str, object]:
        """Index a section by lower-case key: capitals make no difference to the original."""
        known = {key.lower(): key for key in keys if key}
        entries: dict[str, object] = {}
        for key, value in given.items():
            where = f"{self.source}: {join(path, _one_line(key))}"
            if key.lower() in entries:
                raise ConfigError(f"{where}: given twice, differing in capitals")
            entries[key.lower()] = value
            if key.lower() not in known:
                self.warnings.append(f"{where}: unknown key{_suggestion(key.lower(), known)}")
        return {key: entries[key] for key in entries if key in known and entries[key] is not None}

    def _fields(self, cls: type[_C], entries: Mapping[str, object], path: str) -> _C:
        values: dict[str, object] = {}
        for name, declared in declarations(cls):
            below = join(path, declared.key)
            if isinstance(declared, Section):
                given = entries.get(declared.key.lower(), {})
                if isinstance(given, bool) and declared.switch:
                    given = {declared.switch: given}
                values[name] = self._section(declared.cls, given, below)
                continue
            found = self._from_environment(declared) or self._from_file(declared, entries, below)
            if found:
                values[name] = _agreed(found, declared)
            elif declared.default is REQUIRED:
                raise ConfigError(f"{self.source}: {below}: not set")
            elif any(self._root.get(key.lower()) for key in declared.implied_by):
                values[name] = True
        return cls(**values)

    def _from_environment(self, declared: Setting) -> dict[str, object]:
        """Give the value of each variable that is set, by where it is."""
        return {
            f"environment: {name}": _read(
                declared.kind.from_text, f"environment: {name}", self.environ[name], declared
            )
            for name in declared.environment
            if name in self.environ and not _is_blank(self.environ[name], declared)
        }

    def _from_file(
        self, declared: Setting, entries: Mapping[str, object], path: str
    ) -> dict[str, object]:
        """Give the value at each key that is present, by where it is."""
        given = {
            path: entries.get(declared.key.lower()),
            declared.root_key: self._root.get(declared.root_key.lower()),
        }
        found: dict[str, object] = {}
        for key, value in given.items():
            if value is not None and not _is_blank(value, declared):
                where = f"{self.source}: {key}"
                found[where] = _read(declared.kind.from_json, where, value, declared)
                if declared.items is not None:
                    found[where] = self._items(declared.items, found[where], key)
        return found

    def _items(self, cls: type[attrs.AttrsInstance], given: object, path: str) -> object:
        assert isinstance(given, tuple)
        return tuple(self._section(cls, each, f"{path}[{i}]") for i, each in enumerate(given))


def _is_blank(value: object, declared: Setting) -> bool:
    """Empty text sets nothing; but an empty secret is one that got lost on its way."""
    meant = declared.kind is kinds.SECRET or declared.default is REQUIRED
    return value == "" and not meant


def _read(read: Callable[[Any], object], where: str, value: object, declared: Setting) -> object:
    try:
        return read(value)
    except ValueError as error:
        raise _refusal(where, value, str(error), secret=declared.secret) from None


def _agreed(found: Mapping[str, object], declared: Setting) -> object:
    """Give the value that all spellings of a setting have in common."""
    (first, value), *others = found.items()
    for where, other in others:
        # Of HTTP_PROXY and http_proxy the first one counts, as in other programs.
        if other != value and where.lower() != first.lower():
            raise _refusal(where, other, f"not the same as {first}", secret=declared.secret)
    return value


def _refusal(where: str, value: object, reason: str, *, secret: bool = False) -> ConfigError:
    shown = repr(value)
    # A URL with user information or a query in it may hold a password or a signature.
    if secret or "@" in shown or "?" in shown:
        return ConfigError(f"{where}: {reason}")
    return ConfigError(f"{where}: {_one_line(shown)}: {reason}")


def _one_line(text: str) -> str:
    bare = text if text.isprintable() else repr(text)
    return bare if len(bare) <= _LONGEST_SHOWN else bare[: _LONGEST_SHOWN - 3] + "..."


def _suggestion(key: str, known: Mapping[str, str]) -> str:
    """Name what an unknown key may have been meant for: a near one, or that one elsewhere."""
    elsewhere = [path for path in _PATHS if path.rpartition(".")[2].lower() == key]
    near = [known[name] for name in difflib.get_close_matches(key, known, n=1)]
    meant = near or (elsewhere if len(elsewhere) == 1 else [])
    return f", did you mean {meant[0]}?" if meant else ""


def _misspelt_variables(environ: Mapping[str, str]) -> Iterator[str]:
    known = [name for _, declared in _ALL_SETTINGS for name in declared.environment]
    for name in sorted(set(environ).difference(known)):
        for near in difflib.get_close_matches(name, known, n=1, cutoff=0.9):
            yield f"environment: {_one_line(name)}: unknown variable, did you mean {near}?"


def _unset(path: str, because: str) -> tuple[str, str]:
    return path, f"not set, but {because} (environment: {_VARIABLES[path][0]})"


def _contradictions(config: GatewayConfig) -> Iterator[tuple[str, str]]:
    """Find what no single value shows to be wrong, as paths and reasons."""
    yield from _listener_contradictions(config)
    if not config.upstream_server.url:
        yield _unset("UpstreamServer.URL", "the gateway needs a Mender Server")
    proxy, mtls = config.features.artifacts_proxy, config.features.mtls
    if proxy.artifacts_cache.enabled and not proxy.enabled:
        cache = "Features.ArtifactsProxy.ArtifactsCache.Enabled"
        yield cache, "needs Features.ArtifactsProxy.Enabled"
    if proxy.enabled and not proxy.gateway_url:
        yield _unset("Features.ArtifactsProxy.GatewayURL", "Features.ArtifactsProxy is enabled")
    if mtls.enabled and not mtls.ca_certificate:
        yield _unset("Features.mTLS.CACertificate", "Features.mTLS is enabled")
    yield from _credential_contradictions(mtls)
    if config.features.device_system.enabled:
        yield from _inventory_contradictions(config.features.device_system)


def _credential_contradictions(mtls: MutualTLS) -> Iterator[tuple[str, str]]:
    exclusive = (
        ("MenderPassword", mtls.mender_password, "MenderPasswordFile", mtls.mender_password_file),
        ("MenderToken", mtls.mender_token, "MenderTokenFile", mtls.mender_token_file),
        ("MenderUsername", mtls.mender_username, "MenderToken", mtls.mender_token),
        ("MenderUsername", mtls.mender_username, "MenderTokenFile", mtls.mender_token_file),
    )
    for key, value, other_key, other in exclusive:
        if mtls.enabled and value and other:
            yield f"Features.mTLS.{other_key}", f"set besides {key}: one of them is enough"


def _inventory_contradictions(system: DeviceSystem) -> Iterator[tuple[str, str]]:
    """Find what would spoil the inventory of every device."""
    path = "Features.DeviceSystem.DefaultInventory"
    reasons = {
        SYSTEM_ID: "set Features.DeviceSystem.SystemID instead",
        IS_GATEWAY: "every device would pass for a gateway",
    }
    for i, attribute in enumerate(system.default_inventory):
        if attribute.name in reasons:
            reason = reasons[attribute.name]
            yield f"{path}[{i}].Name", f"{_one_line(repr(attribute.name))}: {reason}"
        reasons[attribute.name] = "given twice"
    number = len(system.default_inventory) + (1 if system.system_id else 0)
    if number > MOST_ATTRIBUTES:
        together = " together with SystemID" if system.system_id else ""
        most = f"the server takes no more than {MOST_ATTRIBUTES} of a device"
        yield path, f"{number} attributes{together}, {most}"


def _listener_contradictions(config: GatewayConfig) -> Iterator[tuple[str, str]]:
    http, https, metrics = config.http, config.https, config.metrics
    if not http.enabled and not https.enabled:
        yield "HTTP.Enabled", "neither HTTP nor HTTPS is enabled, so no device gets in"
    if https.enabled and not https.server_certificate:
        yield _unset("HTTPS.ServerCertificate", "HTTPS is enabled")
    if https.enabled and not https.server_key:
        yield _unset("HTTPS.ServerKey", "HTTPS is enabled")
    listeners = [
        ("HTTP", http.enabled, http.listen),
        ("HTTPS", https.enabled, https.listen),
        ("Metrics", metrics.enabled, metrics.listen),
    ]
    enabled = [(key, address) for key, enabled, address in listeners if enabled]
    for (key, address), (other_key, other) in combinations(enabled, 2):
        if _clash(address, other):
            yield f"{other_key}.Listen", f"{other} is taken by {key}.Listen, {address}"


def _clash(one: ListenAddress, other: ListenAddress) -> bool:
    hosts = {one.host, other.host}
    any_host = not hosts.isdisjoint({"", "0.0.0.0", "::"})
    return one.port == other.port != 0 and (len(hosts) == 1 or any_host)


def _remarks(config: GatewayConfig) -> Iterator[tuple[str, str]]:
    """Find what works but is hardly meant or not safe, as paths and remarks."""
    if config.upstream_server.insecure_skip_verify:
        yield "UpstreamServer.InsecureSkipVerify", "anybody can pose as the Mender Server"
    version = config.https.minimum_tls_version if config.https.enabled else ""
    if version in ("1.0", "1.1"):
        yield "HTTPS.MinimumTLSVersion", f"TLS {version} is insecure"
    if version == "1.3":
        yield "HTTPS.MinimumTLSVersion", "locks out Zephyr devices, which speak TLS 1.2 only"
    yield from _feature_remarks(config)


def _feature_remarks(config: GatewayConfig) -> Iterator[tuple[str, str]]:
    features = config.features
    mtls, system = features.mtls, features.device_system
    if mtls.enabled and mtls.insecure_skip_client_expire_after is not None:
        path = "Features.mTLS.InsecureSkipClientExpireAfter"
        yield path, "devices get in with certificates that have expired"
    proxy = features.artifacts_proxy
    if mtls.enabled and proxy.enabled and proxy.gateway_url.startswith("http:"):
        path = "Features.ArtifactsProxy.GatewayURL"
        yield path, "devices get no artifact over http while Features.mTLS is enabled"
    if mtls.enabled and not config.https.enabled:
        yield "Features.mTLS.Enabled", "no device gets in while HTTPS is not enabled"
    if mtls.enabled and not (mtls.mender_token or mtls.mender_token_file):
        if not mtls.mender_username:
            yield _unset("Features.mTLS.MenderUsername", "devices cannot be preauthorized without")
        if not (mtls.mender_password or mtls.mender_password_file):
            yield _unset("Features.mTLS.MenderPassword", "devices cannot be preauthorized without")
    if (system.system_id or system.default_inventory) and not system.enabled:
        yield "Features.DeviceSystem", "has no effect while Enabled is not true"
    if system.enabled and not (system.system_id or system.default_inventory):
        yield "Features.DeviceSystem", "has no effect without SystemID or DefaultInventory"
