"""Files that change while the gateway runs: when that is noticed, and what comes of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.test import iosim

from menderproxy.listen.refusal import Reason
from menderproxy.listen.reload import RETRY_INTERVAL, Look
from tests.certificates import root
from tests.handshake import GREETING, Handshake
from tests.listen.testcase import CredentialsTestCase, ReloadTestCase
from tests.odd_certificates import revocation_list


class ChangeTests(ReloadTestCase):
    """What has changed is in force after the next look."""

    def test_server(self) -> None:
        """New connections get the new certificate."""
        self.assertEqual(self.shown(), "CN=gateway")
        self.show(self.server_of("renewed"))
        self.assertEqual(self.shown(), "CN=gateway")
        self.look()
        self.assertEqual(self.shown(), "CN=renewed")
        self.assertEqual(self.told(), ["in force now: the server's certificate"])
        self.assertEqual(self.reload.credentials, self.applied[-1])

    def test_open_connection(self) -> None:
        """A connection lives on with the certificate that it began with."""
        ends = self.connect()
        self.show(self.server_of("renewed"))
        self.look()
        self.assertEqual(len(self.applied), 1)
        self.say_goodbye(ends)
        self.assertEqual(ends.server.data, GREETING + b"goodbye")
        self.assertIsInstance(ends.server.error, ConnectionDone)

    def say_goodbye(self, ends: Handshake) -> None:
        """Let a device go on with its connection, and end it."""
        client, server = ends.client.transport, ends.server.transport
        assert isinstance(client, TLSMemoryBIOProtocol)
        assert isinstance(server, TLSMemoryBIOProtocol)
        client.write(b"goodbye")
        client.loseConnection()
        iosim.IOPump(client, server, client.transport, server.transport, debug=False).flush()

    def test_all(self) -> None:
        """All that changes at once comes into force at once."""
        self.show(self.server_of("renewed"))
        self.trust(self.authority, root("other factory"))
        self.write("blacklist", b"B2\n")
        self.write("lists.pem", revocation_list(self.authority, self.device))
        self.assertTrue(self.connect().succeeded)
        self.look()
        self.assertFalse(self.connect().succeeded)
        self.assertEqual(len(self.applied), 1)
        self.assertEqual(self.reload.credentials.blacklist.serials, {0xB2})
        parts = "the authorities of devices, the blacklist, the revocation lists"
        self.assertEqual(self.told(), [f"in force now: the server's certificate, {parts}"])

    def test_authorities(self) -> None:
        """Devices get in if their authority is in the bundle now."""
        other = root("other factory")
        device = other.issue("device")
        self.assertFalse(self.connect(device).succeeded)
        self.trust(other)
        self.write("lists.pem", revocation_list(other))
        self.look()
        self.assertTrue(self.connect(device).succeeded)
        self.assertFalse(self.connect(self.device).succeeded)

    def test_unchanged(self) -> None:
        """Files are read once after the start, and not again as long as nothing changes."""
        self.assertEqual(self.threads.readings, 1)
        self.look_often()
        self.clock.advance(RETRY_INTERVAL)
        self.assertEqual((self.threads.readings, self.applied), (1, []))

    def test_same_content(self) -> None:
        """A file that is written again as it was is read, and nothing comes of it."""
        self.show(self.server)
        self.look()
        self.assertEqual((self.threads.readings, self.applied, self.told()), (2, [], []))

    def test_settling(self) -> None:
        """What was written a moment ago is read until another write would leave a mark."""
        self.now = os.stat(self.files.blacklist).st_ctime + 1
        self.start()
        for readings in (2, 3):
            self.look()
            self.assertEqual(self.threads.readings, readings)
        self.now += 10
        self.look()
        self.assertEqual(self.threads.readings, 4)
        self.look_often()
        self.assertEqual(self.threads.readings, 4)

    def test_between_start_and_reading(self) -> None:
        """What changes after the files were read for the first time is seen by the first look."""
        self.reload.stopService()
        self.show(self.server_of("renewed"))
        self.reload.startService()
        self.assertEqual(self.shown(), "CN=renewed")

    def test_kubernetes(self) -> None:
        """A volume whose files are links is replaced as a whole, by another link to a directory."""
        volume = self.folder / "volume"
        names = ("server.pem", "server.key", "authorities.pem", "blacklist", "lists.pem")
        self.publish(names)
        for name in names:
            (volume / name).symlink_to(f"..data/{name}")
        self.files = attrs.evolve(
            self.files, certificate=str(volume / "server.pem"), key=str(volume / "server.key")
        )
        self.start()
        self.show(self.server_of("renewed"))
        self.look()
        self.assertEqual(self.shown(), "CN=gateway")
        self.publish(names)
        self.look()
        self.assertEqual(self.shown(), "CN=renewed")

    def publish(self, names: tuple[str, ...]) -> None:
        """Put files into the volume, in the way that the kubelet does."""
        volume = self.folder / "volume"
        version = volume / f"..{len(list(volume.glob('..*')))}"
        version.mkdir(parents=True)
        for name in names:
            (version / name).write_bytes((self.folder / name).read_bytes())
        (volume / "..data_tmp").symlink_to(version.name)
        (volume / "..data_tmp").rename(volume / "..data")

    def test_lists_of_directory(self) -> None:
        """Files that come into a directory, change there and go are noticed."""
        lists = self.folder / "lists"
        lists.mkdir()
        self.files = attrs.evolve(self.files, revocation_lists=str(lists))
        self.start()
        for revoked, reason in ((self.revoked, None), (self.device, Reason.REVOKED)):
            self.write("lists/factory.pem", revocation_list(self.authority, revoked))
            self.look()
            self.assertEqual(self.reason(self.reload.credentials), reason)
        (lists / "factory.pem").unlink()
        self.look()
        self.assertEqual(self.reason(self.reload.credentials), Reason.NO_REVOCATION_LIST)


class LookTests(CredentialsTestCase):
    """What a look sees."""

    def setUp(self) -> None:
        """Look for the first time."""
        super().setUp()
        self.before = self.look()

    def look(self) -> Look:
        """Look at all files."""
        return Look.at(self.files.paths, time.time() + 60)

    def test_same(self) -> None:
        """Two looks at unchanged files are equal."""
        self.assertEqual(self.look(), self.before)

    def test_times_put_back(self) -> None:
        """A file that is overwritten by another of the same length and age differs."""
        status = os.stat(self.files.blacklist)
        self.until_it_shows(lambda: self.overwrite(status))
        self.assertNotEqual(self.look(), self.before)

    def overwrite(self, status: os.stat_result) -> None:
        """Write as ``cp --preserve`` does."""
        self.write("blacklist", b"B2\n")
        os.utime(self.files.blacklist, ns=(status.st_atime_ns, status.st_mtime_ns))

    def test_permissions(self) -> None:
        """A file with other permissions differs: perhaps it can be read now."""
        self.until_it_shows(lambda: os.chmod(self.files.blacklist, 0o600))
        self.assertNotEqual(self.look(), self.before)

    def until_it_shows(self, change: Callable[[], None]) -> None:
        """Change a file until the machine's clock has gone on."""
        before = os.stat(self.files.blacklist).st_ctime_ns
        while os.stat(self.files.blacklist).st_ctime_ns == before:
            change()

    def test_missing(self) -> None:
        """Files that are not there look alike, and like no other."""
        os.unlink(self.files.blacklist)
        gone = self.look()
        self.assertNotEqual(gone, self.before)
        self.assertEqual(gone, self.look())

    def test_directory(self) -> None:
        """Of a directory its own files count, and not those of others inside it."""
        (self.folder / "lists" / "archive").mkdir(parents=True)
        self.write("lists/archive/old.pem", b"")
        paths = {mark.path for mark in Look.at([self.path("lists")], 0).marks}
        self.assertEqual(paths, {self.path("lists"), self.path("lists/archive")})

    def test_settled(self) -> None:
        """Files have settled some time after the last write, whichever way the clocks differ."""
        written = os.stat(self.files.blacklist).st_ctime
        for passed, settled in ((-10, True), (-1, False), (1, False), (10, True)):
            look = Look.at([self.files.blacklist], written + passed)
            self.assertEqual(look.settled, settled, passed)


