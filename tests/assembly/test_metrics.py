"""Which number of which room is shown under which name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cryptography import x509
from twisted.logger import capturedLogs, formatEvent

from menderproxy._version import __version__
from menderproxy.listen.client_certificate import serial_text
from menderproxy.listen.refusal import Reason
from menderproxy.wire.routes import Route
from tests.certificates import DAY, dns, pem_of, root
from tests.monitoring import METRICS_PORT, PORT, MonitoringTestCase
from tests.specimens import HOUR
from tests.upstream.upgrade_testcase import REQUEST, SWITCH

API = "/api/devices/v1/inventory/device/attributes"
ROOT = Path(__file__).parents[2]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class RequestTests(MonitoringTestCase):
    """What devices do."""

    def test_requests(self) -> None:
        """The two counters of the official gateway have method, status and route."""
        self.start()
        self.ask(API)
        self.assertEqual(self.value("http_requests_under_way"), 1)
        self.network.accept().send(OK)
        self.network.advance(0)
        labels = {"method": "GET", "code": "200", "route": "inventory"}
        self.assertEqual(self.value("http_requests_total", **labels), 1)
        self.assertEqual(self.value("http_response_bytes_total", **labels), 2)
        self.assertEqual(self.value("http_requests_under_way"), 0)

    def test_scrapes(self) -> None:
        """A scrape is no request of a device, nor is its connection one of theirs."""
        self.start()
        for _ in range(2):
            self.assertEqual(self.scrape()["mender_gateway_http_requests_total"].samples, [])
        self.assertEqual(self.value("connections"), 0)

    def test_broken_off(self) -> None:
        """A request whose device left is broken off; all routes are there from the start."""
        self.start()
        for route in Route:
            self.assertEqual(self.value("http_requests_broken_off_total", route=route.value), 0)
        self.ask(API).hang_up()
        self.network.advance(0)
        self.assertEqual(self.value("http_requests_broken_off_total", route="inventory"), 1)

    def test_connections(self) -> None:
        """Connections, how many there may be, and those above that."""
        self.start(("Limits.MaxConnections", 2))
        for count in (1, 2, 2):
            self.network.call(PORT)
            self.assertEqual(self.value("connections"), count)
        self.assertEqual(self.value("max_connections"), 2)
        self.assertEqual(self.value("surplus_connections_total"), 1)

    def test_tunnels(self) -> None:
        """A remote terminal shows as long as it is open; that it ends is not an accident."""
        self.start()
        self.assertEqual(self.value("tunnels"), 0)
        headers = b"".join(b"%b: %b\r\n" % header for header in REQUEST)
        device = self.network.call(PORT)
        device.send(b"GET /api/devices/v1/deviceconnect/connect HTTP/1.1\r\n%b\r\n" % headers)
        self.network.advance(0)
        self.network.accept().send(SWITCH)
        self.network.advance(0)
        self.assertEqual(self.value("tunnels"), 1)
        device.hang_up()
        self.network.advance(0)
        self.assertEqual(self.value("tunnels"), 0)
        labels = {"method": "GET", "code": "101", "route": "deviceconnect"}
        self.assertEqual(self.value("http_requests_total", **labels), 1)
        self.assertEqual(self.value("http_requests_broken_off_total", route="deviceconnect"), 0)

    def test_refusals(self) -> None:
        """A refused device counts under its reason; all reasons are there from the start."""
        gateway = self.start(*self.all_features())
        for reason in Reason:
            self.assertEqual(self.value("refusals_total", reason=reason.value), 0)
        gateway.site.refusals.count(Reason.REVOKED)
        self.assertEqual(self.value("refusals_total", reason="revoked"), 1)


class UpstreamTests(MonitoringTestCase):
    """What upstreams do."""

    def test_bytes(self) -> None:
        """What came from the Mender Server is counted."""
        self.start()
        self.ask(API)
        self.network.accept().send(OK)
        self.network.advance(0)
        self.assertEqual(self.value("upstream_received_bytes_total", upstream="api"), 2)

    def test_errors(self) -> None:
        """An upstream that fails counts, by what it does wrong."""
        self.start(*self.all_features()[-5:])
        for upstream in ("api", "store"):
            for kind in ("unavailable", "unanswered", "timeout", "broken_off"):
                value = self.value("upstream_errors_total", upstream=upstream, kind=kind)
                self.assertEqual(value, 0)
        self.ask(API)
        self.network.accept().hang_up()
        self.network.advance(0)
        value = self.value("upstream_errors_total", upstream="api", kind="unanswered")
        self.assertEqual(value, 1)

    def test_unlisted_links(self) -> None:
        """A download link to a host that is not on the whitelist counts."""
        self.start(*self.all_features()[-5:])
        body = b'{"artifact":{"artifact_name":"a","source":{"uri":"https://elsewhere.example/a"}}}'
        self.ask("/api/devices/v1/deployments/device/deployments/next")
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.network.accept().send(head + body)
        self.network.advance(0)
        self.assertEqual(self.value("unlisted_links_total"), 1)


class CredentialTests(MonitoringTestCase):
    """How long certificates and revocation lists are good for."""

    def test_server(self) -> None:
        """The server's certificate ends with the first of those it comes with."""
        settings = self.all_features()
        issuer = self.authority.issue("issuer", authority=True, until=HOUR)
        server = issuer.issue("gateway", dns("gateway.example"), until=DAY)
        (self.folder / "server.pem").write_bytes(server.chain_pem)
        (self.folder / "server.key").write_bytes(server.key_pem)
        self.start(*settings)
        self.assertEqual(
            self.value("server_certificate_not_after_timestamp_seconds"),
            issuer.certificate.not_valid_after_utc.timestamp(),
        )

    def test_authorities(self) -> None:
        """Each authority of devices has its end, those of the same name as well."""
        settings = self.all_features()
        both = self.authority.certificate, root("factory").certificate
        (self.folder / "factory.pem").write_bytes(b"".join(map(pem_of, both)))
        self.start(*settings)
        for each in both:
            value = self.value(
                "client_authority_not_after_timestamp_seconds",
                subject="CN=factory",
                serial=serial_text(each.serial_number),
            )
            self.assertEqual(value, each.not_valid_after_utc.timestamp())

    def test_lists(self) -> None:
        """Each revocation list has the time of its successor, and none is overdue."""
        self.start(*self.all_features())
        crl = x509.load_pem_x509_crl((self.folder / "lists.pem").read_bytes())
        assert crl.next_update_utc is not None
        name = "revocation_list_next_update_timestamp_seconds"
        self.assertEqual(self.value(name, issuer="CN=factory"), crl.next_update_utc.timestamp())
        self.assertEqual(self.value("revocation_lists_overdue"), 0)

    def test_overdue(self) -> None:
        """A list whose time is over, by the gateway's clock, is overdue."""
        self.start(*self.all_features())
        self.now += 2 * DAY.total_seconds()
        self.assertEqual(self.value("revocation_lists_overdue"), 1)

    def test_reload(self) -> None:
        """The files were read at the start, and in order."""
        self.start(*self.all_features())
        self.assertEqual(self.value("reload_success_timestamp_seconds"), self.now)
        self.assertEqual(self.value("reload_failures_total"), 0)


