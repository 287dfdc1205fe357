"""What goes over the wire, as pure functions and values: no sockets, no clock, no files."""
