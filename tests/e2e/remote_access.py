"""What a user does with a device from afar: type at a shell, and transfer files."""

from __future__ import annotations

import re

from .protomsg import Protocol, pack
from .terminal_server import DeviceConnection, Session

# Devices take no message longer than 8 KiB.
_CHUNK = 4096
_OK = 1


class Shell:
    """A shell on a device; made by :func:`open_shell`."""

    def __init__(self, session: Session):
        self._session = session
        self._output = ""

    async def type(self, line: str, answer: str) -> str:
        """
        Type a line, and wait for the answer.

        :param answer: a regular expression, which must not match what is typed: that is shown, too.
        :return: what has matched.
        """
        self._output = ""
        self._session.send("shell", f"{line}\n".encode())
        while True:
            found = re.search(answer, self._output)
            if found is not None:
                return found[0]
            await self.wait_for("shell")

    async def wait_for(self, type: str) -> None:
        """Wait for one message; meanwhile, the shell may print."""
        while True:
            message = await self._session.receive("shell", type)
            if message.properties["status"] != _OK:
                raise ValueError(f"{message.type}: {message.body!r}")
            if message.type == "shell":
                self._output += message.body.decode(errors="replace")
            if message.type == type:
                return


async def open_shell(connection: DeviceConnection) -> Shell:
    """Start a shell on a device."""
    session = connection.session(Protocol.SHELL)
    # A user may have one shell at a time.
    session.send("new", user_id=session.id, terminal_height=40, terminal_width=132)
    shell = Shell(session)
    await shell.wait_for("new")
    return shell


async def upload(connection: DeviceConnection, path: str, content: bytes) -> None:
    """
    Send a file to a device, as fast as the connection takes it.

    :param path: at which the device sees it, soon after all of it has arrived there.
    """
    session = connection.session(Protocol.FILE_TRANSFER)
    session.send("put_file", pack({"path": path}))
    await session.receive("ack")
    for offset in range(0, len(content), _CHUNK):
        session.send("file_chunk", content[offset : offset + _CHUNK], offset=offset)
    session.send("file_chunk", offset=len(content))
    while (await session.receive("ack")).properties["offset"] != len(content):
        pass


async def download(connection: DeviceConnection, path: str) -> bytes:
    """Fetch a file from a device, which sends no more than 80 KiB ahead."""
    session = connection.session(Protocol.FILE_TRANSFER)
    session.send("get_file", pack({"path": path}))
    content = bytearray()
    while chunk := (await session.receive("file_chunk")).body:
        content += chunk
        session.send("ack", offset=len(content))
    return bytes(content)
