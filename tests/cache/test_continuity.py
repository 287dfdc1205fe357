"""Which answers of a store go on with what is here, and what becomes of the others."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.cache.continuity import Verdict, judge
from menderproxy.wire.remote import RemoteObject
from tests.cache.fakes import StoredObject

THING = StoredObject(bytes(100))
HELD = THING.head()


class FirstAnswerTests(SynchronousTestCase):
    """Nothing of the object is here yet."""

    def test_whole(self) -> None:
        """A 200 is its beginning."""
        self.assertIs(judge(None, 0, HELD), Verdict.BEGIN)

    def test_part_unasked(self) -> None:
        """A 206 that nobody asked for is not, even if it begins at the first byte."""
        self.assertIs(judge(None, 0, THING.head(206, 0)), Verdict.CHANGED)

    def test_beginning_again(self) -> None:
        """A 200 after a cut before the first byte goes on with the same object."""
        self.assertIs(judge(HELD, 0, HELD), Verdict.CONTINUE)

    def test_another_beginning(self) -> None:
        """A 200 after a cut before the first byte may be another object's."""
        self.assertIs(judge(HELD, 0, attrs.evolve(HELD, etag='"v2"')), Verdict.ANEW)
        self.assertIs(judge(HELD, 0, attrs.evolve(HELD, length=101)), Verdict.ANEW)

    def test_unknown_length(self) -> None:
        """An object of unknown length begins anew each time."""
        held = attrs.evolve(HELD, length=None)
        self.assertIs(judge(held, 0, held), Verdict.ANEW)


class ResumeTests(SynchronousTestCase):
    """Ten bytes of the object are here."""

    def judge(self, answer: RemoteObject) -> Verdict:
        """Judge an answer to a request for the rest."""
        return judge(HELD, 10, answer)

    def test_rest(self) -> None:
        """A 206 of the same object from the right offset goes on."""
        self.assertIs(self.judge(THING.head(206, 10)), Verdict.CONTINUE)

    def test_not_the_rest(self) -> None:
        """A 206 from another offset, of another length or with another tag is a change."""
        part = THING.head(206, 10)
        for answer in (
            attrs.evolve(part, first=9),
            attrs.evolve(part, first=11),
            attrs.evolve(part, first=0),
            attrs.evolve(part, length=101),
            attrs.evolve(part, etag='"v2"'),
            attrs.evolve(part, etag=None),
        ):
            self.assertIs(self.judge(answer), Verdict.CHANGED, answer)

    def test_nothing_held(self) -> None:
        """A 206 to nobody's request for the rest is a change, whatever it says."""
        self.assertIs(judge(None, 10, THING.head(206, 10)), Verdict.CHANGED)

    def test_all_of_it(self) -> None:
        """A 200 begins anew, even when it claims to be the same object."""
        self.assertIs(self.judge(HELD), Verdict.ANEW)

    def test_beyond_the_end(self) -> None:
        """A 416 means that the object is shorter now; at the first byte it means nothing."""
        self.assertIs(self.judge(RemoteObject(416)), Verdict.CHANGED)
        self.assertIs(judge(None, 0, RemoteObject(416)), Verdict.REFUSED)


class ErrorTests(SynchronousTestCase):
    """Answers without bytes."""

    def test_link(self) -> None:
        """400, 401 and 403 are about the link."""
        for status in (400, 401, 403):
            self.assertIs(judge(HELD, 10, RemoteObject(status)), Verdict.LINK_REFUSED)

    def test_busy(self) -> None:
        """What may pass is waited for."""
        for status in (408, 421, 425, 429, 500, 502, 503, 504, 599):
            self.assertIs(judge(HELD, 10, RemoteObject(status)), Verdict.BUSY)

    def test_refused(self) -> None:
        """What won't pass is not."""
        for status in (204, 304, 307, 404, 405, 410):
            self.assertIs(judge(HELD, 10, RemoteObject(status)), Verdict.REFUSED)
