"""Tests of reading what a store's answer says about an object."""

from __future__ import annotations

import base64
import hashlib

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.remote import RemoteObject

MD5 = hashlib.md5(b"object").digest()
SHA256 = hashlib.sha256(b"object").digest()
MD5_TAG = (b"ETag", b'"%b"' % MD5.hex().encode("ascii"))
CONTENT_MD5 = (b"Content-MD5", base64.b64encode(MD5))
CHECKSUM = (b"x-amz-checksum-sha256", base64.b64encode(SHA256))
PART = (b"Content-Range", b"bytes 100-999/1000")
MODIFIED = "Sun, 22 Nov 2026 00:00:00 GMT"


def whole(*headers: tuple[bytes, bytes]) -> RemoteObject:
    """Read an answer that holds an object of 1000 bytes."""
    return RemoteObject.from_headers(200, headers, 1000)


def part(*headers: tuple[bytes, bytes], body_length: int | None = 900) -> RemoteObject:
    """Read an answer that holds part of an object."""
    return RemoteObject.from_headers(206, headers, body_length)


class BodyTests(SynchronousTestCase):
    """Which bytes the body of an answer is."""

    def test_whole(self) -> None:
        """A full answer holds the object from its first byte on."""
        remote = whole(
            (b"etag", b'"v1"'),
            (b"Last-Modified", MODIFIED.encode("ascii")),
            (b"CONTENT-TYPE", b"application/vnd.mender-artifact"),
            (b"Content-Encoding", b"Identity"),
        )
        self.assertEqual(
            remote,
            RemoteObject(
                status=200,
                length=1000,
                first=0,
                etag='"v1"',
                last_modified=MODIFIED,
                content_type="application/vnd.mender-artifact",
            ),
        )

    def test_unknown_length(self) -> None:
        """A full answer may leave open how long it is."""
        self.assertIsNone(RemoteObject.from_headers(200, [], None).length)

    def test_part(self) -> None:
        """A partial answer tells where it starts and how long the whole object is."""
        for body_length in (900, None):
            remote = part(PART, body_length=body_length)
            self.assertEqual((remote.status, remote.first, remote.length), (206, 100, 1000))

    def test_contradicting_part(self) -> None:
        """A partial answer that leaves open what it holds is refused."""
        for headers in (
            [],
            [(b"Content-Range", b"bytes 100-999/*")],
            [(b"Content-Range", b"bytes */1000")],
            [(b"Content-Range", b"bytes 100-998/1000")],
            [PART, (b"Content-Range", b"bytes 0-899/1000")],
        ):
            self.assertRaises(ValueError, part, *headers)

    def test_encoded(self) -> None:
        """A body that is not the object's own bytes is refused."""
        for headers in (
            [(b"Content-Encoding", b"gzip")],
            [(b"Content-Encoding", b"identity"), (b"content-encoding", b"br")],
            [(b"Content-Type", b"Multipart/ByteRanges; boundary=x")],
        ):
            self.assertRaises(ValueError, whole, *headers)
            self.assertRaises(ValueError, part, PART, *headers)

    def test_error_answer(self) -> None:
        """An error answer tells nothing about the object, whatever its headers."""
        headers = [MD5_TAG, (b"Content-Encoding", b"gzip"), (b"Retry-After", b"7")]
        self.assertEqual(
            RemoteObject.from_headers(503, headers, 1000), RemoteObject(503, retry_after=7.0)
        )


class DigestTests(SynchronousTestCase):
    """Which digests of the object an answer gives."""

    def test_md5_tag(self) -> None:
        """A strong entity tag of 32 hexadecimal digits is the object's MD5, in a part too."""
        self.assertEqual(whole(MD5_TAG).md5, MD5)
        self.assertEqual(part(PART, MD5_TAG).md5, MD5)
        self.assertEqual(whole((MD5_TAG[0], MD5_TAG[1].upper())).md5, MD5)

    def test_other_tags(self) -> None:
        """Tags that are weak, of several parts, or of another form are no MD5."""
        digits = MD5.hex().encode("ascii")
        for tag in (b'W/"' + digits + b'"', b'"' + digits + b'-3"', digits, b'"0x8D"', b'"v1"'):
            self.assertIsNone(whole((b"ETag", tag)).md5, tag)

    def test_encrypted(self) -> None:
        """The entity tag of an object encrypted with a customer's key is no MD5."""
        for header in (
            (b"x-amz-server-side-encryption", b"aws:kms"),
            (b"X-Amz-Server-Side-Encryption", b"aws:kms:dsse"),
            (b"x-amz-server-side-encryption-customer-algorithm", b"AES256"),
        ):
            self.assertIsNone(whole(MD5_TAG, header).md5, header)
        self.assertEqual(whole(MD5_TAG, (b"x-amz-server-side-encryption", b"AES256")).md5, MD5)

    def test_content_md5(self) -> None:
        """Content-MD5 tells the MD5 of a whole body, whatever the entity tag looks like."""
        self.assertEqual(whole(CONTENT_MD5, (b"ETag", b'"%b"' % (b"0" * 32))).md5, MD5)
        self.assertIsNone(part(PART, CONTENT_MD5).md5)

    def test_sha256(self) -> None:
        """A checksum of the full object is taken from a full answer."""
        self.assertEqual(whole(CHECKSUM).sha256, SHA256)
        self.assertEqual(whole(CHECKSUM, (b"x-amz-checksum-type", b"FULL_OBJECT")).sha256, SHA256)
        self.assertIsNone(part(PART, CHECKSUM).sha256)

    def test_checksum_of_checksums(self) -> None:
        """A checksum of the parts' checksums is not the object's."""
        self.assertIsNone(whole(CHECKSUM, (b"x-amz-checksum-type", b"COMPOSITE")).sha256)
        self.assertIsNone(whole((CHECKSUM[0], CHECKSUM[1] + b"-3")).sha256)

    def test_malformed(self) -> None:
        """A digest that is no base64, or of the wrong length, is none."""
        for value in (b"", b"!", b"AAAA", b"\xe4", CHECKSUM[1][:-1]):
            self.assertIsNone(whole((CHECKSUM[0], value)).sha256, value)
            self.assertIsNone(whole((CONTENT_MD5[0], value)).md5, value)


