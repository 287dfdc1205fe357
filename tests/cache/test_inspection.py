"""Tests of the second look at what is whole."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from menderproxy.cache.errors import ArtifactUnavailable
from menderproxy.cache.index import Index
from menderproxy.cache.inspection import PAUSE, STEP, Inspection
from menderproxy.cache.verification.artifact import PublicKey
from tests.cache.fakes import LINK, StoredObject, content
from tests.cache.testcase import CacheTestCase
from tests.cache.verification.mender_artifacts import artifact, parts
from tests.cache.verification.signing import raw_ecdsa

DAY = 86400.0
GOOD = StoredObject(artifact(parts()))
_BROKEN = parts()
_BROKEN["manifest"] = _BROKEN["manifest"].replace(b"0", b"1")
BAD = StoredObject(artifact(_BROKEN))
OTHER = StoredObject(content(5000))
KEY = LINK.cache_key


class InspectionTestCase(CacheTestCase):
    """Has a cache that looks at its artifacts."""

    keys: tuple[PublicKey, ...] = ()
    interval: float | None = None

    def inspector(self, index: Index) -> Inspection:
        """Make what looks at them."""
        self.inspection = Inspection(
            self.clock, self.threads, self.directory, index, keys=self.keys, interval=self.interval
        )
        return self.inspection

    def fetched(self, thing: StoredObject) -> None:
        """Let a device fetch an artifact, which is then looked at."""
        device, body = self.begin(thing)
        body.finish()
        self.wait(1)
        self.assertEqual(device.received, thing.data)

    def verdict(self) -> str:
        """What was written down."""
        return next(iter(self.directory.scan())).meta.verified


class VerificationTests(InspectionTestCase):
    """Artifacts that were just published."""

    def test_good(self) -> None:
        """A good one is marked so, on the disk as well."""
        self.fetched(GOOD)
        self.assertEqual(self.cache.index.entries[KEY].meta.verified, "good")
        self.assertEqual(self.verdict(), "good")

    def test_not_mender(self) -> None:
        """What is no Mender artifact is served on, and marked."""
        self.fetched(OTHER)
        self.assertEqual(self.verdict(), "not a Mender artifact")
        self.assertEqual(self.device().received, OTHER.data)

    def test_bad(self) -> None:
        """A bad one lies in quarantine, is counted, and is fetched anew by the next device."""
        self.fetched(BAD)
        self.assertEqual(list(self.directory.scan()), [])
        self.assertEqual((self.path / "quarantine" / KEY).read_bytes(), BAD.data)
        self.assertEqual(self.inspection.quarantined, 1)
        self.fetched(GOOD)
        self.assertEqual(self.store.ranges, [None, None])
        self.assertEqual(self.verdict(), "good")

    def test_bad_at_the_store(self) -> None:
        """After the same bad bytes twice the store is not asked for more than the head."""
        self.fetched(BAD)
        self.fetched(BAD)
        device, body = self.begin(BAD)
        self.assertIsInstance(device.failure, ArtifactUnavailable)
        self.assertTrue(body.aborted)
        self.fetched(StoredObject(GOOD.data, etag='"v2"'))

    def test_bad_at_the_store_after_restart(self) -> None:
        """The next process knows that, too."""
        self.fetched(BAD)
        self.fetched(BAD)
        self.stop()
        self.start()
        device, _ = self.begin(BAD)
        self.assertIsInstance(device.failure, ArtifactUnavailable)

    def test_quarantine_goes_first(self) -> None:
        """For a new artifact's room, what lies in quarantine goes before anything else."""
        self.fetched(BAD)
        self.stop()
        self.start()
        self.assertEqual(
            [(one.key, one.served_at) for one in self.cache.index.candidates()], [(KEY, 0.0)]
        )

    def test_asked_twice(self) -> None:
        """What waits for its turn already is looked at once."""
        self.fetched(GOOD)
        for _ in range(3):
            self.inspection.look_at(KEY)
        looks = 0
        while self.threads.jobs:
            looks += self.threads.names[0] == "_verify_file"
            self.threads.step()
            self.clock.advance(0)
        self.assertEqual(looks, 2)

    def test_not_looked_at_yet(self) -> None:
        """What an earlier process had no time for is looked at by the next."""
        inspector, self.inspector = self.inspector, None  # type: ignore[method-assign, assignment]
        self.stop()
        self.start()
        self.fetched(BAD)
        self.stop()
        self.inspector = inspector  # type: ignore[method-assign]
        self.start()
        self.settle()
        self.assertEqual(list(self.directory.scan()), [])

    def test_read_error(self) -> None:
        """A disk that fails under the look is no verdict."""
        self.fetched(GOOD)
        entry = self.cache.index.entries[KEY]
        self.directory.object_path(KEY).rename(self.path / "away")
        self.inspection.look_at(KEY)
        self.settle()
        self.assertIs(self.cache.index.entries[KEY], entry)
        (self.path / "away").rename(self.directory.object_path(KEY))


class SignatureTests(InspectionTestCase):
    """Artifacts that have to be signed."""

    private = ec.generate_private_key(ec.SECP256R1())
    keys = (private.public_key(),)

    def test_signed(self) -> None:
        """One signed with the key is served."""
        signed = parts(sign=lambda manifest: raw_ecdsa(self.private, manifest))
        self.fetched(StoredObject(artifact(signed)))
        self.assertEqual(self.verdict(), "signed")

    def test_unsigned(self) -> None:
        """One without a signature, and what can't have any, go to quarantine."""
        self.fetched(GOOD)
        self.assertEqual(list(self.directory.scan()), [])
        self.fetched(OTHER)
        self.assertEqual(list(self.directory.scan()), [])


class ScrubTests(InspectionTestCase):
    """Reading all artifacts again."""

    interval = DAY

    def setUp(self) -> None:
        """Have an artifact of more than one step, found good."""
        super().setUp()
        self.large = StoredObject(content(STEP + 5000))
        self.fetched(self.large)

    def scrub(self) -> None:
        """Let the day of the scrub come, and the scrub end."""
        self.wait(DAY)
        for _ in range(3):
            self.wait(PAUSE)

    def test_untouched(self) -> None:
        """What is as it was stays."""
        self.scrub()
        self.assertIn(KEY, self.cache.index.entries)
        self.assertEqual(self.inspection.quarantined, 0)

    def rot(self) -> None:
        """Change one byte on the disk."""
        with self.directory.object_path(KEY).open("r+b") as file:
            file.seek(STEP + 100)
            file.write(bytes([self.large.data[STEP + 100] ^ 1]))

    def test_rotten(self) -> None:
        """One changed byte is found, and the artifact fetched anew."""
        self.rot()
        self.scrub()
        self.assertNotIn(KEY, self.cache.index.entries)
        self.assertTrue((self.path / "quarantine" / KEY).exists())
        self.fetched(self.large)

    def test_gentle(self) -> None:
        """It reads a step at a time, with pauses in between for others."""
        self.rot()
        self.wait(DAY)
        self.wait(PAUSE)
        self.assertEqual(self.inspection.quarantined, 0)
        self.wait(PAUSE)
        self.assertEqual(self.inspection.quarantined, 1)

    def test_stopped(self) -> None:
        """It ends when the gateway stops."""
        self.wait(DAY)
        self.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.start()
