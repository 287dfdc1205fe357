"""Tests of reading tar archives that may be hostile."""

from __future__ import annotations

import io
import tarfile

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.verification.tar_stream import (
    ENTRY_LIMIT,
    EXTENSION_LIMIT,
    NAME_LIMIT,
    Malformed,
    read_entries,
    read_fully,
)
from tests.wire.properties import examples

from .mender_artifacts import rewritten, special, tar

MODERN_FORMATS = (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


def read(data: bytes) -> list[tuple[str, bytes]]:
    """Return names and contents of an archive's files."""
    source = io.BytesIO(data)
    return [(entry.name, read_fully(entry, entry.size)) for entry in read_entries(source)]


def pax(*records: bytes) -> bytes:
    """Return an extension header and, after it, a file of five bytes."""
    data = b"".join(records)
    return (
        _header("PaxHeaders", tarfile.XHDTYPE, data)
        + _header("file", tarfile.REGTYPE, b"12345")
        + bytes(1024)
    )


def record(key: bytes, value: bytes) -> bytes:
    """Return a record of an extension header (shorter than 98 bytes)."""
    line = b" %b=%b\n" % (key, value)
    return b"%d" % (len(line) + 1 + (len(line) > 8)) + line


def _header(name: str, type: bytes, data: bytes) -> bytes:
    member = tarfile.TarInfo(name)
    member.type = type
    member.size = len(data)
    return member.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)


class ReadingTests(SynchronousTestCase):
    """What is understood."""

    @examples
    @given(
        st.dictionaries(
            st.text("abc/é", min_size=1, max_size=200).filter(
                lambda name: name.strip("/") == name and "//" not in name
            ),
            st.binary(max_size=1500),
            max_size=4,
        ),
        st.sampled_from(MODERN_FORMATS),
    )
    def test_round_trip(self, files: dict[str, bytes], format: int) -> None:
        """Names of any length and contents of any come out as they went in."""
        self.assertEqual(read(tar(files.items(), format=format)), list(files.items()))

    def test_prefix(self) -> None:
        """The older format splits long paths in two."""
        name = "d" * 120 + "/" + "f" * 90
        self.assertEqual(read(tar([(name, b"x")])), [(name, b"x")])

    def test_times(self) -> None:
        """What GNU tar writes in the place of the prefix is not taken for one."""
        data = rewritten(tar([("file", b"x")], format=tarfile.GNU_FORMAT), 345, b"14730000000")
        self.assertEqual(read(data), [("file", b"x")])

    def test_encoding(self) -> None:
        """A name need not be UTF-8."""
        data = rewritten(tar([("file", b"x")]), 0, b"\xff")
        self.assertEqual(read(data), [("\udcffile", b"x")])

    def test_big_numbers(self) -> None:
        """A size beyond eight octal gigabytes is a binary number or in an extension header."""
        member = tarfile.TarInfo("image")
        member.size = 9 << 30
        for header in (member.tobuf(tarfile.GNU_FORMAT), member.tobuf(tarfile.PAX_FORMAT)):
            source = io.BytesIO(header)
            self.assertEqual(next(read_entries(source)).size, 9 << 30)

    def test_directories(self) -> None:
        """A directory is an entry without content."""
        (entry,) = read_entries(io.BytesIO(special("d/", tarfile.DIRTYPE)))
        self.assertEqual((entry.name, entry.is_directory, entry.size), ("d/", True, 0))

    def test_skipping(self) -> None:
        """What is left unread of an entry does not disturb the next."""
        source = io.BytesIO(tar([("a", b"x" * 1300), ("b", b"y")]))
        names = []
        for entry in read_entries(source):
            entry.read(7)
            names.append(entry.name)
        self.assertEqual(names, ["a", "b"])

    def test_extension_records(self) -> None:
        """An extension header replaces the path and the size; the rest of it does not matter."""
        data = pax(record(b"mtime", b"1.5"), record(b"path", b"new"), record(b"size", b"4"))
        self.assertEqual(read(data), [("new", b"1234")])

    def test_extension_once(self) -> None:
        """An extension header speaks of the next entry only."""
        data = pax(record(b"path", b"new"))[:-1024] + tar([("second", b"2")])
        self.assertEqual(read(data), [("new", b"12345"), ("second", b"2")])


