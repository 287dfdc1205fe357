"""Tests of how single values are written."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from menderproxy.config import kinds, units
from menderproxy.config.units import ListenAddress
from tests.wire.properties import examples


class UnitTestCase(SynchronousTestCase):
    """Asserts that a reader refuses texts."""

    def assert_refused(self, read: Callable[[str], object], text: str, reason: str) -> None:
        """Fail unless *read* refuses *text* with *reason* somewhere in its message."""
        error = self.assertRaises(ValueError, read, text)
        self.assertIn(reason, str(error), f"for {text!r}")


class DurationTests(UnitTestCase):
    """Go's syntax of durations."""

    def test_units(self) -> None:
        """Every unit of Go's counts, in any combination and with fractions."""
        for text, seconds in (
            ("0", 0),
            ("30m", 1800),
            ("1h30m", 5400),
            ("1.5h", 5400),
            (".5s", 0.5),
            ("500ms", 0.5),
            ("1m0.25s", 60.25),
            ("250us", 0.00025),
            ("250\u00b5s", 0.00025),
            ("250\u03bcs", 0.00025),
            ("5ns", 5e-9),
            ("+2s", 2),
        ):
            self.assertEqual(units.parse_duration(text), seconds, text)

    @examples
    @given(st.integers(0, 10_000), st.integers(0, 100), st.integers(0, 100), st.integers(0, 5000))
    def test_sum(self, hours: int, minutes: int, seconds: int, thousandths: int) -> None:
        """A duration is the sum of its parts."""
        text = f"{hours}h{minutes}m{seconds}s{thousandths}ms"
        total = hours * 3600 + minutes * 60 + seconds + thousandths / 1000
        self.assertAlmostEqual(units.parse_duration(text), total, places=6)

    def test_unit_missing(self) -> None:
        """A bare number is refused with what was probably meant."""
        self.assert_refused(units.parse_duration, "30", 'write for example "30s" or "30m"')

    def test_negative(self) -> None:
        """A negative duration is refused."""
        self.assert_refused(units.parse_duration, "-1s", "negative")

    def test_not_a_duration(self) -> None:
        """Other units, white space, foreign digits and scraps are refused."""
        for text in ("", "m", "1d", "1h 30m", " 1h", "1h30", "1,5h", "\u0661s", "1s\n", "1e3s"):
            self.assert_refused(units.parse_duration, text, "")

    def test_too_long(self) -> None:
        """What Go could not hold is refused, however long the number."""
        self.assertGreater(units.parse_duration("2562047h"), 9.2e9)
        self.assert_refused(units.parse_duration, "2562048h", "292 years")
        self.assert_refused(units.parse_duration, "9" * 400 + "h", "292 years")

    def test_interval_off(self) -> None:
        """An interval of 0 and the word off are none at all."""
        self.assertEqual(units.parse_interval("24h"), 86400)
        for text in ("off", "OFF", "0", "0s"):
            self.assertIsNone(units.parse_interval(text))

    def test_grace_as_switch(self) -> None:
        """A grace may be a duration, or a switch between for ever and not at all."""
        self.assertEqual(units.parse_grace("72h"), 259200)
        for text in ("true", "1", "yes"):
            self.assertEqual(units.parse_grace(text), math.inf)
        for text in ("false", "0", "0s", "off", "no"):
            self.assertIsNone(units.parse_grace(text))
        self.assert_refused(units.parse_grace, "maybe", "not a duration")


class SizeTests(UnitTestCase):
    """Numbers of bytes."""

    def test_sizes(self) -> None:
        """Decimal units are powers of 1000, binary ones of 1024."""
        for text, size in (
            ("0", 0),
            ("1048576", 1048576),
            ("500B", 500),
            ("500MB", 500_000_000),
            ("10GiB", 10 * 1024**3),
            ("1.5 kB", 1500),
            ("2tib", 2 * 1024**4),
        ):
            self.assertEqual(units.parse_size(text), size, text)

    def test_ambiguous(self) -> None:
        """A prefix without the B, which programs read differently, is refused."""
        for text in ("10G", "10Gi", "10M"):
            self.assert_refused(units.parse_size, text, "not a size")

    def test_refused(self) -> None:
        """Signs, parts of bytes and astronomic sizes are refused."""
        self.assert_refused(units.parse_size, "-1", "not a size")
        self.assert_refused(units.parse_size, "", "not a size")
        self.assert_refused(units.parse_size, "0.5", "whole number of bytes")
        self.assert_refused(units.parse_size, "9" * 30, "larger than any disk")