class ProcessTests(MonitoringTestCase):
    """The gateway as a whole."""

    def test_version(self) -> None:
        """It tells its version."""
        self.start()
        self.assertEqual(self.value("build_info", version=__version__), 1)

    def test_lag(self) -> None:
        """A reactor that was held up shows."""
        self.start()
        self.network.advance(1)
        self.network.advance(4)
        self.assertEqual(self.value("event_loop_lag_seconds_sum"), 3)
        self.assertEqual(self.value("event_loop_lag_seconds_count"), 2)

    def test_draining(self) -> None:
        """While it stops, that is shown to the end; then its port is closed, too."""
        gateway = self.start(("Limits.DrainTimeout", "1h"))
        self.assertEqual(self.value("draining"), 0)
        device = self.ask(API)
        upstream = self.network.accept()
        stopping = gateway.stopService()
        self.network.advance(0)
        self.assertEqual(self.value("draining"), 1)
        self.assertEqual(self.value("http_requests_under_way"), 1)
        upstream.send(OK)
        self.network.advance(0)
        self.assertTrue(device.received().endswith(b"ok"))
        self.successResultOf(stopping)
        self.assertEqual(self.network.open, {})

    def test_started_again(self) -> None:
        """A gateway that is stopped and started again goes on counting."""
        gateway = self.start()
        self.ask("/nothing").hang_up()
        self.stop(gateway)
        gateway.startService()
        labels = {"method": "GET", "code": "404", "route": "unknown"}
        self.assertEqual(self.value("http_requests_total", **labels), 1)


class PortTests(MonitoringTestCase):
    """The port for all this."""

    def test_off(self) -> None:
        """By default there is none."""
        gateway = self.start(("Metrics.Enabled", False))
        self.assertIsNone(gateway.metrics)
        self.assertEqual(set(self.network.open), {PORT})

    def test_not_loaded(self) -> None:
        """What makes the metrics is loaded only where they are shown."""
        program = """if True:
            import sys
            from twisted.internet.testing import MemoryReactorClock
            from menderproxy import gateway_service, parse_config
            document = {
                "HTTP": {"Enabled": True},
                "Metrics": {"Enabled": sys.argv[1] == "on"},
                "UpstreamServer": {"URL": "https://mender.example.com"},
            }
            gateway_service(parse_config(document), MemoryReactorClock())
            print("prometheus_client" in sys.modules)
        """
        for metrics, loaded in (("off", "False\n"), ("on", "True\n")):
            command = [sys.executable, "-c", program, metrics]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
            self.assertEqual(done.stdout, loaded, metrics)

    def test_taken(self) -> None:
        """When it is taken that is logged, and devices are served all the same."""
        self.network.busy.add(METRICS_PORT)
        with capturedLogs() as events:
            self.start()
        self.assertIn(
            f"no metrics: Metrics.Listen: :{METRICS_PORT}: Address already in use",
            [formatEvent(event) for event in events],
        )
        self.assertTrue(self.ask("/nothing").received().startswith(b"HTTP/1.1 404 "))
