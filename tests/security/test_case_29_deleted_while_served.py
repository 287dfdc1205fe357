"""An artifact loses its name while a device is served with it."""

from __future__ import annotations

from tests.cache.test_room import RoomTestCase, link, thing
from tests.cache.testcase import Device


class OpenFileTests(RoomTestCase):
    """What the device gets."""

    def test_reads_on(self) -> None:
        """It gets all of it, byte for byte, though the cache does not have it any more."""
        self.fill(1)
        device = Device(self.opening(link(0)), step=100)
        self.devices.append(device)
        device.paused = True
        self.settle()
        self.assertEqual((device.received, device.failure), (b"", None))
        self.cache.index.forget(link(0).cache_key)
        self.directory.delete(link(0).cache_key)
        device.go_on()
        self.settle()
        self.assertEqual(device.received, thing(0).data)
        self.assertEqual(self.held(), [])
