"""What is here of one artifact in flight: a file that grows, and devices that follow it."""

from __future__ import annotations

import os
from collections.abc import Callable

from menderproxy.cache.digests import Digests
from menderproxy.cache.errors import ArtifactError, CacheUnusable
from menderproxy.cache.file import ArtifactFile
from menderproxy.cache.meta import ArtifactMeta
from menderproxy.cache.surroundings import Surroundings
from menderproxy.cache.writer import Writer


class Part:
    """
    An artifact's file while it is being filled.

    :param fd: the file; closed by us, or by the last device that reads it.
    :param offset: so many bytes are in it.
    :param meta: what is known of the artifact; ``None`` while that does not include its length.
        Without one no device can be told anything, and no later process could go on.
    :param md5: its MD5 will be asked for.
    :param on_commit: called when there is more in the file, or the disk has failed.
    :ivar writer: takes the bytes.
    :ivar file: what devices read, once the length is known.
    """

    def __init__(
        self,
        world: Surroundings,
        fd: int,
        offset: int,
        meta: ArtifactMeta | None,
        *,
        md5: bool,
        on_commit: Callable[[], object],
    ):
        self._world = world
        self._fd = fd
        self._resumable = meta
        self.file: ArtifactFile | None = None
        self.writer = Writer(
            world.clock,
            world.threads,
            fd,
            offset,
            md5=md5,
            on_commit=on_commit,
            save=self._save,
        )
        if meta is not None:
            self.know(meta)

    def know(self, meta: ArtifactMeta) -> ArtifactFile:
        """The artifact's length is known: from now on devices may read."""
        self.file = ArtifactFile(
            self._world.clock, self._fd, meta, committed=self.writer.committed, whole=False
        )
        self.file.acquire()
        return self.file

    @property
    def wanted(self) -> bool:
        """Whether a device reads it."""
        return self.file is not None and self.file.users > 1

    def show(self) -> None:
        """Let devices have what has been written."""
        if self.file is not None:
            self.file.commit(self.writer.committed)

    def check(self) -> None:
        """
        See whether the disk is well.

        :raises CacheUnusable: it is not.
        """
        if self.writer.failure is not None:
            raise CacheUnusable(str(self.writer.failure))

    async def digests(self) -> Digests:
        """
        The digests of all that came.

        :raises CacheUnusable: the disk fails.
        """
        try:
            return await self.writer.digests()
        except OSError as error:
            raise CacheUnusable(str(error)) from None

    def complete(self, meta: ArtifactMeta) -> ArtifactFile:
        """
        All bytes are here, and right: let the last one go.

        :param meta: what there is to be known now.
        """
        file = self.know(meta) if self.file is None else self.file
        file.meta = meta
        file.complete()
        return file

    async def publish(self) -> None:
        """
        Give the complete artifact its final name.

        :raises CacheUnusable: the disk fails.
        """
        assert self.file is not None
        await self.writer.close(sync=False)
        await self._world.disk(self._world.directory.publish, self._fd, self.file.meta)

    async def close(self, reason: ArtifactError, *, sync: bool) -> bool:
        """
        Let go of the file; who reads it is told the reason, unless all of it is here.

        :param sync: put it safely on the disk, for a later process to go on with.
        :returns: whether one can.
        """
        sync = sync and self._resumable is not None
        await self.writer.close(sync=sync)
        if self.file is None:
            os.close(self._fd)
            return False
        if not self.file.whole:
            self.file.break_off(reason)
        self.file.release()
        return sync

    def _save(self, durable: int) -> None:
        if self._resumable is not None:
            self._world.directory.save_partial(self._resumable, durable)
