"""Tests of which links are good for what, and of what devices get for the others."""

from __future__ import annotations

import attrs

from menderproxy.cache.deleted import KnownVersion
from menderproxy.cache.errors import (
    ArtifactRefused,
    ArtifactUnavailable,
    CacheUnusable,
)
from menderproxy.cache.meta import ArtifactMeta
from menderproxy.wire.store_url import StoreURL
from tests.web.artifact_testcase import DATA, ETAG, GRACE, LIFETIME, URL, ArtifactTestCase, whole
from tests.web.device import Device
from tests.web.fakes import META, FakeAnswer, FakeArtifact, FakeCache, FakeStores

RESUME = (b"Range", b"bytes=5-")


class SignatureTests(ArtifactTestCase):
    """Links that nobody signed."""

    def test_forged(self) -> None:
        """A link with any byte changed is refused, also to a device that resumes."""
        for place in (20, self.link.index(b"issued=") + 8, self.link.index(b"expire=") + 8, -1):
            forged = bytearray(self.link)
            forged[place] = ord("1") if forged[place] != ord("1") else ord("2")
            for headers in ((), (RESUME,)):
                reply = self.get(*headers, link=bytes(forged)).reply()
                self.assertEqual(reply.status, 403, forged)
                self.assertEqual(reply.body, b'{"error": "the link is not valid"}')
        self.assertEqual(self.cache.opened, [])
        log = "".join(self.lines)
        self.assertIn("link refused: wrong signature", log)
        self.assertNotIn(self.link[30:60].decode(), log)
        self.assertNotIn("expire=", log)

    def test_mutilated(self) -> None:
        """So is one with something missing, or something added."""
        for link in (
            self.link.partition(b"?")[0],
            self.link.partition(b"&signature")[0],
            self.link + b"&x=y",
            self.link[:-1],
            b"/artifacts/",
            b"/artifacts/x/y?signature=",
        ):
            self.assertEqual(self.get(link=link).reply().status, 403, link)
        self.assertEqual(self.cache.opened, [])

    def test_other_methods(self) -> None:
        """A link is for reading."""
        for method in (b"POST", b"PUT", b"DELETE", b"OPTIONS"):
            reply = self.get(method=method).reply()
            self.assertEqual((reply.status, reply[b"Allow"]), (405, b"GET, HEAD"))
        self.assertEqual(self.cache.opened, [])

    def test_whitelist(self) -> None:
        """A link that was signed while another whitelist was in force is refused."""
        self.serve(self.cache, "other.example")
        self.assertEqual(self.get().reply().status, 403)
        self.assertEqual(self.get(RESUME).reply().status, 403)
        self.assertEqual(self.cache.opened, [])


class ExpiryTests(ArtifactTestCase):
    """Links that have expired."""

    def status(self, *headers: tuple[bytes, bytes], method: bytes = b"GET") -> int:
        """Ask, and give the status."""
        return self.get(*headers, method=method).reply(to_head=method == b"HEAD").status

    def test_start(self) -> None:
        """An expired link starts no download, whatever the cache holds."""
        self.cache.held.add(URL.cache_key)
        self.now += LIFETIME - 1
        self.assertEqual(self.status(), 200)
        self.now += 1
        for value in (None, b"bytes=0-", b"bytes=-5", b"bytes=5-,7-", b"nonsense"):
            headers = () if value is None else ((b"Range", value),)
            self.assertEqual(self.status(*headers), 403, value)
        self.assertEqual(self.status(RESUME, method=b"HEAD"), 403)

    def test_resume(self) -> None:
        """But it continues one of an artifact that is here or on its way, for some time."""
        self.now += LIFETIME
        self.assertEqual(self.status(RESUME), 403)
        self.cache.held.add(URL.cache_key)
        self.assertEqual(self.status(RESUME), 206)
        self.now += GRACE - 1
        self.assertEqual(self.status(RESUME), 206)
        self.now += 1
        self.assertEqual(self.status(RESUME), 403)

    def test_during_download(self) -> None:
        """A download that goes on while its link expires is not disturbed."""
        self.artifact.readers_have = 4
        device = self.get()
        self.now += LIFETIME + GRACE
        self.artifact.readers[0].grow(10)
        self.assertEqual(device.reply().body, DATA)

    def test_without_cache(self) -> None:
        """Without a cache every resume within the time is allowed: nobody can tell."""
        answer = FakeAnswer(206, length=5)
        self.store_gives((whole(status=206, first=5), answer))
        self.now += LIFETIME
        self.assertEqual(self.status(), 403)
        device = self.get(RESUME)
        answer.send(DATA[5:])
        answer.end()
        self.assertEqual(device.reply().status, 206)