class WordTests(UnitTestCase):
    """Switches, whole numbers and lists."""

    def test_bool(self) -> None:
        """What Go and people write for true and false is understood."""
        for text in ("true", "True", "TRUE", "t", "1", "yes", "Y", " true "):
            self.assertIs(units.parse_bool(text), True, text)
        for text in ("false", "False", "f", "0", "no", "N"):
            self.assertIs(units.parse_bool(text), False, text)

    def test_bool_misspelt(self) -> None:
        """Any other word is refused: nothing is true by being there."""
        for text in ("", "flase", "on", "2", "enabled"):
            self.assert_refused(units.parse_bool, text, "not true or false")

    def test_count(self) -> None:
        """A whole number is made of decimal digits."""
        self.assertEqual(units.parse_count("4096"), 4096)
        for text in ("", "-1", "4_096", "1e3", "4.0", "9" * 5000):
            self.assert_refused(units.parse_count, text, "not a whole number")

    def test_list(self) -> None:
        """Commas, white space or both separate; empty parts are dropped."""
        self.assertEqual(units.split_list("a,b c,\n d,,"), ("a", "b", "c", "d"))
        self.assertEqual(units.split_list(" "), ())


class ListenAddressTests(UnitTestCase):
    """Addresses to listen on."""

    def test_addresses(self) -> None:
        """A host may be left out, and an IPv6 one has brackets."""
        for text, host, port in (
            (":443", "", 443),
            ("0.0.0.0:80", "0.0.0.0", 80),
            ("localhost:8080", "localhost", 8080),
            ("[::1]:443", "::1", 443),
            ("127.0.0.1:0", "127.0.0.1", 0),
        ):
            self.assertEqual(units.parse_listen_address(text), ListenAddress(host, port))

    def test_text(self) -> None:
        """An address is written as it is read."""
        for text in (":443", "localhost:80", "[::1]:443"):
            self.assertEqual(str(units.parse_listen_address(text)), text)

    def test_bare_port(self) -> None:
        """A port alone is refused with the colon that it lacks."""
        self.assert_refused(units.parse_listen_address, "443", '":443"')

    def test_bare_ipv6(self) -> None:
        """An IPv6 address without brackets, whose port nobody can tell, is refused."""
        for text in ("::1", "::1:443", "2001:db8::1", "[::1]443:"):
            self.assert_refused(units.parse_listen_address, text, '"[::1]:443"')

    def test_refused(self) -> None:
        """What lacks a port, or has a bad port or host, is refused."""
        self.assert_refused(units.parse_listen_address, "localhost", "port is missing")
        self.assert_refused(units.parse_listen_address, "[::1]", '"[::1]:443"')
        for port in ("", "65536", "http", "-1", "+1"):
            self.assert_refused(units.parse_listen_address, f":{port}", "0 to 65535")
        self.assert_refused(units.parse_listen_address, "a b:80", "letters, digits")
        self.assert_refused(units.parse_listen_address, "[10.0.0.1]:80", "not an IPv6 address")