class AtOnceTests(ReloadTestCase):
    """Who asks for it does not wait for the next look."""

    def reload_now(self) -> Deferred[None]:
        """Ask for it."""
        return Deferred.fromCoroutine(self.reload.reload())

    def test_now(self) -> None:
        """What has changed is in force when the reading is over."""
        self.show(self.server_of("renewed"))
        self.successResultOf(self.reload_now())
        self.assertEqual(self.shown(), "CN=renewed")

    def test_two(self) -> None:
        """Two readings follow one another, and what the first one reads is kept by the second."""
        self.threads.busy = True
        self.show(self.server_of("renewed"))
        first, second = self.reload_now(), self.reload_now()
        self.threads.finish()
        self.successResultOf(first)
        self.assertNoResult(second)
        self.write("server.pem", b"")
        self.threads.finish()
        self.successResultOf(second)
        self.assertEqual((self.shown(), len(self.applied)), ("CN=renewed", 1))

    def test_failure(self) -> None:
        """A reading that failed does not stand in the way of the next."""
        self.threads.trouble = RuntimeError("can't start new thread")
        self.failureResultOf(self.reload_now(), RuntimeError)
        self.threads.trouble = None
        self.successResultOf(self.reload_now())


class StopTests(ReloadTestCase):
    """After the end nothing is looked at, read or put in force."""

    def test_stop(self) -> None:
        """Nothing is left to be called."""
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.reload.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_while_reading(self) -> None:
        """What was being read at the end is not put in force."""
        self.show(self.server_of("renewed"))
        self.threads.busy = True
        self.look()
        self.threads.finish()
        self.reload.stopService()
        self.threads.finish()
        self.assertEqual((self.threads.readings, self.applied), (2, []))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_while_looking(self) -> None:
        """What was noticed at the end is not read."""
        self.show(self.server_of("renewed"))
        self.threads.busy = True
        self.look()
        self.reload.stopService()
        self.threads.finish()
        self.threads.finish()
        self.assertEqual(self.threads.readings, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_started_again(self) -> None:
        """What was read at the end is read again after another start."""
        self.test_while_reading()
        self.threads.busy = False
        self.reload.startService()
        self.assertEqual(self.shown(), "CN=renewed")

    def test_started_again_while_looking(self) -> None:
        """However slow the disk is, after another start there is one look at a time."""
        self.threads.busy = True
        self.look()
        self.reload.stopService()
        self.reload.startService()
        self.threads.busy = False
        self.threads.finish()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.reload.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
