"""Tests of cache.verification."""
