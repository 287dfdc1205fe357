"""Tests of connections that send files, and speak TLS on their own socket."""
