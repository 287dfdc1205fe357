"""Tests of the arithmetic of ranges."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.ranges import (
    ByteRange,
    ContentRange,
    Unsatisfiable,
    if_range_holds,
    is_resume,
    only_range,
    parse_content_range,
    parse_range,
)
from tests.wire.properties import examples

HUGE = b"9" * 10_000
OFFSETS = st.none() | st.integers(0, 25)
NOT_A_RANGE: tuple[list[bytes], ...] = (
    [],
    [b""],
    [b"bytes"],
    [b"bytes="],
    [b"bytes=-"],
    [b"bytes=5"],
    [b"bytes=5-3"],
    [b"bytes=+5-"],
    [b"bytes=5--"],
    [b"bytes=0x5-"],
    [b"bytes=5-,"],
    [b"bytes=5-6,8-9"],
    [b"bytes 5-"],
    [b"items=5-"],
    [b"bytes=\xb2-"],
    [b"bytes=5-", b"bytes=5-"],
    [b"bytes=" + HUGE + b"-5"],
)


class RangeTests(SynchronousTestCase):
    """Which bytes a request wants."""

    def test_forms(self) -> None:
        """A range has both ends, is open, or counts from the end."""
        for value, expected in (
            (b"bytes=0-0", ByteRange(0, 0)),
            (b"bytes=2-5", ByteRange(2, 5)),
            (b"bytes=2-", ByteRange(2, 9)),
            (b"bytes=-3", ByteRange(7, 9)),
            (b"Bytes=0002-5 ", ByteRange(2, 5)),
        ):
            self.assertEqual(parse_range([value], 10), expected, value)

    def test_clamped(self) -> None:
        """A range that goes beyond the end stops there."""
        for value in (b"bytes=0-10", b"bytes=-11", b"bytes=0-" + HUGE, b"bytes=-" + HUGE):
            self.assertEqual(parse_range([value], 10), ByteRange(0, 9), value[:20])

    def test_unsatisfiable(self) -> None:
        """A range with no byte in the object is an error that names the object's length."""
        for value in (b"bytes=10-", b"bytes=10-11", b"bytes=-0", b"bytes=" + HUGE + b"-"):
            error = self.assertRaises(Unsatisfiable, parse_range, [value], 10)
            self.assertEqual(error.content_range, b"bytes */10")
        for value in (b"bytes=0-", b"bytes=-5"):
            self.assertRaises(Unsatisfiable, parse_range, [value], 0)

    def test_ignored(self) -> None:
        """No range, several, and malformed ones mean the whole object."""
        for values in NOT_A_RANGE:
            self.assertIsNone(parse_range(values, 10), values)

    def test_written(self) -> None:
        """A range knows its length and its Content-Range."""
        part = ByteRange(2, 5)
        self.assertEqual(part.length, 4)
        self.assertEqual(part.content_range(10), b"bytes 2-5/10")

    @examples
    @given(OFFSETS, OFFSETS, st.integers(0, 20))
    def test_like_slices(self, first: int | None, last: int | None, total: int) -> None:
        """A range has exactly the bytes that a slice of the object has."""
        values = [b"bytes=%b-%b" % tuple(b"" if n is None else b"%d" % n for n in (first, last))]
        offsets = range(total)
        malformed = first is last is None or (
            first is not None and last is not None and first > last
        )
        if first is None:
            wanted = offsets[-last:] if last else range(0)
        else:
            wanted = offsets[first : None if last is None else last + 1]
        try:
            part = parse_range(values, total)
        except Unsatisfiable:
            self.assertFalse(malformed or wanted)
        else:
            self.assertEqual(part is None, malformed)
            if part is not None:
                self.assertEqual(range(part.first, part.last + 1), wanted)


class ResumeTests(SynchronousTestCase):
    """Which requests continue a download."""

    def test_resumes(self) -> None:
        """One range from behind the first byte is a resume, with or without an end."""
        for value in (b"bytes=1-", b"bytes=5-9", b"bytes=" + HUGE + b"-"):
            self.assertTrue(is_resume([value]), value[:20])

    def test_starts(self) -> None:
        """A range from the first byte, from the end, or none at all is no resume."""
        for values in (*NOT_A_RANGE, [b"bytes=0-"], [b"bytes=00-5"], [b"bytes=-5"]):
            self.assertFalse(is_resume(values), values)


class OnlyRangeTests(SynchronousTestCase):
    """Ranges that are passed on."""

    def test_passed_on(self) -> None:
        """One well-formed range is passed on as it came."""
        for value in (b"bytes=0-", b"bytes=5-9", b"bytes=-5", b"Bytes=0005-"):
            self.assertEqual(only_range([b" %b " % value]), value)

    def test_ignored(self) -> None:
        """Anything else is not: a store could read it in another way than we do."""
        for values in NOT_A_RANGE:
            self.assertIsNone(only_range(values), values)


class IfRangeTests(SynchronousTestCase):
    """Whether an object is still the one whose part is wanted."""

    DATE = "Tue, 14 Nov 2023 22:13:20 GMT"

    def test_holds(self) -> None:
        """It is, without a condition, or when entity tag or date are exactly the same."""
        for values in ([], [b'"tag"'], [b' "tag" '], [self.DATE.encode()]):
            self.assertTrue(if_range_holds(values, '"tag"', self.DATE), values)

    def test_differs(self) -> None:
        """Another tag, another spelling of the date, or several values do not hold."""
        for values in (
            [b'"other"'],
            [b'"Tag"'],
            [b"tag"],
            [b"Tue, 14 Nov 2023 22:13:21 GMT"],
            [b"Tuesday, 14-Nov-23 22:13:20 GMT"],
            [b""],
            [b"*"],
            [b'"tag", "other"'],
            [b'"tag"', b'"tag"'],
            [b"\xff"],
        ):
            self.assertFalse(if_range_holds(values, '"tag"', self.DATE), values)

    def test_weak(self) -> None:
        """A weak tag never holds, on whichever side it is."""
        for value, etag in ((b'W/"tag"', 'W/"tag"'), (b'W/"tag"', '"tag"'), (b'"tag"', 'W/"tag"')):
            self.assertFalse(if_range_holds([value], etag, None), (value, etag))

    def test_nothing_known(self) -> None:
        """Of an object without tag and date nothing can be said."""
        for value in (b'"tag"', self.DATE.encode(), b""):
            self.assertFalse(if_range_holds([value], None, None), value)


class ContentRangeTests(SynchronousTestCase):
    """What a partial answer says that it holds."""

    def test_read(self) -> None:
        """First, last and total are read; the total may be unknown."""
        self.assertEqual(parse_content_range(b"bytes 2-5/10"), ContentRange(2, 5, 10))
        self.assertEqual(parse_content_range(b" bytes 0-0/* "), ContentRange(0, 0, None))

    def test_own_writing(self) -> None:
        """What ByteRange writes is read back."""
        self.assertEqual(
            parse_content_range(ByteRange(2, 5).content_range(10)), ContentRange(2, 5, 10)
        )

    def test_refused(self) -> None:
        """A value that is malformed or contradicts itself is an error."""
        for value in (
            b"",
            b"bytes */10",
            b"bytes=2-5/10",
            b"bytes 2-5",
            b"bytes 5-2/10",
            b"bytes 2-10/10",
            b"bytes 2-/10",
            b"bytes -2-5/10",
            b"items 2-5/10",
            b"bytes 2-5/10, bytes 2-5/10",
            b"bytes 2-" + HUGE + b"/*",
            b"bytes 2-5/" + b"9" * 19,
        ):
            self.assertRaises(ValueError, parse_content_range, value)