class RetryAfterTests(SynchronousTestCase):
    """How long a store asks us to wait."""

    def test_seconds(self) -> None:
        """A number counts seconds."""
        self.assertEqual(self.retry_after(b"120"), 120.0)

    def test_date(self) -> None:
        """A date counts from the store's own clock, and never backwards."""
        self.assertEqual(self.retry_after(b"Sun, 22 Nov 2026 00:02:00 GMT"), 120.0)
        self.assertEqual(self.retry_after(b"Sat, 21 Nov 2026 00:00:00 GMT"), 0.0)

    def test_unusable(self) -> None:
        """Anything else is as good as nothing."""
        for value in (b"", b"-1", b"1.5", b"soon", b"9" * 5000, b"Sun, 22 Nov 99999 00:00:00 GMT"):
            self.assertIsNone(self.retry_after(value), value[:40])
        headers = [(b"Retry-After", MODIFIED.encode("ascii"))]
        self.assertIsNone(RemoteObject.from_headers(503, headers, 0).retry_after)

    def retry_after(self, value: bytes) -> float | None:
        """Read a header of an answer from the first second of a day."""
        headers = [(b"Date", MODIFIED.encode("ascii")), (b"Retry-After", value)]
        return RemoteObject.from_headers(503, headers, 0).retry_after


class AgeTests(SynchronousTestCase):
    """Since when an object can have been at the store."""

    def made_before(self, modified: bytes, date: bytes | None) -> float:
        """Tell it for an object that was answered at the thousandth second."""
        headers = [(b"Last-Modified", modified), *([(b"Date", date)] if date else [])]
        return whole(*headers).made_before(1000.0)

    def test_known(self) -> None:
        """As long ago as the store's own dates are apart, and a second for what they leave out."""
        modified = b"Tue, 14 Nov 2023 22:13:20 GMT"
        self.assertEqual(self.made_before(modified, b"Tue, 14 Nov 2023 22:13:50 GMT"), 971.0)
        self.assertEqual(self.made_before(modified, modified), 1001.0)

    def test_clocks_apart(self) -> None:
        """An object from the near future has just been made: its store has more than one clock."""
        modified = b"Tue, 14 Nov 2023 22:13:20 GMT"
        for date in (b"Tue, 14 Nov 2023 22:13:19 GMT", b"Tue, 14 Nov 2023 22:12:20 GMT"):
            self.assertEqual(self.made_before(modified, date), 1001.0)

    def test_unknown(self) -> None:
        """Without both dates, or with a time that is far from having come, at any time."""
        modified = b"Tue, 14 Nov 2023 22:13:20 GMT"
        for date in (None, b"yesterday", b"Tue, 14 Nov 2023 22:12:19 GMT"):
            self.assertEqual(self.made_before(modified, date), 0.0)
        self.assertEqual(self.made_before(b"long ago", modified), 0.0)


class SameObjectTests(SynchronousTestCase):
    """Which answers' bytes may be put together."""

    def remote(
        self,
        etag: str | None = None,
        modified: str | None = None,
        length: int | None = 1000,
        status: int = 200,
    ) -> RemoteObject:
        """Describe an object."""
        return RemoteObject(status, length, etag=etag, last_modified=modified)

    def test_same(self) -> None:
        """Equal lengths and one equal validator suffice, if no other one differs."""
        for mine, theirs in (
            (self.remote('"a"'), self.remote('"a"', status=206)),
            (self.remote('"a"', MODIFIED), self.remote('"a"')),
            (self.remote('"a"', MODIFIED), self.remote(None, MODIFIED)),
            (self.remote('W/"a"', MODIFIED), self.remote('W/"b"', MODIFIED)),
            (self.remote('W/"a"', MODIFIED), self.remote('"a"', MODIFIED)),
            (self.remote(), self.remote()),
        ):
            self.assertTrue(mine.same_object(theirs), (mine, theirs))
            self.assertTrue(theirs.same_object(mine), (mine, theirs))

    def test_different(self) -> None:
        """A difference, or nothing to compare, makes them different objects."""
        for mine, theirs in (
            (self.remote('"a"'), self.remote('"b"')),
            (self.remote('"a"'), self.remote('"a"', length=999)),
            (self.remote('"a"', length=None), self.remote('"a"', length=None)),
            (self.remote('"a"', MODIFIED), self.remote('"b"', MODIFIED)),
            (self.remote('"a"', MODIFIED), self.remote('"a"', "yesterday")),
            (self.remote('"a"'), self.remote(None, MODIFIED)),
            (self.remote('"a"'), self.remote()),
            (self.remote('W/"a"'), self.remote('W/"a"')),
            (self.remote(length=None), self.remote(length=None)),
        ):
            self.assertFalse(mine.same_object(theirs), (mine, theirs))
            self.assertFalse(theirs.same_object(mine), (mine, theirs))
