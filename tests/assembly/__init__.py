"""Tests of how the rooms are put together."""