class URLTests(UnitTestCase):
    """The server's URL, the gateway's own, proxies and stores."""

    def test_origin(self) -> None:
        """A server is given by scheme, host and port; a final slash says nothing."""
        for text in ("https://mender.example.com", "https://mender.example.com/"):
            self.assertEqual(units.parse_origin(text), "https://mender.example.com")
        self.assertEqual(units.parse_origin("HTTP://[::1]:8080/"), "http://[::1]:8080")

    def test_origin_refused(self) -> None:
        """A path, a query, a user, another scheme or none are refused."""
        for text, reason in (
            ("https://example.com/mender", "path or query"),
            ("https://example.com?x=1", "path or query"),
            ("https://user:pw@example.com", "user information"),
            ("ftp://example.com", "absolute http or https URL"),
            ("example.com", "absolute http or https URL"),
            ("https://", "host is empty"),
            ("https://example.com:0", "port"),
            ("https://ex ample.com", "white space"),
        ):
            self.assert_refused(units.parse_origin, text, reason)

    def test_gateway_url(self) -> None:
        """The gateway's own URL may have a port and a plain path."""
        for text, url in (
            ("https://gw.example.com", "https://gw.example.com"),
            ("http://192.0.2.1:8080/", "http://192.0.2.1:8080"),
            ("https://gw.example.com/mender/gw_1/", "https://gw.example.com/mender/gw_1"),
        ):
            self.assertEqual(units.parse_gateway_url(text), url)

    def test_gateway_url_refused(self) -> None:
        """What some device's URL parser breaks on is refused."""
        for text, reason in (
            ("https://user:pw@gw.example.com", "user information"),
            ("https://[2001:db8::1]", "IPv6"),
            ("https://gw.example.com/?a=b", "query"),
            ("https://gw.example.com/#top", "'#'"),
            ("https://gw.example.com/a:b", "misread a path"),
            ("https://gw.example.com/a@b", "misread a path"),
            ("https://gw.example.com/a%20b", "misread a path"),
            ("https://gw.example.com//", "misread a path"),
            ("gw.example.com", "absolute http or https URL"),
        ):
            self.assert_refused(units.parse_gateway_url, text, reason)

    def test_domains(self) -> None:
        """A store is a host, with a port or without, and may be an address."""
        for text in ("s3.amazonaws.com", "minio:9000", "10.0.0.5", "::1", "[::1]:9000"):
            self.assertEqual(units.parse_domain(text), text)

    def test_domain_as_url(self) -> None:
        """A URL in the whitelist is refused with the host to write instead."""
        for text in ("https://s3.example.com", "s3.example.com/", "https://s3.example.com/b?x=//y"):
            self.assert_refused(units.parse_domain, text, "write 's3.example.com'")
        self.assert_refused(units.parse_domain, "http://minio:9000/", "write 'minio:9000'")

    def test_domain_refused(self) -> None:
        """Patterns, users and what is no host are refused."""
        self.assert_refused(units.parse_domain, "*.example.com", "write 'example.com'")
        self.assert_refused(units.parse_domain, ".example.com", "write 'example.com'")
        self.assert_refused(units.parse_domain, "user:pw@example.com", "user information")
        self.assert_refused(units.parse_domain, "", "host is empty")

    def test_proxies(self) -> None:
        """A proxy's scheme, credentials, port and final slash may be left out."""
        for text in ("proxy", "proxy:3128", "http://proxy:3128/", "http://me:p%40ss@proxy:3128"):
            self.assertEqual(units.parse_proxy(text), text)

    def test_proxy_refused(self) -> None:
        """Other kinds of proxies and malformed ones are refused, with nothing of them quoted."""
        for text, reason in (
            ("socks5://me:hush@proxy", "only http://"),
            ("http://me:hu/sh@proxy", "not of the form"),
            ("http://me:hush@", "not of the form"),
            ("http://me:hush@proxy:hush", "not of the form"),
            ("http://me:hush@proxy/path", "not of the form"),
            ("http://me:hush\udcff@proxy", "not of the form"),
        ):
            self.assert_refused(units.parse_proxy, text, reason)
            error = self.assertRaises(ValueError, units.parse_proxy, text)
            self.assertNotIn("hu", str(error))


class SecretTests(UnitTestCase):
    """Keys in base64."""

    def test_alphabets(self) -> None:
        """Both alphabets are read, padded or not, and across line breaks."""
        key = bytes(range(239, 256)) * 2
        for text in (
            base64.b64encode(key).decode(),
            base64.b64encode(key).decode().rstrip("="),
            base64.urlsafe_b64encode(key).decode(),
            base64.encodebytes(key).decode() + "\n",
        ):
            self.assertEqual(units.parse_secret(text), key)

    def test_shortest(self) -> None:
        """16 bytes are enough and 15 are not."""
        self.assertEqual(units.parse_secret("A" * 22), bytes(16))
        self.assert_refused(units.parse_secret, "A" * 20, "15 of at least 16 bytes")

    def test_refused(self) -> None:
        """An empty secret and one that is not base64 are refused without quoting it."""
        for text in ("", "  ", "=="):
            self.assert_refused(units.parse_secret, text, "the secret is empty")
        for text in ("A" * 25, "correct horse battery staple!", "\u00e9" * 30):
            error = self.assertRaises(ValueError, units.parse_secret, text)
            self.assertEqual(str(error), "the secret is not base64")


