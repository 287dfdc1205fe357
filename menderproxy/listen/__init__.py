"""The device side of the network: addresses, sockets and the server's TLS."""