class RefusingTests(SynchronousTestCase):
    """What is refused."""

    def assert_refused(self, data: bytes, reason: str) -> None:
        """Fail unless an archive is refused for a reason."""
        self.assertEqual(str(self.assertRaises(Malformed, read, data)), reason)

    def test_types(self) -> None:
        """Links, devices, sparse files and headers for all entries are refused."""
        for type in b"12346gKSV7":
            data = special("x", bytes([type]))
            self.assert_refused(data, f"'x' is neither file nor directory: type {bytes([type])!r}")

    def test_sparse_extension(self) -> None:
        """A file is refused that an extension header says to be sparse."""
        self.assert_refused(pax(record(b"GNU.sparse.major", b"1")), "a tar entry is sparse")

    def test_checksum(self) -> None:
        """Each bit of a header but for those of its checksum's end marks counts."""
        data = tar([("file", b"x")])
        for place in range(512):
            if place not in (154, 155):
                damaged = bytearray(data)
                damaged[place] ^= 1
                self.assertRaises(Malformed, read, bytes(damaged))

    def test_sizes(self) -> None:
        """A size that is not a number is refused."""
        data = tar([("file", b"x")])
        for field in (
            b"0000000000x\0",
            b"-0000000001\0",
            b"\xff" * 12,
            b"1 1         \0",
            b"\0" + b"0" * 11,
        ):
            reason = "a tar header has a field that is not a number"
            self.assert_refused(rewritten(data, 124, field), reason)
        for value in (b"-1", b"", b"1e3", b"1" * 20):
            reason = "a pax header has a size that is not a number"
            self.assert_refused(pax(record(b"size", value)), reason)

    def test_dialects(self) -> None:
        """Headers of before 1988, which readers take apart in different ways, are refused."""
        for magic in (bytes(8), b"ustar\x0001", b"Ustar\x0000"):
            data = rewritten(tar([("file", b"x")]), 257, magic)
            self.assert_refused(data, "a tar header is in a dialect that nobody writes any more")

    def test_too_big(self) -> None:
        """A size beyond the end of the archive ends in a refusal, however big it is."""
        data = tar([("file", b"x")])
        self.assert_refused(rewritten(data, 124, b"\x80" + b"\xff" * 11), "'file' is cut short")

    def test_garbled_extension(self) -> None:
        """Records whose lengths do not add up are refused."""
        for records in (
            b"x",
            b"0 path=x\n",
            b"99 path=x\n",
            b"9 path=x\n9",
            b"8 path=x\n",
            b" path=x\n",
            b"8 pathx\n",
            b"9 path=xy",
            b"99999999",
            b"-9 path=x\n",
        ):
            self.assert_refused(pax(records), "a pax header has a garbled record")

    def test_directory_with_content(self) -> None:
        """A directory has no content: readers would disagree about where the next header is."""
        data = rewritten(special("d/", tarfile.DIRTYPE), 124, b"00000000001\0")
        self.assert_refused(data, "'d/' is a directory with a content")

    def test_names(self) -> None:
        """A name has a length between one byte and a limit."""
        for name in ("", "x" * (NAME_LIMIT + 1)):
            data = tar([(name, b"")], format=tarfile.GNU_FORMAT)
            self.assert_refused(data, f"a tar entry has a name of {len(name)} bytes")

    def test_duplicates(self) -> None:
        """A name occurs once."""
        self.assert_refused(tar([("a", b"1"), ("a", b"2")]), "'a' is there twice")

    def test_long_extension(self) -> None:
        """An extension header is not read into memory when it is long."""
        for type in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
            data = _header("x", type, bytes(EXTENSION_LIMIT + 1))
            reason = f"'an extension header' is longer than {EXTENSION_LIMIT} bytes"
            self.assert_refused(data, reason)

    def test_too_many(self) -> None:
        """Neither entries nor extension headers come without end."""
        for data in (
            b"".join(_header(str(number), b"0", b"") for number in range(ENTRY_LIMIT)),
            _header("long", tarfile.GNUTYPE_LONGNAME, b"") * ENTRY_LIMIT,
        ):
            self.assert_refused(data + bytes(1024), f"more than {ENTRY_LIMIT} tar headers")

    def test_end(self) -> None:
        """An archive ends with two blocks of zeros, and zeros only after them."""
        whole = tar([("a", b"x")])[: 1024 + 1024]
        self.assertEqual(read(whole + bytes(77)), [("a", b"x")])
        self.assert_refused(whole[:1024], "the archive is cut short: it has no end mark")
        self.assert_refused(whole[:1023], "the archive is cut short: it has no end mark")
        self.assert_refused(whole[:-1], "the archive is cut short: it has half an end mark")
        self.assert_refused(whole + b"\0x", "something comes after the archive's end")
