"""Ports that are shut, and servers that hang."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.protocols.wire import Echo
from twisted.trial.unittest import SynchronousTestCase

from bench.soak.door import Door
from tests.network import Network


class DoorTests(SynchronousTestCase):
    """An echo behind a door."""

    def setUp(self) -> None:
        """Open it, and let a client in."""
        self.network = Network()
        self.heard: list[bytes] = []
        self.door = Door(self.network, Factory.forProtocol(self.server), port=1)
        self.door.open()
        self.client = self.network.call(1)

    def server(self) -> Echo:
        """Make one that tells what it hears."""
        heard = self.heard

        class Listening(Echo):
            def dataReceived(self, data: bytes) -> None:
                heard.append(data)
                super().dataReceived(data)  # type: ignore[no-untyped-call]

        return Listening()

    def test_open(self) -> None:
        """What comes gets through, and back."""
        self.client.send(b"hello")
        self.assertEqual(self.client.received(), b"hello")

    def test_hangs(self) -> None:
        """Nothing comes back while it hangs, and all of it afterwards."""
        self.door.hang()
        self.client.send(b"one ", b"two")
        self.assertEqual(self.heard, [])
        self.door.go_on()
        self.assertEqual(self.client.received(), b"one two")

    def test_hangs_in_the_middle(self) -> None:
        """What the server says meanwhile goes out afterwards, too."""
        [connection] = self.door.protocols
        self.door.hang()
        connection.write(b"late")
        self.assertEqual(self.client.received(), b"")
        self.door.go_on()
        self.assertEqual(self.client.received(), b"late")

    def test_gone(self) -> None:
        """Who leaves while it hangs is not answered."""
        self.door.hang()
        self.client.send(b"hello")
        self.client.hang_up()
        self.door.go_on()
        self.assertEqual((self.heard, self.client.received()), ([], b""))

    def test_shut(self) -> None:
        """Who is here is cut, and nobody gets in."""
        self.successResultOf(self.shut())
        self.assertTrue(self.client.aborted)
        self.assertNotIn(1, self.network.open)

    def test_again(self) -> None:
        """It can be opened again, at the same port."""
        self.successResultOf(self.shut())
        self.door.open()
        client = self.network.call(1)
        client.send(b"hello")
        self.assertEqual(client.received(), b"hello")

    def shut(self) -> Deferred[None]:
        """Shut the door."""
        return Deferred.fromCoroutine(self.door.shut())
