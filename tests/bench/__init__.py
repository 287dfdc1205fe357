"""Tests of what the benchmark makes of its figures."""
