"""Tests of telling what a device asks for."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from menderproxy.wire.routes import BadTarget, Route, match

DEPLOYMENTS = b"/api/devices/v1/deployments/"


class RouteTests(SynchronousTestCase):
    """Which target is which route."""

    def test_named_routes(self) -> None:
        """Each request that the gateway treats in its own way has its own route."""
        for target, route in (
            (b"/api/internal/v1/gateway/alive", Route.ALIVE),
            (b"/api/internal/v1/gateway/ready", Route.READY),
            (b"/artifacts/aHR0/release?issued=1", Route.ARTIFACT),
            (DEPLOYMENTS + b"device/deployments/next", Route.NEXT_DEPLOYMENT),
            (DEPLOYMENTS + b"device/deployments/next?device_type=a", Route.NEXT_DEPLOYMENT),
            (b"/api/devices/v2/deployments/device/deployments/next", Route.NEXT_DEPLOYMENT),
            (DEPLOYMENTS + b"artifacts/7f1c/download", Route.ARTIFACT_LINK),
            (
                DEPLOYMENTS + b"download/configuration/d1/my%2Ftype/dev1?x-men-expire=1",
                Route.CONFIGURATION_DOWNLOAD,
            ),
            (b"/api/devices/v1/authentication/auth_requests", Route.AUTHENTICATION),
            (b"/api/devices/v1/inventory/device/attributes", Route.INVENTORY),
            (b"/api/devices/v1/deviceconnect/connect", Route.CONNECT),
            (DEPLOYMENTS + b"device/deployments/d1/status", Route.DEPLOYMENT_STATUS),
            (DEPLOYMENTS + b"device/deployments/d1/log", Route.DEPLOYMENT_LOG),
        ):
            self.assertIs(match(target), route, target)

    def test_device_api(self) -> None:
        """Any other path of the device API is known as such, also one that is yet to come."""
        for target in (
            b"/api/devices/",
            b"/api/devices/v1/deviceconfig/configuration",
            b"/api/devices/v9/deployments/device/deployments/next",
            DEPLOYMENTS + b"artifacts",
            DEPLOYMENTS + b"artifacts/a/b/download",
            DEPLOYMENTS + b"device/deployments/next/",
            DEPLOYMENTS + b"device/deployments/a/b/status",
            b"/api/devices/v1/a%2Fb?../..",
            b"/api/devices/v1/..a/b../.../%2e%2e%2e",
        ):
            self.assertIs(match(target), Route.DEVICE_API, target)

    def test_unknown(self) -> None:
        """Paths outside the device API are unknown, however close they come."""
        for target in (
            b"/",
            b"/api/devices",
            b"/API/devices/v1/x",
            b"/api/devices%2Fv1/x",
            b"//api/devices/v1/x",
            b"/x/../api/devices/v1/x",
            b"/api/management/v1/inventory/devices",
            b"/api/internal/v1/gateway/alive/x",
            b"/artifacts",
            b"/?/api/devices/v1/x",
        ):
            self.assertIs(match(target), Route.UNKNOWN, target)

    def test_labels(self) -> None:
        """A route's value is a label of the metrics."""
        self.assertEqual(Route.NEXT_DEPLOYMENT.value, "deployments_next")
        for route in Route:
            self.assertRegex(route.value, r"\A[a-z_]+\Z")


class BadTargetTests(SynchronousTestCase):
    """Which targets are not even looked up."""

    def test_no_path(self) -> None:
        """A target that is not a path is refused: a proxy is not for that."""
        for target in (b"", b"*", b"http://a/api/devices/v1/x", b"mender.example:443"):
            self.assertRaises(BadTarget, match, target)

    def test_bytes(self) -> None:
        """Control and non-ASCII bytes are refused, in the query too."""
        for byte in (b"\x00", b"\t", b"\r", b"\n", b" ", b"\x7f", b"\x85", b"\xff"):
            for target in (b"/", b"/api/devices/v1/x?"):
                self.assertRaises(BadTarget, match, target + byte)

    def test_dot_segments(self) -> None:
        """A path that may leave the device API when it is tidied up is refused in any spelling."""
        for segments in (
            b"../management/v1/x",
            b"v1/../../management",
            b"v1/..",
            b"v1/.",
            b"v1/./x",
            b"v1/%2e%2e/x",
            b"v1/.%2E/x",
            b"v1/%252e./x",
            b"v1/%25252e%2e/x",
            b"v1%2F..%2Fx",
            b"v1%2f%2e%2e%2fx",
            b"v1%252f%252e%252e%252fx",
            b"v1\\..\\x",
            b"v1%5C..%5cx",
            b"v1/..;x=y/z",
            b"v1/..?x",
        ):
            self.assertRaises(BadTarget, match, b"/api/devices/" + segments)
