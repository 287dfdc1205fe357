"""Tests of the count of connections by address."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.listen.address_count import AddressCount


class AddressCountTests(SynchronousTestCase):
    """What counts together, and for how long."""

    def setUp(self) -> None:
        """Count from nothing."""
        self.count = AddressCount()

    def test_each_address(self) -> None:
        """IPv4 addresses count each for itself."""
        for host in ("192.0.2.7", "192.0.2.7", "192.0.2.8"):
            self.count.add(host)
        counted = [self.count[host] for host in ("192.0.2.7", "192.0.2.8", "192.0.2.9")]
        self.assertEqual(counted, [2, 1, 0])

    def test_gone(self) -> None:
        """A connection that is gone does not count; an address without any takes no room."""
        for _ in range(2):
            self.count.add("192.0.2.7")
        self.count.discard("192.0.2.7")
        self.assertEqual((self.count["192.0.2.7"], len(self.count)), (1, 1))
        self.count.discard("192.0.2.7")
        self.assertEqual((self.count["192.0.2.7"], len(self.count)), (0, 0))

    def test_ipv6_network(self) -> None:
        """All IPv6 addresses that have 64 bits in common count as one, in whatever spelling."""
        for host in ("2001:db8::1", "2001:db8:0:0:ffff::2", "2001:0DB8::3"):
            self.count.add(host)
        counted = [self.count[host] for host in ("2001:db8::", "2001:db8:0:1::1", "2001:db9::1")]
        self.assertEqual(counted, [3, 0, 0])

    def test_zone(self) -> None:
        """An address of the link counts with the others of the link."""
        for host in ("fe80::1%eth0", "fe80::2%eth0"):
            self.count.add(host)
        self.assertEqual(self.count["fe80::3%eth0"], 2)

    def test_mapped(self) -> None:
        """An IPv4 address is the same when a socket for both kinds shows it."""
        self.count.add("::ffff:192.0.2.7")
        self.assertEqual((self.count["192.0.2.7"], self.count["192.0.2.8"]), (1, 0))

    def test_no_address(self) -> None:
        """What is no address counts by its text."""
        for host in ("", "", ":", "a socket"):
            self.count.add(host)
        counted = [self.count[host] for host in ("", ":", "a socket")]
        self.assertEqual(counted, [2, 1, 1])

    def test_asking(self) -> None:
        """Who only asks leaves nothing behind."""
        self.assertEqual((self.count["192.0.2.7"], len(self.count)), (0, 0))
