"""Tests of unpacking what may be broken or a bomb."""

from __future__ import annotations

import gzip
import io
import lzma
import zlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.verification.tar_stream import CHUNK, Malformed, read_fully
from menderproxy.cache.verification.unpacked import MEMBER_LIMIT, Allowance, Uncheckable, unpack
from tests.wire.properties import examples

from .mender_artifacts import PACKERS

PACKED = (".gz", ".xz")


def unpacked(data: bytes, suffix: str, limit: int = 1 << 20) -> bytes:
    """Return all that some bytes unpack to."""
    return read_fully(unpack(io.BytesIO(data), suffix, Allowance(limit)), limit + 1)


class UnpackTests(SynchronousTestCase):
    """Unpacked bytes, or the reason why there are none."""

    @examples
    @given(st.sampled_from(PACKED), st.lists(st.binary(max_size=2000), min_size=1, max_size=3))
    def test_members(self, suffix: str, members: list[bytes]) -> None:
        """Files that were packed one by one unpack to all of them in a row."""
        data = b"".join(PACKERS[suffix](member) for member in members)
        self.assertEqual(unpacked(data, suffix), b"".join(members))

    def test_big(self) -> None:
        """No byte is lost where pieces meet."""
        content = bytes(range(251)) * 3000
        for suffix in PACKED:
            self.assertEqual(unpacked(PACKERS[suffix](content), suffix), content)

    def test_bounded(self) -> None:
        """However much a few bytes unpack to, no more than asked for is in memory at a time."""
        for suffix in PACKED:
            source = unpack(io.BytesIO(PACKERS[suffix](bytes(4 << 20))), suffix, Allowance(8 << 20))
            sizes = [len(source.read(CHUNK)) for _ in range(8)]
            self.assertTrue(all(0 < size <= CHUNK for size in sizes), sizes)

    def test_limit(self) -> None:
        """The allowance can be spent to its last byte, and not beyond, by all who share it."""
        allowance = Allowance(100)
        for suffix in PACKED:
            data = io.BytesIO(PACKERS[suffix](bytes(50)))
            self.assertEqual(read_fully(unpack(data, suffix, allowance), 1000), bytes(50))
        data = io.BytesIO(gzip.compress(b"x"))
        error = self.assertRaises(Malformed, unpack(data, ".gz", allowance).read, 1)
        self.assertEqual(str(error), "it unpacks to more than 100 bytes")

    def test_truncated(self) -> None:
        """Packed data that is cut off anywhere is refused."""
        for suffix in PACKED:
            data = PACKERS[suffix](bytes(range(100)))
            for length in range(len(data)):
                error = self.assertRaises(Malformed, unpacked, data[:length], suffix)
                self.assertEqual(str(error), "compressed data is cut short")

    def test_garbage(self) -> None:
        """Wrong data, a wrong check value and anything after the end are refused."""
        for suffix in PACKED:
            data = PACKERS[suffix](bytes(range(100)))
            wrong_check = bytearray(data)
            # The middle of a check value that is followed by four or by twenty bytes.
            wrong_check[-6 if suffix == ".gz" else -24] ^= 1
            for broken in (b"not compressed", data + bytes(range(50)), bytes(wrong_check)):
                error = self.assertRaises(Malformed, unpacked, broken, suffix)
                self.assertIn("compressed data is broken", str(error))

    def test_many_members(self) -> None:
        """Packed nothings do not come without end."""
        data = gzip.compress(b"") * MEMBER_LIMIT
        self.assertEqual(unpacked(data, ".gz"), b"")
        self.assertRaises(Malformed, unpacked, data + gzip.compress(b""), ".gz")

    def test_memory(self) -> None:
        """A dictionary of 64 MiB is unpacked; one that would take all memory is not."""
        for size, fits in ((64 << 20, True), (1 << 30, False)):
            # Packing takes many times that memory; to change the size that it declares does not.
            data = _with_dictionary(lzma.compress(b"x" * 100), size)
            if fits:
                self.assertEqual(unpacked(data, ".xz"), b"x" * 100)
            else:
                error = self.assertRaises(Uncheckable, unpacked, data, ".xz")
                self.assertEqual(str(error), "unpacking takes too much memory")

    def test_unknown(self) -> None:
        """What cannot be unpacked here is neither right nor wrong."""
        self.assertRaises(Uncheckable, unpacked, b"", ".zst")


def _with_dictionary(data: bytes, size: int) -> bytes:
    """Return xz data that declares another size, a power of two, of its dictionary."""
    # The block header after the 12 bytes of the file's: its length in words, flags, filter 0x21
    # with one byte of properties (twice the exponent, less 24), filled up to its CRC-32.
    length = 4 * (data[12] + 1)
    header = bytearray(data[12 : 12 + length - 4])
    place = header.index(b"\x21\x01") + 2
    header[place] = 2 * (size.bit_length() - 1) - 24
    return (
        data[:12] + bytes(header) + zlib.crc32(header).to_bytes(4, "little") + data[12 + length :]
    )
