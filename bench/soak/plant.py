"""Everything there is: Mender Server, store, proxy, name server, gateway, disk, fleet."""

from __future__ import annotations

import os
import time
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from twisted.web.server import Site

from bench.soak.certified import Certified
from bench.soak.clock import Clock
from bench.soak.device import Circumstances, Device
from bench.soak.disk import Disk
from bench.soak.door import Door
from bench.soak.findings import Findings
from bench.soak.gateway import Gateway
from bench.soak.names import Names
from bench.soak.proxy import ConnectProxy
from bench.soak.releases import Releases
from bench.soak.reluctance import Reluctance
from menderproxy.demo.artifact_store import DemoArtifactStore
from menderproxy.demo.certificates import ThrowAwayAuthority
from menderproxy.demo.mender_server import DemoMenderServer
from menderproxy.demo.network import LOOPBACK, free_port
from menderproxy.demo.sessions import Sessions
from menderproxy.upstream.tls import TrustRoots, VerifiedHost

SERVER, STORE = "server.soak.test", "store.soak.test"
TYPES = tuple(f"type{number}" for number in range(8))
CACHE_SIZE = 24 << 20
DISK_SIZE = 32 << 20
TOO_LARGE = 0.04
"""The part of all artifacts that is larger than the cache may be."""

_USER, _PASSWORD = "gateway@soak.test", "a password for this run only"


