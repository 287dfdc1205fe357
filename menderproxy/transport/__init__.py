"""TCP connections that send files from where they lie, and speak TLS on their own socket."""
