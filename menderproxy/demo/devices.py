"""Devices that never existed, asking for updates as real Mender clients do."""

from __future__ import annotations

import json
from typing import Any

import attrs
from cryptography import x509
from twisted.internet.task import deferLater
from twisted.web import http
from twisted.web.http_headers import Headers

from menderproxy.demo import go_json
from menderproxy.demo.device_client import BROKEN, Answer, DeviceClient
from menderproxy.demo.device_keys import DeviceKey
from menderproxy.demo.download import Download, DownloadError

_NEXT = "deployments/device/deployments/next"


class DeviceError(Exception):
    """The server answered a device's call in a way that the device can't live with."""


@attrs.frozen
class Instructions:
    """
    What a device is told to install.

    :param uri: the link; whoever has it may download.
    """

    deployment_id: str
    artifact_name: str
    uri: str = attrs.field(repr=False)

    @classmethod
    def parse(cls, body: bytes, device_type: str) -> Instructions:
        """
        Read an answer of the deployments API, as strictly as the Go client does.

        :raises DeviceError: when something is missing, or meant for another type of device.
        """
        try:
            answer = json.loads(body)
            artifact = answer["artifact"]
            compatible = artifact["device_types_compatible"]
            name, uri = artifact["artifact_name"], artifact["source"]["uri"]
            instructions = cls(answer["id"], name, uri)
        except (ValueError, KeyError, TypeError) as error:
            raise DeviceError("malformed deployment instructions") from error
        if device_type not in compatible:
            raise DeviceError(f"{name} is not for a {device_type}")
        return instructions


