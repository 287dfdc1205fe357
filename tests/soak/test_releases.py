"""Which bytes a device may get."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bench.soak.releases import Inspection
from menderproxy.demo.content import Content, Literal

OLD, NEW = Literal(b"0123456789"), Literal(b"01abcdefghij")


class InspectionTests(SynchronousTestCase):
    """One download, byte by byte."""

    def setUp(self) -> None:
        """An artifact that was overwritten once."""
        self.versions: list[Content] = [OLD, NEW]
        self.inspection = Inspection(self.versions)

    def test_either(self) -> None:
        """Any version will do, in pieces of any size."""
        for version in (OLD, NEW):
            inspection = Inspection(self.versions)
            for offset in range(0, version.length, 4):
                self.assertFalse(inspection.spoils(offset, version.read(offset, 4)))
            self.assertTrue(inspection.is_whole(version.length))

    def test_mixed(self) -> None:
        """The beginning of one and the rest of another are wrong, wherever the break is."""
        self.assertFalse(self.inspection.spoils(0, b"012"))
        self.assertTrue(self.inspection.spoils(3, b"bcd"))

    def test_alike(self) -> None:
        """As long as both are alike, either may follow."""
        self.assertFalse(self.inspection.spoils(0, b"01"))
        self.assertFalse(self.inspection.spoils(2, b"abc"))

    def test_wrong(self) -> None:
        """Bytes of no version are wrong; that is told once."""
        self.assertTrue(self.inspection.spoils(0, b"x"))
        self.assertFalse(self.inspection.spoils(1, b"y"))

    def test_short(self) -> None:
        """Less than all is not whole, and neither is as much as another version has."""
        self.inspection.spoils(0, b"012345")
        self.assertFalse(self.inspection.is_whole(6))
        self.assertFalse(self.inspection.is_whole(NEW.length))

    def test_later(self) -> None:
        """A version that appears meanwhile is right from its first byte only."""
        self.inspection.spoils(0, b"0123")
        self.versions.append(Literal(b"----zzzz"))
        self.assertTrue(self.inspection.spoils(4, b"zzzz"))
        again = Inspection(self.versions)
        self.assertFalse(again.spoils(0, b"----"))
