"""Tests of adding attributes to an inventory."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.inventory import (
    MOST_ATTRIBUTES,
    MOST_BYTES,
    Attributes,
    add_attributes,
)
from tests.wire.properties import examples

SITE = {"site": "Oslo"}
ADDED_SITE = b'{"name":"site","value":"Oslo"}'

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
NAMES = st.sampled_from(("site", "a.b", '"]', "\N{SNOWMAN}", "\N{GRINNING FACE}", "[", "\\"))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers()
VALUES = TEXTS | NUMBERS | st.lists(TEXTS, max_size=3) | st.lists(NUMBERS, max_size=3)
REPORTED = st.fixed_dictionaries(
    {"name": NAMES, "value": VALUES}, optional={"description": TEXTS, "]": st.none()}
)


def numbered(count: int) -> bytes:
    """Write an inventory of so many attributes."""
    return json.dumps([{"name": f"n{i}", "value": "x"} for i in range(count)]).encode("ascii")


class AddingTests(SynchronousTestCase):
    """What is added, and where."""

    def assert_added(
        self, before: bytes, after: bytes, attributes: Attributes | None = None
    ) -> None:
        """Fail unless that is made of it."""
        completed = add_attributes(before, SITE if attributes is None else attributes)
        self.assertEqual((completed.body, completed.left_out), (after, ()))

    def test_every_other_byte_stays(self) -> None:
        """White space, escapes, number spellings and unknown keys come out as they were."""
        device = (
            b'\r\n[ {"value" :[ "]","[\\"]"] , "name":"a]", "x":{"y":[1E400]}},\t'
            b'{"name":"caf\xc3\xa9\\u0026","value":12345678901234567890.10 }%b \n]\r\n\t '
        )
        self.assert_added(device % b"", device % (b"," + ADDED_SITE))

    def test_empty(self) -> None:
        """To an empty list attributes are added without a comma before them."""
        for before, after in ((b"[]", b"[%b]"), (b" [\n ]\n", b" [%b\n ]\n")):
            self.assert_added(before, after % ADDED_SITE)

    def test_values(self) -> None:
        """Texts, numbers and lists of either are written in ASCII, in the order given."""
        self.assert_added(
            b"[]",
            b'[{"name":"d","value":"\\u00f8\\"\\\\"},{"name":"a","value":2.5},'
            b'{"name":"c","value":["x","y"]},{"name":"b","value":[]},{"name":"e","value":[1,2]}]',
            {"d": 'ø"\\', "a": 2.5, "c": ("x", "y"), "b": (), "e": (1, 2)},
        )

    def test_device_wins(self) -> None:
        """What the device reports itself is not added, whatever its value and its spelling."""
        for body in (
            b'[{"name":"site","value":"Bergen"}]',
            b'[{"name":"\\u0073ite","value":""}]',
            b'[{"value":1,"NAME":"site"}]',
            b'[{"name":"x","name":"site","name":null}]',
            b'[{"name":"site","value":1},{"name":"site","value":2}]',
        ):
            self.assert_added(body, body)
        body = b'[{"name":"mender_gateway_system_id","value":"other"}]'
        self.assert_added(body, body, {"mender_gateway_system_id": "line 1"})

    def test_other_names(self) -> None:
        """Names that differ in capitals or white space, and overridden ones, are other names."""
        for body in (
            b'[{"name":"Site","value":"x"}%b]',
            b'[{"name":"site ","value":"x"}%b]',
            b'[{"name":"site","name":"x","value":"x"}%b]',
            b'[{"name":"x","value":"site"}%b]',
            b'[{"name":"x","x":{"name":"site"}}%b]',
        ):
            self.assert_added(body % b"", body % (b"," + ADDED_SITE))

    def test_nothing_to_add(self) -> None:
        """Without attributes to add the inventory stays as it is."""
        self.assert_added(b' [{"name":"x"}] ', b' [{"name":"x"}] ', {})

    @examples
    @given(
        st.lists(REPORTED, max_size=5, unique_by=lambda each: str(each["name"])),
        st.dictionaries(NAMES, VALUES),
        st.booleans(),
        st.sampled_from((None, 0, 3)),
        st.sampled_from((b"", b"\n", b" \r\n\t")),
    )
    def test_any_list(
        self,
        reported: list[dict[str, object]],
        attributes: Attributes,
        ascii_only: bool,
        indent: int | None,
        margin: bytes,
    ) -> None:
        """The list ends in what the device left out, between the bytes that it sent."""
        text = json.dumps(reported, ensure_ascii=ascii_only, indent=indent)
        body = margin + text.encode("utf-8") + margin
        completed = add_attributes(body, attributes).body
        names = [attribute["name"] for attribute in reported]
        missing = [
            {"name": name, "value": value}
            for name, value in attributes.items()
            if name not in names
        ]
        self.assertEqual(json.loads(completed), reported + missing)
        longer = len(completed) - len(body)
        self.assertTrue(
            any(completed[:i] + completed[i + longer :] == body for i in range(len(body)))
        )


class LimitTests(SynchronousTestCase):
    """What the Mender Server takes."""

    def test_number(self) -> None:
        """The first attributes are added, as many as the server takes; the others are named."""
        attributes: Attributes = {"id": "line 1", "n0": "x", "a": 1, "b": 2}
        for count, left_out in ((97, ()), (98, ("b",)), (99, ("a", "b"))):
            completed = add_attributes(numbered(count), attributes)
            self.assertEqual(completed.left_out, left_out)
            names = [attribute["name"] for attribute in json.loads(completed.body)]
            self.assertEqual(len(names), MOST_ATTRIBUTES)
            self.assertEqual(names[count], "id")

    def test_no_room(self) -> None:
        """An inventory with as many attributes as the server takes, or more, stays as it is."""
        for count in (100, 101, 300):
            completed = add_attributes(numbered(count), {"id": "line 1", **SITE})
            self.assertEqual(completed.body, numbered(count))
            self.assertEqual(completed.left_out, ("id", "site"))

    def test_repeated_names(self) -> None:
        """Attributes given twice count twice, as they do for the server."""
        body = b"[" + b",".join([b'{"name":"x"}'] * 100) + b"]"
        self.assertEqual(add_attributes(body, SITE).left_out, ("site",))

    def test_bytes(self) -> None:
        """What would grow longer than the server takes gets nothing at all."""
        longer = len(ADDED_SITE)
        for spare, left_out in ((longer, ()), (longer - 1, ("site",)), (0, ("site",))):
            body = b"[" + b" " * (MOST_BYTES - spare - 2) + b"]"
            completed = add_attributes(body, SITE)
            self.assertEqual(completed.left_out, left_out)
            self.assertEqual(len(completed.body), len(body) if left_out else MOST_BYTES)

    def test_no_secrets_shown(self) -> None:
        """What a device reports does not get into logs by its ``repr``."""
        self.assertNotIn("Oslo", repr(add_attributes(b"[]", SITE)))


class RefusalTests(SynchronousTestCase):
    """What is no inventory."""

    def test_no_list_of_attributes(self) -> None:
        """No JSON, other JSON, and what breaks a parser is refused."""
        for body in (
            b"",
            b" ",
            b"name=value",
            b"null",
            b"{}",
            b'{"name":"x","value":"y"}',
            b'"[]"',
            b"[",
            b"[]]",
            b"[][]",
            b"[{},]",
            b"[{}]",
            b"[null]",
            b"[1]",
            b'["name"]',
            b'[["name","x"]]',
            b'[{"name":"x"},5]',
            b'[{"name":5}]',
            b'[{"name":null}]',
            b'[{"name":["x"]}]',
            b'[{"name":"x","value":NaN}]',
            b'[{"name":"x","value":-Infinity}]',
            b'[{"name":"\\ud800"}]',
            b'[{"name":"\xff"}]',
            b'[{"name":"\xed\xa0\x80"}]',
            b"\xef\xbb\xbf[]",
            "[]".encode("utf-16"),
            b"[" * 100_000,
            b"[" * 100_000 + b"]" * 100_000,
            b'[{"name":"x","value":' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
        ):
            self.assertRaises(ValueError, add_attributes, body, SITE)

    def test_long_number(self) -> None:
        """A number of thousands of digits is as good as any other."""
        body = b'[{"name":"x","value":%b}%%b]' % (b"9" * 10_000)
        completed = add_attributes(body % b"", SITE)
        self.assertEqual(completed.body, body % (b"," + ADDED_SITE))
