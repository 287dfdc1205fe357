"""Tests of the one strict reading of host and port."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.authority import Authority


class AuthorityTests(SynchronousTestCase):
    """What is read as a host and a port."""

    def test_host(self) -> None:
        """A name is lower-cased and has no port."""
        self.assertEqual(
            Authority.parse("S3.Example_1.com"), Authority("s3.example_1.com", port=None)
        )

    def test_host_and_port(self) -> None:
        """A port follows the colon."""
        self.assertEqual(Authority.parse("localhost:8333"), Authority("localhost", 8333))

    def test_addresses(self) -> None:
        """IPv6 literals lose their brackets and get their usual spelling."""
        self.assertEqual(Authority.parse("10.0.0.1:80"), Authority("10.0.0.1", 80))
        self.assertEqual(Authority.parse("[2001:DB8:0::1]"), Authority("2001:db8::1", None))
        self.assertEqual(Authority.parse("[::1]:8333"), Authority("::1", 8333))

    def test_limits(self) -> None:
        """Labels of 63 and names of 253 characters are the longest; ports go to 65535."""
        longest = ".".join(["a" * 63] * 3 + ["a" * 61])
        self.assertEqual(Authority.parse(longest + ":65535"), Authority(longest, 65535))
        self.assertRefused(longest + "a", "longer than 253")
        self.assertRefused("a" * 64 + ".com", "letters, digits")

    def test_bad_ports(self) -> None:
        """A port that is no plain number from 1 to 65535 is refused."""
        for port in ("", "0", "080", "65536", "99999999999", "+80", "80a", "8 0", "-1", "80\n"):
            self.assertRefused(f"example.com:{port}", "port")

    def test_bad_names(self) -> None:
        """A name that is not made of whole LDH labels is refused."""
        for name, reason in (
            ("", "host is empty"),
            (":80", "host is empty"),
            ("example.com.", "trailing dot"),
            ("a..b", "empty label"),
            (".a", "empty label"),
            ("-a.com", "letters, digits"),
            ("a-.com", "letters, digits"),
            ("*.com", "letters, digits"),
            ("a b", "letters, digits"),
            ("a/b", "letters, digits"),
            ("a\n", "letters, digits"),
        ):
            self.assertRefused(name, reason)

    def test_tricks(self) -> None:
        """User information, percent-encoding and characters that fold into ASCII are refused."""
        self.assertRefused("s3.amazonaws.com@evil", "user information")
        self.assertRefused("s3%2eamazonaws.com", "'%'")
        self.assertRefused("\N{KELVIN SIGN}.com", "non-ASCII")

    def test_odd_ipv4(self) -> None:
        """Numbers that inet_aton() takes for an address, but are no dotted quad, are refused."""
        for host in (
            "127.1",
            "2130706433",
            "0x7f000001",
            "0X7F.1",
            "127.0.0.0x1",
            "0177.0.0.1",
            "127.0.0.01",
            "1.2.3.4.5",
            "256.1.1.1",
            "evil.10.0.0.1",
        ):
            self.assertRefused(host, "four plain decimal numbers")

    def test_bad_ipv6(self) -> None:
        """IPv6 literals need brackets, and have no zone."""
        self.assertRefused("::1", "malformed|empty|port")
        self.assertRefused("[::1", "malformed")
        self.assertRefused("[::1]x", "malformed")
        self.assertRefused("[10.0.0.1]", "IPv6")
        self.assertRefused("[]", "IPv6")
        self.assertRefused("[fe80::1%eth0]", "'%'")

    def assertRefused(self, text: str, reason: str) -> None:
        """Assert that *text* is refused for a *reason* (a regular expression)."""
        error = self.assertRaises(ValueError, Authority.parse, text)
        self.assertRegex(str(error), reason)
