"""Tests: real devices with certificates are let in without a human; others are not heard of."""

from __future__ import annotations

from collections import Counter

from cryptography import x509

from menderproxy.demo.auth_sets import AuthStatus

from .certificates import KEY_TYPES
from .device import Device
from .installation import Installation
from .network import mac_address
from .processes import until
from .testcase import EndToEndTestCase

MIB = 1 << 20
AUTH_REQUESTS = "/api/devices/v1/authentication/auth_requests"
# Often enough to see that it does not help to try again.
TRIES = 3


class AcceptedTests(EndToEndTestCase):
    """A certificate of the authority is all that a device needs, unless a human says no."""

    async def test_update(self) -> None:
        """Devices with keys of every type are accepted, and updated, and nobody helps them."""
        tls = await self.mutual_tls()
        site = await self.install(mutual_tls=tls)
        certificates = [await tls.authority.issue(key_type) for key_type in KEY_TYPES]
        devices = [
            await self.start(site, number, certificate)
            for number, certificate in enumerate(certificates, 1)
        ]
        for device, certificate in zip(devices, certificates, strict=True):
            await site.connected(device)
            self.assertEqual(keys(site, device), {certificate.pubkey: AuthStatus.ACCEPTED})
            self.assertEqual(certificate.x509.version, x509.Version.v1)
        calls = Counter(call.path.rpartition("/")[2] for call in site.server.management_calls)
        self.assertEqual(calls, {"login": 1, "devices": 3})
        artifact = await site.release("release-1", 8 * MIB)
        site.deploy(artifact)
        await self.assert_updated(site, artifact, devices)
        self.assert_downloaded_once(site, artifact)

    async def test_another_key(self) -> None:
        """A device may ask for its token with another key than its certificate's."""
        tls = await self.mutual_tls()
        site = await self.install(mutual_tls=tls)
        certificate, key = await tls.authority.issue(), await tls.authority.issue("rsa2048")
        device = await self.start(site, 1, certificate, key.key)
        await site.connected(device)
        self.assertEqual(keys(site, device), {key.pubkey: AuthStatus.ACCEPTED})

    async def test_rotated(self) -> None:
        """A device that comes back with a new key and a new certificate goes on as before."""
        tls = await self.mutual_tls()
        site = await self.install(mutual_tls=tls)
        old, new = await tls.authority.issue(), await tls.authority.issue()
        async with site.device(1, old) as device:
            known = await site.connected(device)
            self.assertEqual(keys(site, device), {old.pubkey: AuthStatus.ACCEPTED})
        device = await self.start(site, 1, new)
        rotated = {old.pubkey: AuthStatus.REJECTED, new.pubkey: AuthStatus.ACCEPTED}
        await until(self.reactor, lambda: keys(site, device) == rotated, "the new key is accepted")
        known.inventory.clear()
        await site.connected(device)

    async def test_rejected(self) -> None:
        """A device that a human has rejected stays out, however often it tries."""
        tls = await self.mutual_tls()
        site = await self.install(mutual_tls=tls)
        certificate = await tls.authority.issue()
        device = await self.start(site, 1, certificate)
        await site.connected(device)
        site.server.reject(device.identity)
        before = len(site.server.requests)

        def tries() -> int:
            return sum(seen.path == AUTH_REQUESTS for seen in site.server.requests[before:])

        await until(self.reactor, lambda: tries() >= TRIES, "the device tries again")
        self.assertEqual(keys(site, device), {certificate.pubkey: AuthStatus.REJECTED})
        await site.logged("preauthorization respected: ")


class RefusedTests(EndToEndTestCase):
    """The Mender Server does not hear of a device that the gateway refuses."""

    async def test_certificates(self) -> None:
        """With no certificate, or a bad one, a device gets nowhere, and the log says why."""
        # Two authorities of the same name.
        tls, foreign = await self.mutual_tls(), await self.mutual_tls()
        blacklisted = await tls.authority.issue()
        tls.revoke(blacklisted)
        site = await self.install(mutual_tls=tls)
        refused = {
            "no_certificate": await self.start(site, 1),
            "bad_signature": await self.start(site, 2, await foreign.authority.issue()),
            "expired": await self.start(site, 3, await tls.authority.issue(days=-1)),
            "blacklisted": await self.start(site, 4, blacklisted),
        }
        for reason, device in refused.items():
            await site.logged(f'refused: {reason}: .* from={device.address}"', TRIES)
        self.assertEqual(site.server.requests, [])
        # It would have heard them.
        await site.connected(await self.start(site, 5, await tls.authority.issue()))

    async def test_another_key(self) -> None:
        """Where keys must be the same, a device with another one gets 401 from the gateway."""
        tls = await self.mutual_tls(same_key=True)
        site = await self.install(mutual_tls=tls)
        certificate, key = await tls.authority.issue(), await tls.authority.issue()
        device = await self.start(site, 1, certificate, key.key)
        refusal = f"path={AUTH_REQUESTS} status=401 .* from={device.address} "
        await site.logged(refusal, TRIES)
        await site.logged("refused: a token for .* its key is not that of the certificate")
        self.assertEqual(site.server.requests, [])
        await site.connected(await self.start(site, 2, certificate))

    async def test_blacklisted_while_connected(self) -> None:
        """A device whose certificate is blacklisted is cut, and does not come in again."""
        tls = await self.mutual_tls()
        site = await self.install(mutual_tls=tls)
        bad, good = await tls.authority.issue(), await tls.authority.issue()
        device, other = await self.start(site, 1, bad), await self.start(site, 2, good)
        for each in (device, other):
            await site.connected(each)
        tls.revoke(bad)
        refusal = f'refused: blacklisted: .* from={device.address}"'
        await site.logged(refusal)
        before, of_other = heard(site, device), heard(site, other)
        await site.logged(refusal, TRIES)
        await until(self.reactor, lambda: heard(site, other) > of_other, "the other goes on")
        self.assertEqual(heard(site, device), before)


def keys(site: Installation, device: Device) -> dict[str, AuthStatus]:
    """Give all keys by which the server knows a device, and what has become of them."""
    return {each.pubkey: each.status for each in site.server.devices[device.identity].auth_sets}


def heard(site: Installation, device: Device) -> int:
    """Count the requests that the server has got from a device, by its token or its address."""
    token = [f"Bearer {site.server.devices[device.identity].token}"]
    mac = mac_address(device.number).encode()
    return sum(
        seen.headers.getRawHeaders("authorization") == token or mac in seen.body
        for seen in site.server.requests
    )
