"""Metrics of certificates and revocation lists: how long they are good for."""

from __future__ import annotations

from collections.abc import Callable

from menderproxy.listen.client_certificate import loggable_name, serial_text
from menderproxy.listen.credentials import Credentials
from menderproxy.listen.reload import Reload
from menderproxy.ops.instruments import Instrument, Values, counter, gauge, gauges


def credential_instruments(reload: Reload, now: Callable[[], float]) -> tuple[Instrument, ...]:
    """
    Give those of a gateway with HTTPS.

    :param now: Unix time.
    """
    return (
        gauge(
            "server_certificate_not_after_timestamp_seconds",
            "When the certificate that devices are shown ends, or one that it comes with.",
            lambda: _server_end(reload.credentials),
        ),
        gauges(
            "client_authority_not_after_timestamp_seconds",
            "When the certificates end that those of devices come from.",
            ("subject", "serial"),
            lambda: _authority_ends(reload.credentials),
        ),
        gauges(
            "revocation_list_next_update_timestamp_seconds",
            "When revocation lists are out of date.",
            ("issuer",),
            lambda: _list_ends(reload.credentials),
        ),
        gauge(
            "revocation_lists_overdue",
            "Revocation lists that are missing, out of date or not in force yet.",
            lambda: len(reload.credentials.revocation.overdue(now())),
        ),
        gauge(
            "reload_success_timestamp_seconds",
            "When certificates, keys and revocation lists were last read without a fault.",
            lambda: reload.succeeded_at,
        ),
        counter(
            "reload_failures_total",
            "Times that certificates, keys or revocation lists could not be used.",
            lambda: reload.failures,
        ),
    )


def _server_end(credentials: Credentials) -> float:
    return min(each.not_valid_after_utc.timestamp() for each in credentials.identity.chain)


def _authority_ends(credentials: Credentials) -> Values:
    authorities = credentials.authorities
    return {
        # Where one follows another, both have the same name.
        (loggable_name(each.subject), serial_text(each.serial_number)): (
            each.not_valid_after_utc.timestamp()
        )
        for each in (() if authorities is None else authorities.certificates)
    }


def _list_ends(credentials: Credentials) -> Values:
    lists = credentials.lists
    return {} if lists is None else {(issuer,): end for issuer, end in lists.expires.items()}
