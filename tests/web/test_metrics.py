"""The metrics' own server."""

from __future__ import annotations

from menderproxy.web.metrics import MAX_CONNECTIONS, MetricsPage, MetricsSite
from tests.web.device import Reply
from tests.web.testcase import API, LIMITS, SiteTestCase

TEXT = b"# HELP up It is up.\n# TYPE up gauge\nup 1.0\n"


class MetricsSiteTests(SiteTestCase):
    """Who gets what from it."""

    def setUp(self) -> None:
        """Make one."""
        super().setUp()
        page = MetricsPage(lambda: TEXT, "text/plain; version=0.0.4")
        self.site = MetricsSite(page, LIMITS, self.clock)

    def reply(self, method: bytes, target: bytes) -> Reply:
        """Ask for something."""
        device = self.device()
        device.ask(method, target)
        reply = device.reply(to_head=method == b"HEAD")
        device.hang_up()
        return reply

    def test_page(self) -> None:
        """The page has its length and its type, whatever the query."""
        for target in (b"/metrics", b"/metrics?name[]=up"):
            reply = self.reply(b"GET", target)
            self.assertEqual((reply.status, reply.body), (200, TEXT))
            self.assertEqual(reply[b"Content-Type"], b"text/plain; version=0.0.4")

    def test_head(self) -> None:
        """HEAD gets the head of it."""
        reply = self.reply(b"HEAD", b"/metrics")
        self.assertEqual((reply.status, reply.body), (200, b""))
        self.assertEqual(reply[b"Content-Length"], b"%d" % len(TEXT))

    def test_other_methods(self) -> None:
        """Nothing else can be done to it."""
        reply = self.reply(b"POST", b"/metrics")
        self.assertEqual((reply.status, reply[b"Allow"]), (405, b"GET, HEAD"))

    def test_other_paths(self) -> None:
        """There is nothing else, and nothing for devices."""
        for target in (b"/", b"/metrics/", b"/api/internal/v1/gateway/alive", API):
            self.assertEqual(self.reply(b"GET", target).status, 404, target)
        self.assertEqual(self.agent.asked, [])

    def test_trouble(self) -> None:
        """When they can't be told, that is logged, and the scrape fails."""

        def fail() -> bytes:
            raise RuntimeError("no numbers")

        self.site = MetricsSite(MetricsPage(fail, "text/plain"), LIMITS, self.clock)
        self.assertEqual(self.reply(b"GET", b"/metrics").status, 500)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_silence(self) -> None:
        """A scrape leaves no line in the log."""
        lines = self.watch_log()
        self.reply(b"GET", b"/metrics")
        self.assertEqual(lines, [])

    def test_limits(self) -> None:
        """Nobody can hold connections open by doing nothing, nor have too many."""
        devices = [self.device() for _ in range(MAX_CONNECTIONS)]
        self.assertEqual(len(self.site.channels), MAX_CONNECTIONS)
        self.site.buildProtocol(None)
        self.assertEqual(self.site.statistics.surplus, 1)
        self.pass_time(LIMITS.header_timeout)
        self.assertTrue(all(device.cut for device in devices))
