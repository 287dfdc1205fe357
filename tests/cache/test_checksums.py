"""When bytes are believed, against what the store said of them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.checksums import MAX_REJECTIONS, Checksums, needs_md5
from menderproxy.wire.remote import RemoteObject

RIGHT, WRONG = b"r" * 32, b"w" * 32
MD5, NOT_MD5 = b"m" * 16, b"n" * 16


class ChecksumsTests(SynchronousTestCase):
    """What is believed."""

    def setUp(self) -> None:
        """Reject nothing yet."""
        self.checksums = Checksums()

    def test_nothing_stated(self) -> None:
        """Without a checksum the length has to do."""
        self.assertTrue(self.checksums.accept(RemoteObject(200), sha256=WRONG, md5=NOT_MD5))

    def test_sha256(self) -> None:
        """A SHA-256 has to match, however often the same bytes come."""
        stated = RemoteObject(200, sha256=RIGHT, md5=MD5)
        self.assertTrue(self.checksums.accept(stated, sha256=RIGHT, md5=NOT_MD5))
        for _ in range(MAX_REJECTIONS):
            self.assertFalse(self.checksums.accept(stated, sha256=WRONG, md5=MD5))

    def test_md5(self) -> None:
        """An MD5 has to match."""
        stated = RemoteObject(200, md5=MD5)
        self.assertTrue(self.checksums.accept(stated, sha256=RIGHT, md5=MD5))
        self.assertFalse(self.checksums.accept(stated, sha256=WRONG, md5=NOT_MD5))

    def test_md5_not_computed(self) -> None:
        """An MD5 that was not computed matches nothing."""
        self.assertFalse(self.checksums.accept(RemoteObject(200, md5=MD5), sha256=RIGHT, md5=None))

    def test_md5_needed(self) -> None:
        """An MD5 has to be computed where it is the only checksum."""
        self.assertTrue(needs_md5(RemoteObject(200, md5=MD5)))
        self.assertFalse(needs_md5(RemoteObject(200, md5=MD5, sha256=RIGHT)))
        self.assertFalse(needs_md5(RemoteObject(200, sha256=RIGHT)))
        self.assertFalse(needs_md5(RemoteObject(200)))

    def test_lookalike(self) -> None:
        """The same bytes twice show that the entity tag only looks like an MD5."""
        stated = RemoteObject(200, md5=MD5)
        self.assertFalse(self.checksums.accept(stated, sha256=RIGHT, md5=NOT_MD5))
        self.assertFalse(self.checksums.accept(stated, sha256=WRONG, md5=NOT_MD5))
        self.assertTrue(self.checksums.accept(stated, sha256=RIGHT, md5=NOT_MD5))

    def test_hopeless(self) -> None:
        """After so many rejections there is no more hope."""
        stated = RemoteObject(200, sha256=RIGHT)
        for _ in range(MAX_REJECTIONS):
            self.assertFalse(self.checksums.hopeless)
            self.checksums.accept(stated, sha256=WRONG, md5=MD5)
        self.assertTrue(self.checksums.hopeless)
