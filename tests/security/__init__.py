"""Attacks and faults that no other room proves to be harmless, one module for each."""