class KindTests(UnitTestCase):
    """What the file may hold for each kind of setting."""

    def test_no_truthiness(self) -> None:
        """A switch in the file is true or false, never text or a number."""
        self.assertIs(kinds.BOOLEAN.from_json(False), False)
        for value, name in (("false", "text"), (1, "a number"), (None, "null"), ([], "a list")):
            error = self.assertRaises(ValueError, kinds.BOOLEAN.from_json, value)
            self.assertEqual(str(error), f"expected true or false, got {name}")

    def test_bool_is_no_number(self) -> None:
        """A number in the file is never true, as it would be in Python."""
        error = self.assertRaises(ValueError, kinds.COUNT.from_json, True)
        self.assertEqual(str(error), "expected a whole number, got true")

    def test_number_as_duration(self) -> None:
        """A duration in the file is text: a number has no unit."""
        error = self.assertRaises(ValueError, kinds.DURATION.from_json, 30)
        self.assertEqual(str(error), 'expected a duration such as "30m", got a number')

    def test_list_of_texts(self) -> None:
        """A list in the file holds texts only, and in the environment is separated text."""
        self.assertEqual(kinds.TEXTS.from_json(["a b", "c"]), ("a b", "c"))
        self.assertEqual(kinds.TEXTS.from_text("a b,c"), ("a", "b", "c"))
        error = self.assertRaises(ValueError, kinds.TEXTS.from_json, ["a", 1])
        self.assertEqual(str(error), "expected a list of texts, got one with a number")

    def test_positive(self) -> None:
        """Zero is refused where it makes no sense, and only there."""
        self.assertEqual(kinds.DURATION.from_json("0s"), 0)
        self.assertEqual(kinds.SIZE.from_json(0), 0)
        self.assert_refused(kinds.POSITIVE_DURATION.from_json, "0s", "more than zero")
        self.assert_refused(kinds.POSITIVE_SIZE.from_json, "0MB", "more than zero")
        self.assert_refused(kinds.COUNT.from_text, "0", "more than zero")

    def test_unfit_text(self) -> None:
        """Text that no request and no file name could carry is refused."""
        self.assertEqual(kinds.TEXT.from_json("L\u00fcbeck 1"), "L\u00fcbeck 1")
        for text in ("a\nb", "a\0", "\x7f", "\ud800"):
            self.assert_refused(kinds.TEXT.from_json, text, "")

    def test_tls_versions(self) -> None:
        """The four versions of TLS are known, in these spellings."""
        for text in ("1.0", "1.1", "1.2", "1.3"):
            self.assertEqual(kinds.TLS_VERSION.from_json(text), text)
        for text in ("1.4", "TLS1.2", "1", "1.2 "):
            self.assert_refused(kinds.TLS_VERSION.from_json, text, "1.2")

    def test_crl_policies(self) -> None:
        """Policies about revocation lists are one of two."""
        for text in ("strict", "lenient"):
            self.assertEqual(kinds.CRL_POLICY.from_json(text), text)
        for text in ("", "Strict", "soft"):
            self.assert_refused(kinds.CRL_POLICY.from_json, text, "neither strict nor lenient")

    def test_attribute_values(self) -> None:
        """Texts, numbers and lists of one of them are what the inventory takes."""
        for value in ("", "Oslo", 3, 2.5, -1):
            self.assertEqual(kinds.ATTRIBUTE_VALUE.from_json(value), value)
        self.assertEqual(kinds.ATTRIBUTE_VALUE.from_json(["a", "b"]), ("a", "b"))
        self.assertEqual(kinds.ATTRIBUTE_VALUE.from_json([1, 2.5]), (1, 2.5))
        self.assertEqual(kinds.ATTRIBUTE_VALUE.from_json([]), ())

    def test_attribute_values_refused(self) -> None:
        """What makes the server refuse a whole inventory is refused."""
        unfit: list[object] = [True, None, {}, [True], [None], [[]], ["a", 1], [1, "a"]]
        for value in unfit:
            error = self.assertRaises(ValueError, kinds.ATTRIBUTE_VALUE.from_json, value)
            self.assertIn("the server takes", str(error))
        endless: list[object] = [math.inf, -math.inf, math.nan, 10**400, [1, math.inf]]
        for value in endless:
            error = self.assertRaises(ValueError, kinds.ATTRIBUTE_VALUE.from_json, value)
            self.assertIn("too large", str(error))

    def test_attribute_names(self) -> None:
        """A name has 1 to 1024 bytes, as the server counts."""
        self.assertEqual(kinds.ATTRIBUTE_NAME.from_json("\u00e9" * 512), "\u00e9" * 512)
        for name in ("", "a" * 1025, "\u00e9" * 513):
            self.assert_refused(kinds.ATTRIBUTE_NAME.from_json, name, "1 to 1024 bytes")
