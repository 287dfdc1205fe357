"""Tests of loopback."""
