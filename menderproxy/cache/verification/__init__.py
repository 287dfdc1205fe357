"""Whether a file is a sound Mender artifact: archive, manifest, checksums, signature."""
