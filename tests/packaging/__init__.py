"""Tests of the files that a distribution, a container or a cluster runs the gateway by."""