class ChangedTests(ArtifactTestCase):
    """An object that was replaced at its store while links to it were out."""

    def setUp(self) -> None:
        """Replace it ten seconds after the link was issued."""
        super().setUp()
        meta = attrs.evolve(META, changed_at=self.now + 10)
        self.serve(FakeCache(FakeArtifact(DATA, meta)))

    def test_older_link(self) -> None:
        """A resume with an older link may be one of the old object: its connection is closed."""
        self.assert_cut_without_answer(self.get(RESUME))

    def test_start(self) -> None:
        """A start with an older link gets the new object, all of it."""
        for headers in ((), ((b"Range", b"bytes=0-"),), (RESUME, (b"If-Range", b'"old"'))):
            self.assertEqual(self.get(*headers).reply().body, DATA)

    def test_told_by_the_device(self) -> None:
        """Who says itself that it has a part of the new object gets the rest of it."""
        reply = self.get(RESUME, (b"If-Range", ETAG.encode())).reply()
        self.assertEqual((reply.status, reply.body), (206, DATA[5:]))

    def test_link_from_the_future(self) -> None:
        """A link by a clock that was ahead may be older than it says, as old as links get."""
        self.now += 7200
        link = self.signed(URL)
        self.now -= 7200 - 20
        self.assert_cut_without_answer(self.get(RESUME, link=link))
        meta = attrs.evolve(META, changed_at=self.now - LIFETIME - GRACE)
        self.serve(FakeCache(FakeArtifact(DATA, meta)))
        self.assertEqual(self.get(RESUME, link=link).reply().status, 206)

    def test_newer_link(self) -> None:
        """A resume with a link issued since then is one of the new object."""
        self.now += 10
        reply = self.get(RESUME, link=self.signed(URL)).reply()
        self.assertEqual((reply.status, reply.body), (206, DATA[5:]))


class PastTheCacheTests(ArtifactTestCase):
    """Resumed past the cache: the device may have the beginning from there."""

    def resume(
        self, meta: ArtifactMeta, until: float | None = None, *headers: tuple[bytes, bytes]
    ) -> tuple[FakeAnswer, Device]:
        """Resume what the cache had in some version until some time, and can't take now."""
        answer = FakeAnswer(206, length=5)
        self.stores = FakeStores((whole(status=206, first=5), answer))
        cache = FakeCache(CacheUnusable("disk full"))
        cache.was_here = KnownVersion(meta, until)
        self.serve(cache)
        return answer, self.get(RESUME, *headers)

    def test_another(self) -> None:
        """The rest of another one is never put behind it."""
        for until in (None, self.now + 1):
            answer, device = self.resume(attrs.evolve(META, etag='"older"'), until)
            self.assertTrue(answer.aborted)
            self.assert_cut_without_answer(device)

    def test_older_link(self) -> None:
        """A link from before a change is no more good for it than in the cache."""
        _, device = self.resume(attrs.evolve(META, changed_at=self.now + 1))
        self.assertEqual(self.stores.asked, [])
        self.assert_cut_without_answer(device)

    def test_the_same(self) -> None:
        """The rest of the same one is passed on."""
        self.assert_passed_on(*self.resume(META))

    def test_newer_link(self) -> None:
        """A link that is younger than the deletion of another one was never used for that."""
        self.assert_passed_on(*self.resume(attrs.evolve(META, etag='"older"'), self.now))

    def test_told_by_the_device(self) -> None:
        """Who says itself what it has a part of is believed."""
        meta = attrs.evolve(META, changed_at=self.now + 1)
        self.assert_passed_on(*self.resume(meta, None, (b"If-Range", ETAG.encode())))

    def assert_passed_on(self, answer: FakeAnswer, device: Device) -> None:
        """The device gets the rest from the store."""
        answer.send(DATA[5:])
        answer.end()
        self.assertEqual((device.reply().status, device.reply().body), (206, DATA[5:]))

    def test_start(self) -> None:
        """Who begins may have another one."""
        answer = FakeAnswer(200, length=10)
        self.stores = FakeStores((whole(), answer))
        cache = FakeCache(CacheUnusable("disk full"))
        cache.was_here = KnownVersion(attrs.evolve(META, etag='"older"', changed_at=self.now + 1))
        self.serve(cache)
        device = self.get()
        answer.send(DATA)
        answer.end()
        self.assertEqual(device.reply().body, DATA)


class FailureTests(ArtifactTestCase):
    """Artifacts that can't be had."""

    def test_refused(self) -> None:
        """A store's refusal is passed on to who starts; who resumes is left his part."""
        self.serve(FakeCache(ArtifactRefused(403)))
        reply = self.get().reply()
        self.assertEqual(reply.status, 403)
        self.assertEqual(reply.names, {b"date", b"content-type", b"content-length"})
        self.assert_cut_without_answer(self.get(RESUME))

    def test_gone(self) -> None:
        """What is no more is no more for both."""
        for headers in ((), (RESUME,)):
            self.serve(FakeCache(ArtifactRefused(404)))
            self.assertEqual(self.get(*headers).reply().status, 404)

    def test_unavailable(self) -> None:
        """What may be there again later is a closed connection for both."""
        for headers in ((), (RESUME,)):
            for error in (ArtifactUnavailable("cut off"), OSError("I/O error")):
                self.serve(FakeCache(error))
                self.assert_cut_without_answer(self.get(*headers))

    def test_cache_unusable(self) -> None:
        """When the disk can't take it, it comes straight from its store, by the newest link."""
        answer = FakeAnswer(200, length=10)
        self.stores = FakeStores((whole(), answer))
        cache = FakeCache(CacheUnusable("disk full"))
        cache.newest = StoreURL.parse("https://store.example/bucket/one?newer")
        self.serve(cache)
        device = self.get()
        answer.send(DATA)
        answer.end()
        self.assertEqual(device.reply().body, DATA)
        self.assertEqual(self.stores.asked, [(cache.newest, None)])
        self.assertIn("release-2: not cached: disk full", self.lines)
        self.assertTrue(self.lines[-1].endswith(" cache=bypass"), self.lines)

    def test_bug(self) -> None:
        """A bug of ours is an error status, and logged."""
        self.serve(FakeCache(ZeroDivisionError()))
        self.assertEqual(self.get().reply().status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
