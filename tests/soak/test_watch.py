"""What counts as growth."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bench.soak.gateway import Use
from bench.soak.watch import Tolerance, grown, thirds


class GrownTests(SynchronousTestCase):
    """Numbers before and after."""

    def grown(self, after: float) -> list[str]:
        """What has become more than 100, with 10 % and 5 allowed."""
        tolerances = {"sockets": Tolerance(0.1, 5)}
        return list(grown({"sockets": 100, "other": 1}, {"sockets": after, "other": 9}, tolerances))

    def test_same(self) -> None:
        """What is within both allowances has not grown."""
        self.assertEqual(self.grown(115), [])

    def test_more(self) -> None:
        """What is above both has."""
        self.assertEqual(self.grown(116), ["sockets: 100 became 116"])


class ThirdsTests(SynchronousTestCase):
    """The series of one life."""

    def samples(self, *descriptors: int) -> list[Use]:
        """Some that differ in one number."""
        return [Use(number, 0, 0, 0) for number in descriptors]

    def test_leak(self) -> None:
        """What rises all the time is higher in the last third than in the first."""
        medians = thirds(self.samples(*range(15)))
        assert medians is not None
        self.assertEqual([each["descriptors"] for each in medians], [2, 12])

    def test_peak(self) -> None:
        """One sample that stands out changes nothing."""
        medians = thirds(self.samples(*[1] * 10, 1000, *[1] * 4))
        assert medians is not None
        self.assertEqual([each["descriptors"] for each in medians], [1, 1])

    def test_few(self) -> None:
        """Of a short life nothing can be said."""
        self.assertIsNone(thirds(self.samples(*range(11))))
