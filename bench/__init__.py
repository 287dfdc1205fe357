"""Benchmarks: what a running gateway costs, measured from outside. Never part of the tests."""
