"""What the demo server knows of its devices, and which of them get which update."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import attrs

FINAL_STATUSES = frozenset({"success", "failure", "already-installed"})
STATUSES = FINAL_STATUSES | {
    "installing",
    "pause_before_installing",
    "downloading",
    "pause_before_rebooting",
    "rebooting",
    "pause_before_committing",
}


def _new_id() -> str:
    return str(uuid.uuid4())


@attrs.frozen
class Release:
    """
    A version of software that devices can be brought to.

    :param artifact_id: a UUID; usually the last part of the object's key in the store.
    :param artifact_name: what a device that has it reports.
    :param device_types: the types of device it runs on.
    """

    artifact_id: str
    artifact_name: str
    device_types: tuple[str, ...]


@attrs.frozen
class NextRequest:
    """
    How a device asked for an update: it must ask the same way until that one is done.

    :param method: GET or POST.
    :param version: of the API: 1 or 2.
    :param provides: what it has, at least ``device_type`` and ``artifact_name``.
    """

    method: str
    version: int
    provides: Mapping[str, object]


@attrs.define
class Deployment:
    """
    The order to bring every device of some types to a release.

    :param aborted: whether a user has called it off.
    :param first_requests: by device id, how it asked first.
    :param finished: ids of the devices that are through with it, well or badly.
    """

    release: Release
    id: str = attrs.field(factory=_new_id)
    aborted: bool = False
    first_requests: dict[str, NextRequest] = attrs.field(factory=dict)
    finished: set[str] = attrs.field(factory=set)


@attrs.define
class DemoDevice:
    """
    A device that has asked for a token at least once.

    :param identity: canonical JSON text.
    :param pubkey_pem: the key that counts; another one has to be accepted first.
    :param offered_pem: the key of its last request.
    :param status: pending, accepted or rejected.
    :param token: the last one it got.
    :param inventory: attribute values by name.
    :param statuses: every deployment status it reported, oldest first.
    :param log: messages of failed deployments.
    :param configuration: what it reported to be configured to.
    :param deployment_id: of the deployment it was last offered.
    """

    identity: str
    pubkey_pem: str
    offered_pem: str
    id: str = attrs.field(factory=_new_id)
    status: str = "pending"
    token: str | None = attrs.field(default=None, repr=False)
    inventory: dict[str, object] = attrs.field(factory=dict)
    statuses: list[str] = attrs.field(factory=list)
    log: list[object] = attrs.field(factory=list)
    configuration: dict[str, object] = attrs.field(factory=dict)
    deployment_id: str | None = None

    def accept(self) -> None:
        """Let it in with the key it offered last."""
        self.status = "accepted"
        self.pubkey_pem = self.offered_pem

    @property
    def admitted(self) -> bool:
        """Whether its last request for a token deserved one."""
        return self.status == "accepted" and self.pubkey_pem == self.offered_pem


class RequestChanged(Exception):
    """A device asked for its deployment in another way than the first time."""


@attrs.define
class Fleet:
    """
    All devices, by identity, and all deployments, oldest first.
    """

    devices: dict[str, DemoDevice] = attrs.field(factory=dict)
    deployments: dict[str, Deployment] = attrs.field(factory=dict)

    def meet(self, identity: str, pubkey_pem: str) -> DemoDevice:
        """Find the device of that identity, or get to know it."""
        device = self.devices.setdefault(identity, DemoDevice(identity, pubkey_pem, pubkey_pem))
        device.offered_pem = pubkey_pem
        return device

    def with_id(self, device_id: str | None) -> DemoDevice | None:
        """Find a device by the id in its token."""
        return next((d for d in self.devices.values() if d.id == device_id), None)

    def deploy(self, release: Release) -> Deployment:
        """Order all devices that fit, known or still to come, to be brought to *release*."""
        deployment = Deployment(release)
        self.deployments[deployment.id] = deployment
        return deployment

    def next_deployment(self, device: DemoDevice, request: NextRequest) -> Deployment | None:
        """
        Tell what a device has to install next.

        :raises RequestChanged: when it asks otherwise than before; that deployment has failed.
        """
        for deployment in self.deployments.values():
            if self._concerns(deployment, device, request):
                first = deployment.first_requests.setdefault(device.id, request)
                if first != request:
                    self.report(deployment, device, "failure")
                    raise RequestChanged
                device.deployment_id = deployment.id
                return deployment
        return None

    def report(self, deployment: Deployment, device: DemoDevice, status: str) -> None:
        """Take down how far a device has come."""
        device.statuses.append(status)
        if status in FINAL_STATUSES:
            deployment.finished.add(device.id)

    def _concerns(self, deployment: Deployment, device: DemoDevice, request: NextRequest) -> bool:
        release = deployment.release
        if deployment.aborted or device.id in deployment.finished:
            return False
        if request.provides.get("device_type") not in release.device_types:
            return False
        if request.provides.get("artifact_name") == release.artifact_name:
            self.report(deployment, device, "already-installed")
            return False
        return True
