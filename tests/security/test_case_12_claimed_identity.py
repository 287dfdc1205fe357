"""A device says who it is in the name of a proxy."""

from __future__ import annotations

from tests.web.testcase import API, SiteTestCase

PROXY_2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x01\xc0\x00\x02\x07\x00\x01\x00\x50"


class ProxyProtocolTests(SiteTestCase):
    """The PROXY protocol, by which balancers tell a connection's origin: nobody is believed it."""

    def test_refused(self) -> None:
        """A connection that begins with it is refused, and nothing behind it goes on."""
        for preamble in (b"PROXY TCP4 198.51.100.1 192.0.2.7 49152 80\r\n", PROXY_2):
            device = self.device()
            device.send(preamble + b"GET %b HTTP/1.1\r\nHost: gateway\r\n\r\n" % API)
            self.assertEqual(device.reply().status, 400, preamble)
            self.assertTrue(device.closed, preamble)
            self.assertEqual(self.agent.asked, [], preamble)
            device.hang_up()


class HeaderTests(SiteTestCase):
    """Headers in the spellings that one server or another takes for the same."""

    def test_spellings(self) -> None:
        """However it is spelled, the Mender Server gets the address that we saw, and no other."""
        for name in (b"X-Forwarded-For", b"x_forwarded_for", b"X-FORWARDED_For", b"Forwarded"):
            device = self.device(address="192.0.2.7")
            device.ask(b"GET", API, (name, b"198.51.100.1"))
            asked = self.agent.asked.pop()
            self.assertEqual(asked.values(b"x-forwarded-for"), [b"192.0.2.7"], name)
            self.assertNotIn(b"198.51.100.1", [value for _, value in asked.headers], name)
            device.hang_up()
