"""What the demo server knows of its devices, and which of them get which update."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import attrs

from menderproxy.demo.auth_sets import AuthSet, AuthSets, AuthStatus

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
    A device that has asked for a token, or that is expected to.

    :param identity: canonical JSON text.
    :param auth_sets: its keys, and what has become of them.
    :param offered: the key of its last request for a token.
    :param decommissioning: whether it is being removed: it gets nothing until it is gone.
    :param token: the last one it got.
    :param inventory: attribute values by name.
    :param statuses: every deployment status it reported, oldest first.
    :param log: messages of failed deployments.
    :param configuration: what it reported to be configured to.
    :param deployment_id: of the deployment it was last offered.
    """

    identity: str
    id: str = attrs.field(factory=_new_id)
    auth_sets: AuthSets = attrs.field(factory=AuthSets)
    offered: AuthSet | None = None
    decommissioning: bool = False
    token: str | None = attrs.field(default=None, repr=False)
    inventory: dict[str, object] = attrs.field(factory=dict)
    statuses: list[str] = attrs.field(factory=list)
    log: list[object] = attrs.field(factory=list)
    configuration: dict[str, object] = attrs.field(factory=dict)
    deployment_id: str | None = None

    @property
    def status(self) -> AuthStatus:
        """Where the best of its keys is."""
        return self.auth_sets.status


class RequestChanged(Exception):
    """A device asked for its deployment in another way than the first time."""


class TooManyDevices(Exception):
    """No more devices can be accepted."""


@attrs.define
class Fleet:
    """
    All devices, by identity, and all deployments, oldest first.

    :param device_limit: how many devices can be accepted, ``None`` for no limit.
    """

    devices: dict[str, DemoDevice] = attrs.field(factory=dict)
    deployments: dict[str, Deployment] = attrs.field(factory=dict)
    device_limit: int | None = None

    def meet(self, identity: str) -> DemoDevice:
        """Find the device of that identity, or get to know it."""
        return self.devices.setdefault(identity, DemoDevice(identity))

    def with_id(self, device_id: str) -> DemoDevice | None:
        """Find a device by the id in its token."""
        return next((d for d in self.devices.values() if d.id == device_id), None)

    def accept(self, device: DemoDevice, auth_set: AuthSet) -> None:
        """
        Let a device in with one of its keys.

        :raises TooManyDevices: when that would be one too many.
        """
        if device.status is not AuthStatus.ACCEPTED and self._is_full():
            raise TooManyDevices
        device.auth_sets.accept(auth_set)

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

    def _is_full(self) -> bool:
        accepted = sum(d.status is AuthStatus.ACCEPTED for d in self.devices.values())
        return self.device_limit is not None and accepted >= self.device_limit

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