class Plant:
    """
    All of it, set up in one directory.

    :param fleet: how many devices there are.
    :param dice: decides whatever is left to chance.
    :ivar refused: devices on the blacklist.
    """

    def __init__(self, reactor: Any, directory: Path, fleet: int, findings: Findings, dice: Random):
        self.reactor = reactor
        self.directory = directory
        self.circumstances = Circumstances()
        self.findings = findings
        self.dice = dice
        self.refused: set[Device] = set()
        self._authority = ThrowAwayAuthority.create("Soak")
        trust = TrustRoots([self._authority.certificate], system=False)
        self._host = VerifiedHost(LOOPBACK, trust)
        self._url = f"https://{LOOPBACK}:{free_port(0)}"
        self._probe_port = free_port(0)
        self.clock = Clock(directory)
        self.disk = Disk(directory / "disk", DISK_SIZE)
        self._write_files()
        self._open_upstreams()
        self.gateway = self._gateway()
        self.devices = [self._device(number) for number in range(fleet)]

    def _write_files(self) -> None:
        (self.directory / "ca.pem").write_bytes(self._authority.certificate_pem)
        self.show_new_certificate()
        self.write_blacklist()

    def _open_upstreams(self) -> None:
        tls = self._authority.issue(SERVER, STORE).server_options()
        self.store = DemoArtifactStore(self.reactor, now=time.time)
        self.store_door = Door(self.reactor, Site(self.store, reactor=self.reactor), tls)
        self.store_door.open()
        store_url = f"https://{STORE}:{self.store_door.port}"
        self.releases = Releases(self.store, store_url, self.dice)
        self.server = DemoMenderServer(
            link=self.releases.link, auto_accept=False, sessions=Sessions({_USER: _PASSWORD})
        )
        self.reluctance = Reluctance(self.server)
        site = Site(self.reluctance, reactor=self.reactor)
        self.server_door = Door(self.reactor, site, tls)
        self.server_door.open()
        proxy = ConnectProxy(self.reactor, {SERVER: self.server_door.port})
        self.proxy_door = Door(self.reactor, proxy)
        self.proxy_door.open()
        self.names = Names(self.reactor, STORE)

    def start(self) -> None:
        """Mount the disk, and answer look-ups; the gateway has yet to be started."""
        self.names.start(self.directory / "resolv.conf")
        self.disk.mount()

    async def stop(self) -> None:
        """Leave nothing behind but the directory; the gateway has ended."""
        for device in self.devices:
            await device.leave()
        for door in (self.store_door, self.server_door, self.proxy_door):
            await door.shut()
        await self.names.stop()
        self.disk.unmount()

    def publish(self, device_type: str) -> str:
        """Let there be a new release for a type of device."""
        if self.dice.random() < TOO_LARGE:
            # It flows past the cache, to each device by itself.
            share = sum(device.device_type == device_type for device in self.devices)
            return self.releases.publish(self.server, device_type, CACHE_SIZE + 1, share)
        length = int(self.dice.uniform(0.2, 6) * (1 << 20))
        return self.releases.publish(self.server, device_type, length)

    def show_new_certificate(self) -> None:
        """Replace the gateway's certificate and key."""
        new = self.directory / "new"
        new.mkdir(exist_ok=True)
        certificate, key = self._authority.issue(LOOPBACK).write(new)
        os.replace(key, self.directory / "key.pem")
        os.replace(certificate, self.directory / "certificate.pem")

    def refuse(self, device: Device) -> None:
        """Put a device on the blacklist."""
        self.refused.add(device)
        self.write_blacklist()
        device.revoked_since = self.reactor.seconds()

    def pardon(self, device: Device) -> None:
        """Take a device off the blacklist."""
        self.refused.discard(device)
        self.write_blacklist()
        device.revoked_since = None

    def excuse_refusals(self) -> None:
        """For some time from now on a device may be told that a link is no good."""
        self.circumstances.refused_at = self.reactor.seconds()

    def wrong_files(self) -> list[Path]:
        """Give the files of finished artifacts that no version of any artifact is like."""
        right = self.releases.digests()
        objects = (self.disk.path / "cache" / "objects").glob("??/*")
        finished = [path for path in objects if path.suffix != ".json"]
        return [path for path in finished if sha256(path.read_bytes()).hexdigest() not in right]

    @property
    def gateway_port(self) -> int:
        """Where devices connect to."""
        return int(self._url.rpartition(":")[2])

    def write_blacklist(self) -> None:
        """Put those on it that are refused now."""
        lines = [f"{device.serial_number:x}\n" for device in self.refused]
        unfinished = self.directory / "blacklist.new"
        unfinished.write_text("".join(lines))
        os.replace(unfinished, self.directory / "blacklist")

    def _gateway(self) -> Gateway:
        environment = {
            "HTTPS_PROXY": f"http://{LOOPBACK}:{self.proxy_door.port}",
            "NO_PROXY": STORE,
            **self.clock.environment(),
        }

        def died(how: str) -> None:
            self.findings.violation("the gateway does not die by itself", how)

        return Gateway(
            self.reactor,
            self.directory,
            self._configuration(),
            environment,
            died,
        )

    def _configuration(self) -> dict[str, object]:
        path = {name: str(self.directory / name) for name in os.listdir(self.directory)}
        cache = {
            "Enabled": True,
            "Path": str(self.disk.path / "cache"),
            "MaxSize": CACHE_SIZE,
        }
        proxy = {
            "Enabled": True,
            "GatewayURL": self._url,
            "DomainWhitelist": [STORE, LOOPBACK],
            "ArtifactsCache": cache,
        }
        mutual = {
            "Enabled": True,
            "CACertificate": path["ca.pem"],
            "BlacklistPath": path["blacklist"],
            "MenderUsername": _USER,
            "MenderPassword": _PASSWORD,
        }
        return {
            "Features": {"ArtifactsProxy": proxy, "mTLS": mutual},
            "HTTP": {"Enabled": True, "Listen": f"{LOOPBACK}:{self._probe_port}"},
            "HTTPS": {
                "Enabled": True,
                "Listen": self._url.removeprefix("https://"),
                "ServerCertificate": path["certificate.pem"],
                "ServerKey": path["key.pem"],
            },
            "UpstreamServer": {
                "URL": f"https://{SERVER}",
                "CACertificate": path["ca.pem"],
            },
            # Short ones: hours of patience can't be watched in minutes.
            "Limits": {
                "HeaderTimeout": "5s",
                "IdleTimeout": "20s",
                "BodyTimeout": "5s",
                "WriteStall": "8s",
                "UpstreamConnectTimeout": "4s",
                "UpstreamResponseTimeout": "5s",
                "UpstreamIdleTimeout": "5s",
                "DrainTimeout": "3s",
            },
        }

    def _device(self, number: int) -> Device:
        credentials = self._authority.issue(f"device-{number}")
        return Device(
            self.reactor,
            number,
            TYPES[number % len(TYPES)],
            self._url,
            Certified(self._host, credentials),
            self.releases,
            self.circumstances,
            self.findings,
            Random(self.dice.getrandbits(64)),
        )