class SimulatedDevice:
    """
    A device with a key, an inventory and the habits of the Go client 3.4.

    :param reactor: for connections and pauses.
    :param server_url: of the Mender Server, or the gateway in front of it.
    :param authority: the certificate authority in the device's configuration.
    :param mac: its identity.
    :param device_type: what releases are chosen by.
    :param artifact_name: the software it starts with.
    :param key: made anew when not given.
    :param tenant_token: sent along with each auth request, if any.
    :param poll_interval: seconds between requests for a token while none is given.
    :param retry_pause: seconds before a broken download is resumed; real clients wait a minute.

    :ivar download: the one under way, or the last one.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        server_url: str,
        authority: x509.Certificate,
        mac: str,
        device_type: str,
        artifact_name: str = "factory",
        key: DeviceKey | None = None,
        tenant_token: str | None = None,
        poll_interval: float = 1.0,
        retry_pause: float = 1.0,
    ):
        self.mac = mac
        self.device_type = device_type
        self.artifact_name = artifact_name
        self.download: Download | None = None
        self._reactor = reactor
        self._api = f"{server_url.rstrip('/')}/api/devices"
        self._client = DeviceClient(reactor, authority)
        self._key = DeviceKey.generate() if key is None else key
        self._tenant_token = tenant_token
        self._poll_interval = poll_interval
        self._retry_pause = retry_pause
        self._token: str | None = None

    @property
    def identity(self) -> str:
        """Canonical JSON, as the demo server knows it by."""
        return go_json.dumps({"mac": self.mac})

    async def update(self) -> Instructions | None:
        """
        Go once through all that a device does: token, inventory, poll, download, reports.

        :return: what was installed, or ``None`` when there was nothing to install.
        :raises DownloadError: when the download failed, which has been reported by then.
        """
        await self.authenticate()
        await self.send_inventory()
        instructions = await self.next_deployment()
        if instructions is None:
            return None
        await self.install(instructions)
        await self.send_inventory()
        return instructions

    async def authenticate(self) -> None:
        """Ask for a token until there is one."""
        while not await self.request_token():
            await deferLater(self._reactor, self._poll_interval)

    async def request_token(self) -> bool:
        """Ask for a token once, and tell whether it was given."""
        fields = {"id_data": self.identity, "pubkey": self._key.pubkey_pem}
        headers = Headers()
        if self._tenant_token is not None:
            fields["tenant_token"] = self._tenant_token
            headers.addRawHeader(b"Authorization", f"Bearer {self._tenant_token}".encode())
        # Go's encoder ends its output with a newline, and the signature covers that, too.
        body = go_json.dumps(fields).encode() + b"\n"
        headers.addRawHeader(b"X-Men-Signature", self._key.sign(body).encode())
        url = f"{self._api}/v1/authentication/auth_requests"
        try:
            answer = await self._client.call(b"POST", url, headers, body, chunked=False)
        except BROKEN:
            return False
        if answer.status == http.OK:
            self._token = answer.body.decode("ascii")
        return answer.status == http.OK

    async def send_inventory(self) -> None:
        """
        Replace the inventory on the server.

        :raises DeviceError: when it is refused.
        """
        attributes = {
            "artifact_name": self.artifact_name,
            "device_type": self.device_type,
            "mac_eth0": self.mac,
            "ipv4_eth0": ["127.0.0.1/8"],
        }
        body = [{"name": name, "value": value} for name, value in attributes.items()]
        answer = await self._call(b"PUT", "v1/inventory/device/attributes", body)
        _expect(answer, http.OK, "inventory")

    async def next_deployment(self) -> Instructions | None:
        """
        Ask for an update: by the second version of the API, then by both ways of the first.

        :raises DeviceError: when the answer is an error, or malformed.
        """
        provides = {"artifact_name": self.artifact_name, "device_type": self.device_type}
        asked = {"device_provides": provides, "update_control_map": True}
        answer = await self._call(b"POST", f"v2/{_NEXT}", asked)
        if answer.status == http.NOT_FOUND:
            answer = await self._call(b"POST", f"v1/{_NEXT}", provides)
        if answer.status == http.NOT_FOUND:
            query = f"artifact_name={self.artifact_name}&device_type={self.device_type}"
            answer = await self._call(b"GET", f"v1/{_NEXT}?{query}")
        if answer.status == http.NO_CONTENT:
            return None
        _expect(answer, http.OK, "request for an update")
        return Instructions.parse(answer.body, self.device_type)

    async def install(self, instructions: Instructions) -> None:
        """
        Download what the instructions name, and report each step.

        :raises DownloadError: when the download failed; the failure has been reported.
        """
        await self.report(instructions, "downloading")
        self.download = Download(
            self._reactor, self._client.get, instructions.uri, pause=self._retry_pause
        )
        try:
            await self.download.run()
        except DownloadError as error:
            await self.send_log(instructions, str(error))
            await self.report(instructions, "failure")
            raise
        await self.report(instructions, "installing")
        self.artifact_name = instructions.artifact_name
        await self.report(instructions, "success")

    async def report(self, instructions: Instructions, status: str) -> None:
        """
        Report how far the deployment has come.

        :raises DeviceError: when the server won't have it: the deployment was aborted.
        """
        path = f"v1/deployments/device/deployments/{instructions.deployment_id}/status"
        answer = await self._call(b"PUT", path, {"status": status})
        _expect(answer, http.NO_CONTENT, f"status {status}")

    async def send_log(self, instructions: Instructions, message: str) -> None:
        """Tell why a deployment failed."""
        path = f"v1/deployments/device/deployments/{instructions.deployment_id}/log"
        entry = {"timestamp": "1970-01-01T00:00:00Z", "level": "error", "message": message}
        answer = await self._call(b"PUT", path, {"messages": [entry]})
        _expect(answer, http.NO_CONTENT, "log")

    async def close(self) -> None:
        """Close the connections that are left open for further calls."""
        await self._client.close()

    async def _call(self, method: bytes, path: str, document: object = None) -> Answer:
        answer = await self._call_once(method, path, document)
        if answer.status == http.UNAUTHORIZED and await self.request_token():
            answer = await self._call_once(method, path, document)
        return answer

    async def _call_once(self, method: bytes, path: str, document: object) -> Answer:
        headers = Headers({b"Authorization": [f"Bearer {self._token}".encode()]})
        body = None if document is None else go_json.dumps(document).encode() + b"\n"
        return await self._client.call(method, f"{self._api}/{path}", headers, body)


def _expect(answer: Answer, status: int, what: str) -> None:
    if answer.status != status:
        raise DeviceError(f"{what}: status {answer.status} in place of {status}")
