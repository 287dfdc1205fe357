"""The sidecar beside an artifact's bytes."""

from __future__ import annotations

import json

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.meta import ArtifactMeta
from tests.cache.fakes import KEY, LINK, StoredObject
from tests.wire.properties import examples

META = ArtifactMeta(
    key=KEY,
    source=LINK.redacted,
    name="release-2",
    length=10,
    etag='"v1"',
    last_modified="Tue, 14 Nov 2023 22:13:20 GMT",
    content_type="application/vnd.mender-artifact",
    store_md5="00" * 16,
    store_sha256="11" * 32,
    changed_at=1.5,
    sha256="22" * 32,
    stored_at=2.5,
    verified="good",
)


class SidecarTests(SynchronousTestCase):
    """Writing and reading."""

    def test_there_and_back(self) -> None:
        """What is written is read, and further entries come along."""
        text = META.to_json(durable=7, boot_id="b")
        self.assertEqual(ArtifactMeta.from_json(text), (META, {"durable": 7, "boot_id": "b"}))

    def test_fewer_entries(self) -> None:
        """An entry that an earlier version did not know has its default."""
        document = json.loads(META.to_json())
        del document["store_md5"], document["verified"]
        read, _ = ArtifactMeta.from_json(json.dumps(document).encode())
        self.assertEqual(read, attrs.evolve(META, store_md5="", verified=""))

    def test_damage(self) -> None:
        """What can't be a sidecar of ours is refused."""
        for text in (b"", b"{", b"[]", b"7", b"null", b"{}", b"\xff", b'{"format": 2}'):
            self.assertRaises(ValueError, ArtifactMeta.from_json, text)

    def test_wrong_values(self) -> None:
        """So is one with a value of the wrong type, or without one that it needs."""
        document = json.loads(META.to_json())
        for name, value in (
            ("length", -1),
            ("length", 1.0),
            ("length", True),
            ("length", "10"),
            ("length", None),
            ("key", 7),
            ("sha256", None),
            ("sha256", "not hex"),
            ("store_md5", "0"),
            ("store_sha256", None),
            ("etag", 7),
            ("changed_at", "now"),
            ("format", 2),
        ):
            wrong = json.dumps({**document, name: value}).encode()
            self.assertRaises(ValueError, ArtifactMeta.from_json, wrong)
        del document["key"]
        self.assertRaises(ValueError, ArtifactMeta.from_json, json.dumps(document).encode())

    @examples
    @given(st.binary(max_size=40) | st.integers(0, 500))
    def test_any_damage(self, damage: bytes | int) -> None:
        """Whatever is in the file, reading it gives values or ValueError."""
        text = META.to_json()[:damage] if isinstance(damage, int) else damage
        try:
            read, _ = ArtifactMeta.from_json(text)
        except ValueError:
            return
        self.assertEqual(read, META)


class DescriptionTests(SynchronousTestCase):
    """What a store said of an artifact."""

    def test_there_and_back(self) -> None:
        """The store's description survives a restart, its checksums included."""
        told = StoredObject(b"0123456789").right_md5.right_sha256.head()
        meta = ArtifactMeta.of(told, 10, key=KEY, source="", name="", changed_at=0)
        self.assertEqual(meta.remote, told)
        self.assertEqual(ArtifactMeta.from_json(meta.to_json())[0].remote, told)

    def test_no_checksums(self) -> None:
        """None stay none."""
        told = StoredObject(b"0123456789").head()
        meta = ArtifactMeta.of(told, 10, key=KEY, source="", name="", changed_at=0)
        self.assertEqual((meta.remote.md5, meta.remote.sha256), (None, None))
