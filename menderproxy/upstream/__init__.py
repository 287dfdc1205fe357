"""The other side of the network: the Mender Server and the artifact stores."""
