"""SeaweedFS: the store's S3 side, and boto3 as the one who uploads and signs links."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.threads import deferToThreadPool

from .artifact import Artifact
from .namespaces import Namespace
from .processes import Reactor, running, until
from .requirements import program

S3_PORT = 8333

_BUCKET = "mender-artifacts"
_ACCESS_KEY = "e2e"
_SECRET_KEY = "throw-away-secret"
_LINK_SECONDS = 3600
_IDENTITY = {
    "name": "e2e",
    "actions": ["Admin", "Read", "Write", "List"],
    "credentials": [{"accessKey": _ACCESS_KEY, "secretKey": _SECRET_KEY}],
}


@attrs.frozen
class Seaweed:
    """
    A running SeaweedFS with one bucket; made by :func:`seaweed`.

    :param private: S3 client that talks to SeaweedFS itself.
    :param public: S3 client that only signs: links carry the store's public name.
    """

    _reactor: Reactor = attrs.field(repr=False)
    _private: Any
    _public: Any

    async def upload(self, artifact: Artifact) -> None:
        """
        Store an artifact under its id, some time before it is deployed.

        Dates in HTTP are whole seconds, and a device may resume only what certainly was there
        before its link.
        """
        await self._in_thread(self._private.upload_file, str(artifact.path), _BUCKET, artifact.id)

        async def is_old() -> bool:
            head = await self._in_thread(self._private.head_object, Bucket=_BUCKET, Key=artifact.id)
            now = parsedate_to_datetime(head["ResponseMetadata"]["HTTPHeaders"]["date"])
            age: timedelta = now - head["LastModified"]
            return age >= timedelta(seconds=2)

        await until(self._reactor, is_old, "the artifact has been there for a while")

    def link(self, artifact_id: str) -> str:
        """Presign a link to an artifact, as a Mender Server does."""
        link: str = self._public.generate_presigned_url(
            "get_object", {"Bucket": _BUCKET, "Key": artifact_id}, ExpiresIn=_LINK_SECONDS
        )
        return link

    async def create_bucket(self) -> bool:
        """Create the bucket; ``False`` when SeaweedFS is not up yet."""
        from botocore.exceptions import (  # type: ignore[import-untyped]
            BotoCoreError,
            ClientError,
        )

        try:
            await self._in_thread(self._private.create_bucket, Bucket=_BUCKET)
        except (BotoCoreError, ClientError):
            return False
        return True

    async def _in_thread(self, call: Callable[..., Any], *args: object, **kwargs: object) -> Any:
        pool = self._reactor.getThreadPool()
        return await deferToThreadPool(self._reactor, pool, call, *args, **kwargs)


@asynccontextmanager
async def seaweed(
    reactor: Reactor, machine: Namespace, address: str, public_url: str, directory: Path
) -> AsyncIterator[Seaweed]:
    """
    Run SeaweedFS.

    :param address: of the machine; S3 without TLS is at its port :data:`S3_PORT`.
    :param public_url: scheme and name in the links.
    :param directory: for its files; it is created.
    """
    data, sockets = directory / "data", directory / "sockets"
    data.mkdir(parents=True)
    sockets.mkdir()
    (data / "s3.json").write_text(json.dumps({"identities": [_IDENTITY]}))
    # It makes sockets of fixed names in /tmp, where two of it would get into each other's way;
    # so it has a /tmp of its own, and finds its data, which may well lie in the real one, at /mnt.
    command = machine.command(_weed(address), {"/mnt": data, "/tmp": sockets})
    # Its polite end takes five seconds, and nobody wants the data.
    async with running(reactor, "SeaweedFS", command, directory / "log", grace=0) as weed:
        started = Seaweed(reactor, _s3(f"http://{address}:{S3_PORT}"), _s3(public_url))

        async def ready() -> bool:
            weed.check_running()
            return await started.create_bucket()

        await until(reactor, ready, "SeaweedFS takes a bucket")
        yield started


def _weed(address: str) -> list[str]:
    options = {
        "dir": "/mnt",
        "ip": address,
        "ip.bind": address,
        "filer": "true",
        "s3": "true",
        "s3.port": S3_PORT,
        "s3.config": "/mnt/s3.json",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 1024,
        "volume.max": 20,
    }
    return [program("weed"), "server", *(f"-{name}={value}" for name, value in options.items())]


def _s3(endpoint: str) -> Any:
    # Imported here so that without boto3 the tests are skipped, not broken.
    import boto3  # type: ignore[import-untyped]
    from botocore.config import Config  # type: ignore[import-untyped]

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=_ACCESS_KEY,
        aws_secret_access_key=_SECRET_KEY,
        region_name="us-east-1",
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            connect_timeout=2,
            proxies={},
        ),
    )
