"""The configuration: the official file and environment in, one frozen value out."""
