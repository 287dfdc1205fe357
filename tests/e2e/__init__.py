"""End to end: Debian's real Mender client and a real S3 store, with the gateway between them."""
