"""Files that can't be used while the gateway runs."""

from __future__ import annotations

from datetime import timedelta

import attrs

from menderproxy.listen.reload import RETRY_INTERVAL
from tests.certificates import DAY
from tests.listen.testcase import ReloadTestCase
from tests.odd_certificates import revocation_list

HOUR = timedelta(hours=1)


class TroubleTests(ReloadTestCase):
    """What can't be used leaves in force what there was, and is told once."""

    def test_half_written(self) -> None:
        """A certificate that is half written comes into force when it is complete."""
        renewed = self.server_of("renewed")
        self.write("server.key", renewed.key_pem)
        self.write("server.pem", renewed.chain_pem[:300])
        self.look_often()
        path = self.files.certificate
        why = f"{path}: not a PEM certificate: what it said before remains in force"
        self.assertEqual(self.errors(), [f"HTTPS.ServerCertificate: {why}"])
        self.assertEqual((self.shown(), self.applied), ("CN=gateway", []))
        self.write("server.pem", renewed.chain_pem)
        self.look()
        self.assertEqual((self.shown(), len(self.errors())), ("CN=renewed", 1))

    def test_certificate_before_key(self) -> None:
        """A certificate that is replaced before its key waits for it."""
        renewed = self.server_of("renewed")
        self.write("server.pem", renewed.chain_pem)
        self.look_often()
        [error] = self.errors()
        self.assertIn("not the key of the certificate", error)
        self.assertEqual(self.shown(), "CN=gateway")
        self.write("server.key", renewed.key_pem)
        self.look()
        self.assertEqual(self.shown(), "CN=renewed")

    def test_others_go_on(self) -> None:
        """While the certificate waits, a blacklist comes into force."""
        self.write("server.pem", b"")
        self.write("blacklist", b"B2\n")
        self.look()
        self.assertEqual(self.reload.credentials.blacklist.serials, {0xB2})
        self.assertEqual(self.told(), ["in force now: the blacklist"])

    def test_again(self) -> None:
        """Trouble that comes back is told again."""
        for _ in range(2):
            self.write("blacklist", b"rubbish\n")
            self.look()
            self.write("blacklist", b"A1\n")
            self.look()
        self.assertEqual(len(self.errors()), 2)

    def test_at_the_start(self) -> None:
        """What is wrong at the start already is told then, and no more by the first look."""
        self.files = attrs.evolve(self.files, revocation_lists="/nowhere")
        self.start()
        self.look_often()
        no_file, no_list = self.errors()
        self.assertEqual(no_file, "Features.mTLS.CRLPath: /nowhere: No such file or directory")
        self.assertEqual(no_list, "revocation list of CN=factory: missing")

    def test_retry(self) -> None:
        """What could not be used is read now and then though it does not change."""
        self.write("server.pem", b"")
        self.look_often()
        self.assertEqual(self.threads.readings, 2)
        self.clock.advance(RETRY_INTERVAL)
        self.assertEqual(self.threads.readings, 3)
        self.look_often()
        self.assertEqual(self.threads.readings, 3)

    def test_counted(self) -> None:
        """Each reading without success counts, and the time of the last success stays."""
        started = self.now
        self.assertEqual((self.reload.succeeded_at, self.reload.failures), (started, 0))
        self.now += 10
        self.write("server.pem", b"")
        self.look()
        self.assertEqual((self.reload.succeeded_at, self.reload.failures), (started, 1))
        self.clock.advance(RETRY_INTERVAL)
        self.assertEqual((self.reload.succeeded_at, self.reload.failures), (started, 2))
        self.show(self.server_of("renewed"))
        self.look()
        self.assertEqual((self.reload.succeeded_at, self.reload.failures), (self.now, 2))

    def test_no_retry(self) -> None:
        """A line of the blacklist that can't be read is no reason to read it again."""
        self.write("blacklist", b"rubbish\n")
        self.look()
        self.clock.advance(RETRY_INTERVAL)
        self.assertEqual(self.threads.readings, 2)

    def test_unforeseen(self) -> None:
        """Whatever goes wrong is logged, and does not end the looks."""
        self.threads.trouble = RuntimeError("can't start new thread")
        self.look()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.threads.trouble = None
        self.show(self.server_of("renewed"))
        self.look()
        self.assertEqual(self.shown(), "CN=renewed")

    def test_overdue(self) -> None:
        """A list that nobody replaced in time is told then, once, though no file changes."""
        self.write("lists.pem", revocation_list(self.authority, until=2 * HOUR))
        self.look()
        self.assertEqual(self.errors(), [])
        self.now += timedelta(hours=3).total_seconds()
        self.look_often()
        [error] = self.errors()
        self.assertIn("revocation list of CN=factory: out of date since", error)

    def test_no_longer_overdue(self) -> None:
        """A list that was replaced in time may be overdue again."""
        for _ in range(2):
            self.write("lists.pem", revocation_list(self.authority, until=-HOUR))
            self.look()
            self.write("lists.pem", revocation_list(self.authority, until=DAY))
            self.look()
        self.assertEqual(len(self.errors()), 2)
