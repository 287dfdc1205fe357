"""What there is to install, and which bytes are right."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from random import Random

import attrs

from menderproxy.demo.artifact_store import DemoArtifactStore
from menderproxy.demo.content import Content, sha256
from menderproxy.demo.mender_server import DemoMenderServer, Release

_BUCKET = "hosted-mender-artifacts/soak"
_LINK_LIFETIME = 86400


@attrs.define
class _Artifact:
    release: Release
    length: int
    fetches: int
    versions: list[Content] = attrs.field(factory=list)

    @property
    def key(self) -> str:
        return f"{_BUCKET}/{self.release.artifact_id}"


class Inspection:
    """
    Compares each byte of one download with the artifact, any version of which will do.

    What has come has to be of *one* version from its first byte on, however often the connection
    broke, and whether or not the rest of it ever comes.

    :param versions: all that there ever were; there may be more of them later.
    """

    def __init__(self, versions: Sequence[Content]):
        self._versions = versions
        self._possible: list[Content] = []
        self._spoilt = False

    def spoils(self, offset: int, data: bytes) -> bool:
        """
        Look at bytes that came.

        :param offset: of the first of them in the artifact: as many came before.
        :return: whether these are the first wrong ones; what follows is of no interest.
        """
        if self._spoilt:
            return False
        possible = self._versions if offset == 0 else self._possible
        self._possible = [
            version for version in possible if version.read(offset, len(data)) == data
        ]
        self._spoilt = not self._possible
        return self._spoilt

    def is_whole(self, length: int) -> bool:
        """Whether so many bytes are all, as far as they were right."""
        return self._spoilt or any(version.length == length for version in self._possible)


class Releases:
    """
    The releases of all types of device: one of each is current.

    :param store_url: how the store is called in links.
    :ivar needed: bytes of all artifacts, as often as a faultless gateway fetches them.
    """

    def __init__(self, store: DemoArtifactStore, store_url: str, dice: Random):
        self.needed = 0
        self._store = store
        self._store_url = store_url
        self._dice = dice
        self._artifacts: dict[str, _Artifact] = {}
        self._current: dict[str, str] = {}

    def link(self, release: Release) -> str:
        """Give a fresh link to its artifact in the store."""
        key = self._artifacts[release.artifact_name].key
        return self._store.presign(self._store_url, key, _LINK_LIFETIME)

    def publish(
        self, server: DemoMenderServer, device_type: str, length: int, fetches: int = 1
    ) -> str:
        """
        Order all devices of a type to be brought to a new release; earlier orders are called off.

        :param length: of its artifact, in bytes.
        :param fetches: how often it has to be fetched from the store by a faultless gateway.
        :return: its name.
        """
        for deployment in server.fleet.deployments.values():
            if device_type in deployment.release.device_types:
                deployment.aborted = True
        name = f"{device_type}-{len(self._artifacts)}"
        release = Release(str(uuid.UUID(int=self._dice.getrandbits(128))), name, (device_type,))
        self._artifacts[name] = _Artifact(release, length, fetches)
        self._current[device_type] = name
        self._put(self._artifacts[name])
        server.deploy(release)
        return name

    def overwrite(self, device_type: str) -> str:
        """Put other bytes in the place of the current artifact's; gives its name."""
        artifact = self._artifacts[self._current[device_type]]
        self._put(artifact)
        return artifact.release.artifact_name

    def length(self, name: str) -> int:
        """How many bytes its artifact has."""
        return self._artifacts[name].length

    def is_current(self, device_type: str, name: str) -> bool:
        """Whether a device of that type has what it should have."""
        return self._current.get(device_type) == name

    def inspection(self, name: str) -> Inspection:
        """Watch one download of an artifact."""
        return Inspection(self._artifacts[name].versions)

    def digests(self) -> frozenset[str]:
        """Give the SHA-256 of each version of each artifact."""
        every = self._artifacts.values()
        return frozenset(sha256(version) for artifact in every for version in artifact.versions)

    def _put(self, artifact: _Artifact) -> None:
        artifact.versions.append(self._store.put(artifact.key, artifact.length).content)
        self.needed += artifact.length * artifact.fetches
