"""Artifacts: made by ``mender-artifact``, installed by the client's ``single-file`` module."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import attrs

from .processes import Reactor, run

DEVICE_TYPE = "e2e"
# Every device mounts a directory of its own here.
INSTALL_DIRECTORY = "/mnt"
INSTALLED_NAME = "firmware.bin"


@attrs.frozen
class Artifact:
    """
    A Mender artifact with one file in it.

    :param id: the UUID that the server and the store know it by.
    :param payload: the bytes that a device has to end up with.
    """

    id: str
    name: str
    path: Path
    payload: bytes = attrs.field(repr=False)

    @property
    def length(self) -> int:
        """How many bytes a device has to download."""
        return self.path.stat().st_size


async def make_artifact(reactor: Reactor, name: str, length: int, directory: Path) -> Artifact:
    """
    Make an artifact with a payload of random bytes, which no compression makes smaller.

    :param length: of the payload, in bytes.
    :param directory: for its files; it is created.
    """
    directory.mkdir()
    payload = os.urandom(length)
    # The module wants, beside the file, one small file for each of its parameters.
    parameters = {"dest_dir": INSTALL_DIRECTORY, "filename": INSTALLED_NAME, "permissions": "644"}
    for parameter, value in parameters.items():
        (directory / parameter).write_text(f"{value}\n")
    (directory / INSTALLED_NAME).write_bytes(payload)
    files = [f"--file={directory / file}" for file in (*parameters, INSTALLED_NAME)]
    path = directory / f"{name}.mender"
    identity = (f"--artifact-name={name}", f"--device-type={DEVICE_TYPE}", "--type=single-file")
    output = f"--output-path={path}"
    await run(reactor, "mender-artifact", "write", "module-image", *identity, *files, output)
    return Artifact(str(uuid4()), name, path, payload)
