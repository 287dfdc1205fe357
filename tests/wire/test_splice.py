"""Tests of replacing strings inside JSON text."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.splice import find_string, replace_strings
from tests.wire.properties import examples

PATH = ("artifact", "source", "uri")
KEYS = st.sampled_from(("artifact", "source", "uri", 'u"r\\i', "{", "]"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
NEVER_THERE = "\N{SNOWMAN} not in any example"


def to(new: str) -> bytes:
    """Write a document with *new* at the path."""
    return b'{"artifact": {"source": {"uri": %b}}}' % json.dumps(new).encode("ascii")


class ReplacingTests(SynchronousTestCase):
    """Which strings are replaced, and what stays."""

    def test_every_other_byte_stays(self) -> None:
        """Escapes, order, unknown keys, number spellings and white space come out as they were."""
        body = (
            '\r\n{ "z\\u0026" :1E400,"big":123456789012345678901234567890.10,\t"caf\xe9":"\\/",'
            '"artifact":{"source" : {"expire":"2026","uri" : %s ,"method":"GET"}},'
            '"a":[{"uri":"x"},"\\"}{"]}\n'
        )
        old, new = r'"https://s/a?b=1\u0026c=2"', '"https://g/artifacts/a?issued=1&expire=2"'
        asked: list[str] = []

        def replace(uri: str) -> str:
            asked.append(uri)
            return "https://g/artifacts/a?issued=1&expire=2"

        replaced = replace_strings((body % old).encode("utf-8"), PATH, replace)
        self.assertEqual(replaced, (body % new).encode("utf-8"))
        self.assertEqual(asked, ["https://s/a?b=1&c=2"])

    def test_duplicate_keys(self) -> None:
        """All values of a key given several times are replaced, at any level."""
        body = b'{"a":{"b":"1","b":"2"},"a":{"b":"3"}}'
        self.assertEqual(
            replace_strings(body, ("a", "b"), lambda old: old + "!"),
            b'{"a":{"b":"1!","b":"2!"},"a":{"b":"3!"}}',
        )

    def test_escaped_key(self) -> None:
        """A key is recognised in any spelling."""
        self.assertEqual(
            replace_strings(rb'{"\u0061":"1"}', ("a",), lambda _: "2"), rb'{"\u0061":"2"}'
        )

    def test_only_at_path(self) -> None:
        """Strings above, below, beside the path and in arrays are left alone."""
        for body in (
            b'"uri"',
            b'{"a":"x"}',
            b'{"a":{"b":{"c":"x"}}}',
            b'{"a":{"b":["x"]}}',
            b'[{"a":{"b":"x"}}]',
            b'{"a":[{"b":"x"}]}',
            b'{"b":{"a":"x"}}',
            b'{"a":{"c":"b","d":"x"}}',
            b'{"a":{"b":1,"c":{"b":"x"}},"b":"x"}',
        ):
            self.assertIsNone(replace_strings(body, ("a", "b"), lambda _: "new"), body)

    def test_array_is_no_empty_key(self) -> None:
        """An element of an array is not taken for the value of the key "", which is a legal one."""
        self.assertIsNone(replace_strings(b'{"a":["x"]}', ("a", ""), lambda _: "new"))
        self.assertEqual(replace_strings(b'{"":"x"}', ("",), lambda _: "new"), b'{"":"new"}')

    def test_new_text_is_escaped(self) -> None:
        """A replacement cannot break out of its string."""
        new = 'x","y":"\\\n\N{SNOWMAN}'
        replaced = replace_strings(to("old"), PATH, lambda _: new)
        self.assertEqual(json.loads(replaced or b""), json.loads(to(new)))

    def test_unchanged(self) -> None:
        """Nothing to replace, and a replacement equal to the old text, both mean "unchanged"."""
        self.assertIsNone(replace_strings(to("old"), PATH, lambda _: None))
        self.assertIsNone(replace_strings(to("old"), PATH, lambda old: old))

    def test_not_json(self) -> None:
        """What is not JSON in UTF-8, or nested beyond reason, is left alone."""
        for body in (
            b"",
            b"<html>",
            to("x")[:-1],
            to("x") + b"}",
            to("x").replace(b'"x"', b'"x",'),
            to("x").replace(b'"x"', b'"x", "y": NaN'),
            to("x").replace(b'"x"', b'"\xff"'),
            b"\xef\xbb\xbf" + to("x"),
            to("x").decode("ascii").encode("utf-16"),
            b"[" * 1_000_000,
            b'{"a":' * 1_000_000,
        ):
            self.assertIsNone(replace_strings(body, PATH, lambda _: "new"), body[:80])

    def test_long_number(self) -> None:
        """A number of thousands of digits is as good as any other."""
        body = to("x").replace(b'"x"', b'"x", "y": ' + b"9" * 10_000)
        self.assertEqual(
            replace_strings(body, PATH, lambda _: "new"), body.replace(b'"x"', b'"new"')
        )

    @examples
    @given(VALUES, VALUES, st.booleans(), st.sampled_from((None, 0, 3)))
    def test_there_and_back(
        self, before: object, source: object, ascii_only: bool, indent: int | None
    ) -> None:
        """Replacing all strings and putting the old ones back gives the same bytes."""
        document = {"before": before, "artifact": {"source": source, "uri": before}}
        text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
        body = text.encode("utf-8", "surrogatepass")
        old: list[str] = []

        def replace(uri: str) -> str:
            old.append(uri)
            return NEVER_THERE

        replaced = replace_strings(body, PATH, replace)
        uri = source.get("uri") if isinstance(source, dict) else None
        self.assertEqual(old, [uri] if isinstance(uri, str) else [])
        if replaced is not None and isinstance(source, dict):
            source["uri"] = NEVER_THERE
            self.assertEqual(json.loads(replaced), document)
            written = json.dumps(old[0], ensure_ascii=ascii_only).encode("utf-8")
            self.assertEqual(
                replaced.replace(json.dumps(NEVER_THERE).encode("ascii"), written), body
            )


class FindingTests(SynchronousTestCase):
    """Which string is found."""

    def test_found(self) -> None:
        """The last string at the path is found, as JSON readers do."""
        self.assertEqual(find_string(b'{"a":"\\u0031","a":"2","b":"3"}', ("a",)), "2")

    def test_not_found(self) -> None:
        """There is nothing to find where no string is, nor in what is not JSON."""
        for body in (b'{"a":1}', b'{"b":"x"}', b"{}", b'{"a":"x"'):
            self.assertIsNone(find_string(body, ("a",)), body)
