"""Tests of the remote terminal: what goes through a tunnel, how it ends, who counts it."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from menderproxy.web.channel import CLOSE_TIMEOUT
from menderproxy.web.tunnel import IDLE_TIMEOUT
from tests.web.testcase import LIMITS
from tests.web.tunnel_testcase import CONNECT, HANDSHAKE, HEAD, TunnelTestCase


class BytesTests(TunnelTestCase):
    """What goes through a tunnel."""

    def test_both_ways(self) -> None:
        """Every byte goes through as it is, whatever it looks like in HTTP."""
        device, line = self.tunnel()
        for data in (b"\x81\x05hello", b"GET / HTTP/1.1\r\n\r\n", b" folded\r\n", bytes(100_000)):
            device.send(data)
            self.assertEqual(line.received(), data)
            line.send(data)
            self.assertEqual(device.received, data)
            device.forget_received()

    def test_greeting(self) -> None:
        """What the upstream sends along with the 101 follows it."""
        device, line = self.asking()
        line.send(HEAD + b"\x89\x0260", b"\x81\x01x")
        self.network.advance(0)
        self.assertEqual(device.received, HEAD + b"\x89\x0260\x81\x01x")

    def test_early_device(self) -> None:
        """What the device sends before the 101 waits for it."""
        device, line = self.asking()
        line.received()
        device.send(b"\x81\x05hello")
        self.assertEqual(line.received(), b"")
        line.send(HEAD)
        self.assertEqual(line.received(), b"\x81\x05hello")

    def test_much_of_it(self) -> None:
        """A device that sends much before the 101 is held back until it is there."""
        device, line = self.asking()
        line.received()
        device.send(b"\x82" + bytes(20_000))
        self.assertEqual(device.line.producerState, "paused")
        line.send(HEAD)
        self.assertEqual(line.received(), b"\x82" + bytes(20_000))
        self.assertEqual(device.line.producerState, "producing")

    def test_glued_to_the_request(self) -> None:
        """Also when it came in one piece with the request."""
        device = self.device()
        head = b"".join(b"%b: %b\r\n" % header for header in HANDSHAKE)
        device.send(b"GET %b HTTP/1.1\r\nHost: g\r\n%b\r\n\x81\x01x" % (CONNECT, head))
        line = self.network.accept()
        self.assertTrue(line.received().endswith(b"\r\n\r\n"))
        line.send(HEAD)
        self.assertEqual(line.received(), b"\x81\x01x")

    def test_slow_device(self) -> None:
        """A device that does not follow pauses the upstream, until it does."""
        device, line = self.tunnel()
        device.stop_reading()
        self.assertEqual(line.producerState, "paused")
        self.assertEqual(device.line.producerState, "producing")
        device.read_on()
        self.assertEqual(line.producerState, "producing")

    def test_slow_upstream(self) -> None:
        """An upstream that does not follow pauses the device, until it does."""
        device, line = self.tunnel()
        assert line.producer is not None
        line.producer.pauseProducing()
        self.assertEqual(device.line.producerState, "paused")
        self.assertEqual(line.producerState, "producing")
        line.producer.resumeProducing()
        self.assertEqual(device.line.producerState, "producing")


class EndTests(TunnelTestCase):
    """How a tunnel ends."""

    def setUp(self) -> None:
        """Have a tunnel."""
        super().setUp()
        self.terminal, self.line = self.tunnel()
        self.assertEqual(self.proxy.tunnels, 1)

    def tearDown(self) -> None:
        """Nothing of it is left."""
        if not self.line.connected:
            self.network.advance(0)
        if self.site.channels:
            self.terminal.hang_up()
        self.network.advance(0)
        self.assertFalse(self.line.connected)
        self.assertEqual(self.network.getDelayedCalls(), [])
        self.assertEqual(self.proxy.tunnels, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_upstream_closes(self) -> None:
        """When the upstream closes, the device gets what was under way, and then the end."""
        self.line.send(b"bye")
        self.line.hang_up()
        self.assertEqual(self.terminal.received, b"bye")
        self.assertTrue(self.terminal.closed)
        self.terminal.send(b"too late")

    def test_device_closes(self) -> None:
        """When the device closes, the upstream gets what was under way, and then the end."""
        self.terminal.send(b"bye")
        self.terminal.hang_up()
        self.assertEqual(self.line.received(), b"bye")
        self.assertTrue(self.line.disconnecting)
        self.assertFalse(self.line.aborted)

    def test_stubborn_device(self) -> None:
        """A device that does not let go is cut off."""
        self.line.hang_up()
        self.pass_time(CLOSE_TIMEOUT - 1)
        self.assertFalse(self.terminal.cut)
        self.pass_time(1)
        self.assertTrue(self.terminal.cut)

    def test_stubborn_upstream(self) -> None:
        """So is an upstream."""
        self.patch(self.line, "loseConnection", lambda: None)
        self.terminal.hang_up()
        self.pass_time(4)
        self.assertFalse(self.line.aborted)
        self.pass_time(1)
        self.assertTrue(self.line.aborted)

    def test_idle(self) -> None:
        """A tunnel through which nothing went for long enough is cut, on both sides."""
        lines = self.watch_log()
        self.pass_time(IDLE_TIMEOUT - 1)
        self.assertFalse(self.terminal.cut or self.line.disconnecting)
        self.pass_time(1)
        self.assertTrue(self.terminal.cut)
        self.assertFalse(self.line.connected)
        self.assertIn("a tunnel without a byte for 120 s", lines)

    def test_busy(self) -> None:
        """A byte now and then, from either side, keeps it open far beyond all other limits."""
        for _ in range(20):
            self.pass_time(IDLE_TIMEOUT - 1)
            self.line.send(b"x")
            self.pass_time(IDLE_TIMEOUT - 1)
            self.terminal.send(b"x")
        self.assertFalse(self.terminal.cut or self.terminal.closed)
        self.assertTrue(self.line.connected)

    def test_stalled_device(self) -> None:
        """A device that takes nothing is cut off, even if it goes on sending."""
        self.terminal.stop_reading()
        for _ in range(int(LIMITS.write_stall / 60)):
            self.assertFalse(self.terminal.cut)
            self.terminal.send(b"x")
            self.pass_time(60)
        self.assertTrue(self.terminal.cut)

    def test_drain(self) -> None:
        """A gateway that stops closes its tunnels at once: devices come back by themselves."""
        draining = Deferred.fromCoroutine(self.site.drain(20))
        self.assertTrue(self.terminal.closed)
        self.assertTrue(self.line.disconnecting)
        self.terminal.hang_up()
        self.network.advance(0)
        self.successResultOf(draining)

    def test_other_reasons(self) -> None:
        """What cuts the device's connection closes the upstream's."""
        self.site.cut_off()
        self.assertTrue(self.terminal.cut)
        self.terminal.hang_up()
        self.assertTrue(self.line.disconnecting)


class AccountTests(TunnelTestCase):
    """What is known of tunnels."""

    def test_count(self) -> None:
        """The open ones are counted, and none that is only asked for or refused."""
        device, line = self.asking()
        self.assertEqual(self.proxy.tunnels, 0)
        line.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(self.proxy.tunnels, 0)
        device.hang_up()
        tunnels = [self.tunnel() for _ in range(2)]
        self.assertEqual(self.proxy.tunnels, 2)
        tunnels[0][0].hang_up()
        self.assertEqual(self.proxy.tunnels, 1)
        tunnels[1][1].hang_up()
        self.assertEqual(self.proxy.tunnels, 0)

    def test_limit(self) -> None:
        """A tunnel is one of the connections that there may be."""
        for _ in range(LIMITS.max_connections):
            self.tunnel()
        self.assertTrue(self.device().cut)

    def test_logged(self) -> None:
        """When it ends, whoever ends it, there is one line with the bytes of both ways."""
        for side in ("device", "upstream"):
            device, line = self.tunnel()
            device.send(b"ls\n")
            line.send(b"total 0\n")
            self.pass_time(90)
            lines = self.watch_log()
            if side == "device":
                device.hang_up()
            else:
                line.hang_up()
            self.assertEqual(
                lines,
                [
                    f"method=GET path={CONNECT.decode()} status=101 type=HTTP/1.1 bytes=8"
                    " received=3 time=90.000 from=192.0.2.7 route=deviceconnect"
                ],
            )
